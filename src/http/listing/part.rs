//! Which part of a folder a listing shows: a page of it for people, and all of it for programs that ask for nothing else.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::http::message::accept::Form;

/// How many entries a page has unless the client says otherwise.
const PAGE: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

/// How many entries a page may have.
const LARGEST_PAGE: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What a client wants to see of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Whole,
    Page(Page),
}

/// A page: so many entries behind those of the pages before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Page {
    pub(super) number: NonZeroUsize,
    pub(super) size: NonZeroUsize,
}

impl Part {
    /// Reads `page` and `limit` of a query. Whatever else is in it, or makes no sense, is ignored, as a query of a file is.
    pub(super) fn of(form: Form, query: Option<&str>) -> Self {
        let value = |wanted: &str| {
            let fields = query.unwrap_or_default().split('&').filter_map(|field| field.split_once('='));
            fields.filter(|(name, _)| *name == wanted).find_map(|(_, value)| value.parse().ok())
        };
        let (number, size): (Option<NonZeroUsize>, Option<NonZeroUsize>) = (value("page"), value("limit"));
        if form == Form::Json && number.is_none() && size.is_none() {
            return Self::Whole;
        }
        let size = size.unwrap_or(PAGE).min(LARGEST_PAGE);
        Self::Page(Page { number: number.unwrap_or(NonZeroUsize::MIN), size })
    }

    /// The places of its entries, of which the last ones may be missing.
    pub(super) fn range(self) -> Range<usize> {
        match self {
            Self::Whole => 0..usize::MAX,
            Self::Page(page) => page.range(),
        }
    }

    /// The page behind it, if a folder of `count` entries has one.
    pub(super) fn next(self, count: usize) -> Option<Page> {
        match self {
            Self::Whole => None,
            Self::Page(page) => page.next(count),
        }
    }
}

impl Page {
    fn range(self) -> Range<usize> {
        let start = (self.number.get() - 1).saturating_mul(self.size.get());
        start..start.saturating_add(self.size.get())
    }

    /// The number of pages of this size in a folder of `count` entries, which has one in any case.
    pub(super) fn last(self, count: usize) -> Self {
        let number = NonZeroUsize::new(count.div_ceil(self.size.get())).unwrap_or(NonZeroUsize::MIN);
        Self { number, ..self }
    }

    /// The first page.
    pub(super) fn first(self) -> Self {
        Self { number: NonZeroUsize::MIN, ..self }
    }

    /// The page behind it, if there is one.
    pub(super) fn next(self, count: usize) -> Option<Self> {
        let number = self.number.checked_add(1)?;
        (number <= self.last(count).number).then_some(Self { number, ..self })
    }

    /// The page before it, if there is one; behind the last page that is the last one.
    pub(super) fn previous(self, count: usize) -> Option<Self> {
        let number = NonZeroUsize::new(self.number.get() - 1)?;
        Some(Self { number: number.min(self.last(count).number), ..self })
    }

    /// The query that asks for it.
    pub(super) fn query(self) -> String {
        match self.size {
            PAGE => format!("?page={}", self.number),
            size => format!("?page={}&limit={size}", self.number),
        }
    }
}

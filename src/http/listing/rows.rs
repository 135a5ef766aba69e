//! What a folder holds at one moment, for one visitor: kept compactly, because a folder may have a million entries.

use std::cmp::Reverse;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::NotListed;
use super::budget::{Budget, Counted};
use crate::access::{Access, Right, Visitor};
use crate::http::Store;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{DirectoryEntry, Node};
use crate::semantics::http_date::HttpDate;

/// Entries of a folder: folders first, each kind by name.
pub(super) struct Rows {
    /// All names, one behind the other.
    names: Counted<u8>,
    rows: Counted<Row>,
    audience: Audience,
}

/// One entry.
#[derive(Clone, Copy)]
struct Row {
    size: u64,
    modified: i64,
    /// Where its name begins.
    name: u32,
    length: u16,
    is_directory: bool,
}

/// One entry, as it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) name: &'a str,
    pub(super) is_directory: bool,
    /// Bytes; of a directory: 0.
    pub(super) size: u64,
    /// `None` before 1970.
    pub(super) modified: Option<HttpDate>,
}

/// Whether everybody would see the same entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Everybody,
    Few,
}

/// For whom a folder is read, and what is left out of it.
pub(super) struct View<'a> {
    pub(super) visitor: Visitor,
    pub(super) access: &'a Access,
    pub(super) dotfiles: Dotfiles,
}

impl Rows {
    /// Reads the folder at `path`: what a request could name and the visitor may read. Looks at every entry, so it runs on
    /// the blocking pool.
    pub(super) fn read(
        store: &Store,
        path: &ResourcePath<'_>,
        view: &View<'_>,
        budget: &Arc<Budget>,
    ) -> Result<Self, NotListed> {
        let root = store.root();
        let Node::Directory(directory) = root.open_node(path)? else {
            return Err(NotListed::Open(crate::root::OpenError::Missing));
        };
        let mut rows = Self::new(budget);
        let mut full = None;
        root.read_directory(path, &directory, |entry| {
            let Some(child) = path.child(entry.name, view.dotfiles) else { return ControlFlow::Continue(()) };
            if !view.access.allows(Visitor::ANYBODY, &child, Right::Read) {
                rows.audience = Audience::Few;
            }
            if !view.access.allows(view.visitor, &child, Right::Read) {
                return ControlFlow::Continue(());
            }
            match rows.push(&entry) {
                Ok(()) => ControlFlow::Continue(()),
                Err(reason) => {
                    full = Some(reason);
                    ControlFlow::Break(())
                }
            }
        })?;
        full.map_or(Ok(()), Err)?;
        rows.sort();
        Ok(rows)
    }

    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { names: Counted::new(budget), rows: Counted::new(budget), audience: Audience::Everybody }
    }

    pub(super) fn push(&mut self, entry: &DirectoryEntry<'_>) -> Result<(), NotListed> {
        let name = u32::try_from(self.names.items().len()).map_err(|_| NotListed::TooLarge)?;
        let length = u16::try_from(entry.name.len()).map_err(|_| NotListed::TooLarge)?;
        self.names.extend(entry.name.as_bytes())?;
        self.rows.extend(&[Row {
            size: entry.size,
            modified: entry.modified.seconds,
            name,
            length,
            is_directory: entry.is_directory,
        }])
    }

    pub(super) fn sort(&mut self) {
        let names = self.names.items();
        let key = |row: &Row| (Reverse(row.is_directory), name(names, row));
        self.rows.items_mut().sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.rows.items().len()
    }

    /// Whether everybody would see the same entries.
    pub(super) fn audience(&self) -> Audience {
        self.audience
    }

    /// The entries in `range`, as far as there are any.
    pub(super) fn items(&self, range: Range<usize>) -> impl Iterator<Item = Item<'_>> {
        let rows = self.rows.items();
        let end = range.end.min(rows.len());
        rows[range.start.min(end)..end].iter().map(|row| Item {
            name: std::str::from_utf8(name(self.names.items(), row)).unwrap_or_default(),
            is_directory: row.is_directory,
            size: row.size,
            modified: HttpDate::from_unix(row.modified),
        })
    }
}

fn name<'a>(names: &'a [u8], row: &Row) -> &'a [u8] {
    let start = row.name as usize;
    &names[start..start + usize::from(row.length)]
}

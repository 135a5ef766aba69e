//! Conditional requests (RFC 9110 13): whether a request is to be performed, given what is there.
//!
//! Verdicts are not status codes, and this module does not know when to ask for one: that
//! preconditions count only where the request would otherwise succeed (13.2.1) is up to the caller.

use super::Field;
use super::entity_tag::{EntityTag, EntityTagList};
use super::http_date::HttpDate;
use super::validators::Validators;

/// What one precondition field says about the current representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The field is not there, or is to be ignored.
    Absent,
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
}

impl From<bool> for Condition {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// The two ways in which a method meets a precondition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodClass {
    /// GET and HEAD: what the client already has need not be sent again.
    Read,
    /// Every method that changes something: what the client does not know must not be replaced.
    Write,
}

/// The precondition fields whose failure is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreconditionField {
    /// RFC 9110 13.1.1.
    IfMatch,
    /// RFC 9110 13.1.4.
    IfUnmodifiedSince,
    /// RFC 9110 13.1.2.
    IfNoneMatch,
}

impl PreconditionField {
    /// The field's name as it is written, for example `If-Match`.
    pub fn name(self) -> &'static str {
        match self {
            Self::IfMatch => "If-Match",
            Self::IfUnmodifiedSince => "If-Unmodified-Since",
            Self::IfNoneMatch => "If-None-Match",
        }
    }
}

/// What the preconditions of a request, taken together, ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Do what the method says.
    Perform,
    /// The client has the current representation already. Only for [`MethodClass::Read`].
    NotModified,
    /// Change nothing: this field does not hold.
    Failed(PreconditionField),
}

/// The precondition fields of a request. An invalid date is absent (RFC 9110 13.1.3, 13.1.4), a
/// malformed list is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions<'a> {
    /// `If-Match` (RFC 9110 13.1.1).
    pub if_match: Field<EntityTagList<'a>>,
    /// `If-None-Match` (RFC 9110 13.1.2).
    pub if_none_match: Field<EntityTagList<'a>>,
    /// `If-Modified-Since` (RFC 9110 13.1.3).
    pub if_modified_since: Option<HttpDate>,
    /// `If-Unmodified-Since` (RFC 9110 13.1.4).
    pub if_unmodified_since: Option<HttpDate>,
}

impl Preconditions<'_> {
    /// The same preconditions, owning their tags.
    pub fn into_owned(self) -> Preconditions<'static> {
        Preconditions {
            if_match: self.if_match.map(EntityTagList::into_owned),
            if_none_match: self.if_none_match.map(EntityTagList::into_owned),
            if_modified_since: self.if_modified_since,
            if_unmodified_since: self.if_unmodified_since,
        }
    }

    /// Whether anything guards a write: `If-Modified-Since` does not (RFC 9110 13.1.3).
    pub fn guard_a_write(&self) -> bool {
        self.if_match != Field::Absent
            || self.if_none_match != Field::Absent
            || self.if_unmodified_since.is_some()
    }

    /// Whether a write depends on *what* the current representation is, and not only on whether there is one.
    pub fn name_a_version(&self) -> bool {
        let tags = |field: &Field<EntityTagList<'_>>| matches!(field, Field::Present(EntityTagList::Tags(_)));
        tags(&self.if_match) || tags(&self.if_none_match) || self.if_unmodified_since.is_some()
    }

    /// Evaluates the fields in the order of RFC 9110 13.2.2, whose numbers stand beside the steps.
    ///
    /// `current` is what the server can say of the selected representation; `None`: there is none.
    pub fn evaluate(&self, method: MethodClass, current: Option<&Validators>) -> Verdict {
        match self.if_match(current) {
            // 1. If-Match is present: true goes on to step 3, false is the end.
            Condition::True => {}
            Condition::False => return Verdict::Failed(PreconditionField::IfMatch),
            // 2. If-Match is not present: If-Unmodified-Since decides in its place.
            Condition::Absent => {
                if self.if_unmodified_since(current) == Condition::False {
                    return Verdict::Failed(PreconditionField::IfUnmodifiedSince);
                }
            }
        }
        match (self.if_none_match(method, current), method) {
            // 3. If-None-Match is present: true goes on to step 5, false is the end.
            (Condition::True, _) => {}
            (Condition::False, MethodClass::Read) => return Verdict::NotModified,
            (Condition::False, MethodClass::Write) => {
                return Verdict::Failed(PreconditionField::IfNoneMatch);
            }
            // 4. A read without If-None-Match: If-Modified-Since decides in its place.
            (Condition::Absent, MethodClass::Read) => {
                if self.if_modified_since(current) == Condition::False {
                    return Verdict::NotModified;
                }
            }
            (Condition::Absent, MethodClass::Write) => {}
        }
        // 5. If-Range turns a part into the whole, never into another answer: see `IfRange`.
        // 6. Otherwise: perform the method.
        Verdict::Perform
    }

    /// Whether the request carries no precondition at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The field that cannot be read, if there is one; `If-Match` is looked at first.
    pub fn malformed_field(&self) -> Option<PreconditionField> {
        if self.if_match == Field::Malformed {
            Some(PreconditionField::IfMatch)
        } else if self.if_none_match == Field::Malformed {
            Some(PreconditionField::IfNoneMatch)
        } else {
            None
        }
    }

    /// RFC 9110 13.1.1: strong comparison, for "nobody changed it" is a statement about bytes.
    fn if_match(&self, current: Option<&Validators>) -> Condition {
        match (&self.if_match, current) {
            (Field::Absent, _) => Condition::Absent,
            // Whoever sent it meant to protect something: nothing is done on a guess.
            (Field::Malformed, _) => Condition::False,
            (Field::Present(_), None) => Condition::False,
            (Field::Present(list), Some(current)) => lists(list, current, EntityTag::strong_eq).into(),
        }
    }

    /// RFC 9110 13.1.4.
    fn if_unmodified_since(&self, current: Option<&Validators>) -> Condition {
        let last_modified = current.and_then(|current| current.last_modified);
        match (self.if_unmodified_since, last_modified) {
            (Some(date), Some(last_modified)) => (last_modified <= date).into(),
            // Without a modification date there is nothing to compare, and 13.1.4 has the field ignored.
            _ => Condition::Absent,
        }
    }

    /// RFC 9110 13.1.2: weak comparison, for an equivalent copy need not be fetched again.
    fn if_none_match(&self, method: MethodClass, current: Option<&Validators>) -> Condition {
        match (&self.if_none_match, current) {
            (Field::Absent, _) => Condition::Absent,
            (Field::Malformed, _) => match method {
                // The whole representation is sent: nothing is lost but a saving.
                MethodClass::Read => Condition::True,
                // It may be the `*` that keeps an existing file from being overwritten.
                MethodClass::Write => Condition::False,
            },
            (Field::Present(_), None) => Condition::True,
            (Field::Present(list), Some(current)) => (!lists(list, current, EntityTag::weak_eq)).into(),
        }
    }

    /// RFC 9110 13.1.3. Meaningful for reads only; the caller sees to that.
    fn if_modified_since(&self, current: Option<&Validators>) -> Condition {
        let last_modified = current.and_then(|current| current.last_modified);
        match (self.if_modified_since, last_modified) {
            (Some(date), Some(last_modified)) => (last_modified > date).into(),
            // Without a modification date there is nothing to compare, and 13.1.3 has the field ignored.
            _ => Condition::Absent,
        }
    }
}

/// The value of `If-Range` (RFC 9110 13.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfRange<'a> {
    /// An entity tag.
    Tag(EntityTag<'a>),
    /// A modification date.
    Date(HttpDate),
    /// Neither, or more than one. It never holds: the whole representation is always right.
    Malformed,
}

impl<'a> IfRange<'a> {
    /// Reads all lines of the field; `None` if there is no line.
    pub fn parse(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut lines = lines.into_iter();
        let only = lines.next()?;
        if lines.next().is_some() {
            return Some(Self::Malformed);
        }
        let tag = EntityTag::parse(only).ok().map(Self::Tag);
        let parsed = tag.or_else(|| HttpDate::parse(only).map(Self::Date));
        Some(parsed.unwrap_or(Self::Malformed))
    }

    /// Whether the part that the client has belongs to the current representation, so that the
    /// rest of it may be sent.
    ///
    /// A tag is compared strongly. A date must be exactly the current modification date, and must
    /// be a strong validator (RFC 9110 8.8.2.2): the second it names is over, that is, `now` (the
    /// time of day, its fraction cut off) is a later second. While the second lasts, the bytes can
    /// change again without moving the date. Whether the client fetched its part before that second
    /// was over cannot be seen here; 13.1.5 forbids it to send such a date.
    pub fn holds(&self, current: &Validators, now: HttpDate) -> bool {
        match self {
            Self::Tag(tag) => is_tag_of(tag, current, EntityTag::strong_eq),
            Self::Date(date) => current.last_modified == Some(*date) && *date < now,
            Self::Malformed => false,
        }
    }
}

/// One of the two comparisons of RFC 9110 8.8.3.2.
type Comparison = fn(&EntityTag<'static>, &EntityTag<'_>) -> bool;

/// Whether the list names the current representation. `*` names whatever exists, with a tag or
/// without.
fn lists(list: &EntityTagList<'_>, current: &Validators, equal: Comparison) -> bool {
    match list {
        EntityTagList::Any => true,
        EntityTagList::Tags(tags) => tags.iter().any(|tag| is_tag_of(tag, current, equal)),
    }
}

/// Whether `tag` is the tag of the current representation. Without a tag to vouch for, it is not.
fn is_tag_of(tag: &EntityTag<'_>, current: &Validators, equal: Comparison) -> bool {
    let current = current.entity_tag.as_ref();
    current.is_some_and(|current| equal(current, tag))
}

#[cfg(test)]
mod tests;

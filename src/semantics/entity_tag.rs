//! Entity tags (RFC 9110 8.8.3), their two comparisons, and the lists of them that `If-Match` and
//! `If-None-Match` carry.
//!
//! How a tag is derived from a representation is not decided here: to this module it is opaque.

use std::borrow::Cow;
use std::fmt;

use super::{Field, MalformedField, is_ows, skip_while, trim_ows};

/// Whether a tag stands for exact bytes or for something merely equivalent (RFC 9110 8.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Equal tags mean equal bytes.
    Strong,
    /// Equal tags mean interchangeable representations. Written `W/"..."`.
    Weak,
}

/// One entity tag: a strength and an opaque value that holds nothing but `etagc` bytes.
///
/// `==` is identity, the strength included. HTTP compares with [`strong_eq`](Self::strong_eq) or
/// [`weak_eq`](Self::weak_eq).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    strength: Strength,
    opaque: Cow<'a, [u8]>,
}

impl<'a> EntityTag<'a> {
    /// The strong tag with this opaque value, given without its quotes.
    ///
    /// # Errors
    /// [`MalformedField`] if a byte cannot stand inside a tag, that is, is not `%x21 / %x23-7E / %x80-FF`.
    pub fn strong(opaque: impl Into<Cow<'a, [u8]>>) -> Result<Self, MalformedField> {
        Self::new(Strength::Strong, opaque.into())
    }

    /// The weak tag with this opaque value, given without its quotes and without `W/`.
    ///
    /// # Errors
    /// As for [`strong`](Self::strong).
    pub fn weak(opaque: impl Into<Cow<'a, [u8]>>) -> Result<Self, MalformedField> {
        Self::new(Strength::Weak, opaque.into())
    }

    /// Reads exactly one tag, `"..."` or `W/"..."`, with optional whitespace around it.
    ///
    /// # Errors
    /// [`MalformedField`] for anything else; `w/` in lower case is something else.
    pub fn parse(value: &'a [u8]) -> Result<Self, MalformedField> {
        match Self::take(trim_ows(value)) {
            Some((tag, [])) => Ok(tag),
            _ => Err(MalformedField),
        }
    }

    /// Whether the tag is strong or weak.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// The value between the quotes.
    pub fn opaque(&self) -> &[u8] {
        &self.opaque
    }

    /// The strong comparison of RFC 9110 8.8.3.2: both are strong and their values are equal.
    pub fn strong_eq(&self, other: &EntityTag<'_>) -> bool {
        self.strength == Strength::Strong && other.strength == Strength::Strong && self.opaque == other.opaque
    }

    /// The weak comparison of RFC 9110 8.8.3.2: their values are equal, whatever their strengths.
    pub fn weak_eq(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }

    /// The same tag, no longer borrowing from the request.
    pub fn into_owned(self) -> EntityTag<'static> {
        EntityTag { strength: self.strength, opaque: Cow::Owned(self.opaque.into_owned()) }
    }

    fn new(strength: Strength, opaque: Cow<'a, [u8]>) -> Result<Self, MalformedField> {
        if opaque.iter().all(|&byte| is_etagc(byte)) {
            Ok(Self { strength, opaque })
        } else {
            Err(MalformedField)
        }
    }

    /// The tag that `input` begins with, and what follows it.
    ///
    /// There is no escape inside the quotes, and a comma is an ordinary byte there: the tag ends at
    /// the next quote, and nowhere else.
    fn take(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (strength, quoted) = match input.strip_prefix(b"W/") {
            Some(quoted) => (Strength::Weak, quoted),
            None => (Strength::Strong, input),
        };
        let inside = quoted.strip_prefix(b"\"")?;
        let end = inside.iter().position(|&byte| !is_etagc(byte))?;
        let (opaque, closing) = inside.split_at(end);
        let rest = closing.strip_prefix(b"\"")?;
        let opaque = Cow::Borrowed(opaque);
        Some((Self { strength, opaque }, rest))
    }
}

/// The tag as it stands in a field, except that bytes which are not UTF-8 print as U+FFFD.
impl fmt::Display for EntityTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.strength {
            Strength::Strong => "",
            Strength::Weak => "W/",
        };
        write!(f, "{prefix}\"{}\"", String::from_utf8_lossy(&self.opaque))
    }
}

/// The value of `If-Match` or `If-None-Match` (RFC 9110 13.1.1, 13.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityTagList<'a> {
    /// `*`: any current representation.
    Any,
    /// One tag or more, in the order of the request.
    Tags(Vec<EntityTag<'a>>),
}

impl<'a> EntityTagList<'a> {
    /// The same list, owning its tags.
    pub fn into_owned(self) -> EntityTagList<'static> {
        match self {
            Self::Any => EntityTagList::Any,
            Self::Tags(tags) => EntityTagList::Tags(tags.into_iter().map(EntityTag::into_owned).collect()),
        }
    }

    /// Reads all lines of one field as the single list they are (RFC 9110 5.3).
    ///
    /// Empty members are skipped (5.6.1), but a field without any member is malformed, and so is
    /// the whole field as soon as one part of it is: a list of which only some members could be
    /// read is not what its sender wrote. `*` must stand alone; beside anything else, even an empty
    /// member, it is not a tag.
    pub fn parse(lines: impl IntoIterator<Item = &'a [u8]>) -> Field<Self> {
        let mut lines = lines.into_iter().peekable();
        let Some(first) = lines.next() else {
            return Field::Absent;
        };
        if trim_ows(first) == b"*" && lines.peek().is_none() {
            return Field::Present(Self::Any);
        }
        let members = std::iter::once(first).chain(lines).flat_map(Members::of);
        match members.collect::<Result<Vec<_>, _>>() {
            Ok(tags) if !tags.is_empty() => Field::Present(Self::Tags(tags)),
            _ => Field::Malformed,
        }
    }
}

/// The tags of one field line, from left to right. Ends after the first error.
struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<EntityTag<'a>, MalformedField>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = skip_while(self.rest, |byte| is_ows(byte) || byte == b',');
        self.rest = b"";
        if member.is_empty() {
            return None;
        }
        let Some((tag, after)) = EntityTag::take(member) else {
            return Some(Err(MalformedField));
        };
        let after = skip_while(after, is_ows);
        if !matches!(after, [] | [b',', ..]) {
            return Some(Err(MalformedField));
        }
        self.rest = after;
        Some(Ok(tag))
    }
}

/// `etagc` of RFC 9110 8.8.3: visible ASCII but the double quote, and every byte from 0x80 on.
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7E | 0x80..=0xFF)
}

#[cfg(test)]
mod tests;

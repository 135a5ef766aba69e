//! RFC 9110's conditional and range requests, the digests of RFC 9530 and the preferences of RFC 7240, as pure
//! functions over plain values.
//!
//! What a field means and what follows from it is decided here; how it travels is not. There is no
//! I/O in this module, no clock (whoever needs the time hands it in), no HTTP library and no status
//! code: field values come in as bytes, decisions go out as enums.

use std::error::Error;
use std::fmt;

pub mod entity_tag;
pub mod http_date;
pub mod integrity;
pub mod preconditions;
pub mod preferences;
pub mod range;
pub mod validators;

/// What a request says in one of its fields.
///
/// A field that cannot be read is neither absent nor present: to treat it as absent would let a
/// write through that its sender meant to be conditional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The request has no such field.
    #[default]
    Absent,
    /// The field is there and follows its grammar.
    Present(T),
    /// The field is there, but its value breaks the grammar.
    Malformed,
}

impl<T> Field<T> {
    /// The same, with what is present changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Present(value) => Field::Present(change(value)),
            Self::Malformed => Field::Malformed,
        }
    }
}

/// The error of a field value, or a part of one, that breaks its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedField;

impl fmt::Display for MalformedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field value does not follow its grammar")
    }
}

impl Error for MalformedField {}

/// `value` without the optional whitespace around it (OWS, RFC 9110 5.6.3: spaces and tabs only).
fn trim_ows(value: &[u8]) -> &[u8] {
    let value = skip_while(value, is_ows);
    let end = value.iter().rposition(|&byte| !is_ows(byte));
    &value[..end.map_or(0, |last| last + 1)]
}

/// `value` without the leading bytes that satisfy `skip`.
fn skip_while(value: &[u8], skip: impl Fn(u8) -> bool) -> &[u8] {
    let start = value.iter().position(|&byte| !skip(byte));
    &value[start.unwrap_or(value.len())..]
}

fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Compares what came out with what was expected, row by row, and names every row that differs.
#[cfg(test)]
fn assert_rows<N, T>(rows: impl IntoIterator<Item = (N, T, T)>)
where
    N: fmt::Display,
    T: fmt::Debug + PartialEq,
{
    let failures: Vec<String> = rows
        .into_iter()
        .filter(|(_, actual, expected)| actual != expected)
        .map(|(name, actual, expected)| format!("{name}: {actual:?}, expected {expected:?}"))
        .collect();
    assert!(failures.is_empty(), "rows failed:\n{}", failures.join("\n"));
}

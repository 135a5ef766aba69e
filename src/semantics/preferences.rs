//! Preferences (RFC 7240): what a client would like to get back from a write.
//!
//! A preference is never an error. Only `return` is read; whoever acts on it says so in `Preference-Applied`.

use std::borrow::Cow;

use super::trim_ows;

/// The preference `return` (RFC 7240 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// `return=representation`: the current representation, or the new one.
    Representation,
    /// `return=minimal`: nothing that is not needed.
    Minimal,
}

impl Return {
    /// Reads all lines of a `Prefer` field.
    ///
    /// Names are compared without case, parameters are ignored, and where `return` stands more than once only the first
    /// counts (RFC 7240 2), even if its value is none of the two. What cannot be read is no preference.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut members = lines.into_iter().flat_map(|line| unquoted_parts(line, b','));
        let value = members.find_map(value_of_return)?;
        match &*value {
            b"representation" => Some(Self::Representation),
            b"minimal" => Some(Self::Minimal),
            _ => None,
        }
    }

    /// The preference as `Preference-Applied` writes it (RFC 7240 3).
    pub fn applied(self) -> &'static str {
        match self {
            Self::Representation => "return=representation",
            Self::Minimal => "return=minimal",
        }
    }
}

/// The value of a member that is the preference `return`; empty if it has none that can be read.
fn value_of_return(member: &[u8]) -> Option<Cow<'_, [u8]>> {
    let preference = unquoted_parts(member, b';').next()?;
    let mut sides = preference.splitn(2, |&byte| byte == b'=').map(trim_ows);
    let named = sides.next()?.eq_ignore_ascii_case(b"return");
    named.then(|| sides.next().and_then(word).unwrap_or_default())
}

/// A `word` of RFC 7240 2: a token as it stands, or what a quoted string stands for.
fn word(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(quoted) = value.strip_prefix(b"\"") else { return Some(Cow::Borrowed(value)) };
    let mut text = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    loop {
        match *bytes.next()? {
            b'"' => return bytes.as_slice().is_empty().then_some(Cow::Owned(text)),
            b'\\' => text.push(*bytes.next()?),
            byte => text.push(byte),
        }
    }
}

/// The parts of `text` between separators that stand in no quoted string (RFC 9110 5.6.4).
fn unquoted_parts(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        let literal = escaped;
        escaped = quoted && !literal && byte == b'\\';
        if byte == b'"' && !literal {
            quoted = !quoted;
        }
        byte == separator && !quoted
    })
}

#[cfg(test)]
mod tests;

//! Header fields: those of a request, all lines of them as bytes, and where those of a response go.

use std::cell::RefCell;
use std::time::SystemTime;

use actix_web::http::header::{
    self, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

use crate::semantics::entity_tag::EntityTagList;
use crate::semantics::http_date::{self, HttpDate};
use crate::semantics::integrity::IntegrityAlgorithm;
use crate::semantics::preconditions::{IfRange, Preconditions};
use crate::semantics::range::ByteRangeSet;
use crate::validator_store::Patience;

const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// Everything a request says about conditions, parts and digests.
#[derive(Default)]
pub(in crate::http) struct Conditions<'a> {
    pub(in crate::http) preconditions: Preconditions<'a>,
    pub(in crate::http) if_range: Option<IfRange<'a>>,
    pub(in crate::http) range: Option<ByteRangeSet>,
    /// What `Want-Repr-Digest` asks for (RFC 9530 4).
    pub(in crate::http) wanted_digest: Option<IntegrityAlgorithm>,
}

/// The header fields of a request, however they are kept.
pub(in crate::http) trait RequestFields {
    /// All lines of a field, as the bytes that came.
    fn lines(&self, name: HeaderName) -> impl Iterator<Item = &[u8]>;
}

impl RequestFields for HeaderMap {
    fn lines(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).map(HeaderValue::as_bytes)
    }
}

/// Where the fields of a response go.
pub(in crate::http) trait ResponseFields {
    /// Sets a field that is not there yet.
    fn put(&mut self, name: HeaderName, value: &HeaderValue);

    /// Adds a field, to others of its name if there are any.
    fn add(&mut self, name: HeaderName, value: &HeaderValue);
}

impl ResponseFields for HeaderMap {
    fn put(&mut self, name: HeaderName, value: &HeaderValue) {
        self.insert(name, value.clone());
    }

    fn add(&mut self, name: HeaderName, value: &HeaderValue) {
        self.append(name, value.clone());
    }
}

/// The precondition fields of a request.
pub(in crate::http) fn preconditions(fields: &impl RequestFields) -> Preconditions<'_> {
    Preconditions {
        if_match: EntityTagList::parse(fields.lines(IF_MATCH)),
        if_none_match: EntityTagList::parse(fields.lines(IF_NONE_MATCH)),
        if_modified_since: http_date::parse_field(fields.lines(IF_MODIFIED_SINCE)),
        if_unmodified_since: http_date::parse_field(fields.lines(IF_UNMODIFIED_SINCE)),
    }
}

impl<'a> Conditions<'a> {
    /// Reads the conditional fields of a request.
    pub(in crate::http) fn of(fields: &'a impl RequestFields) -> Self {
        let preconditions = preconditions(fields);
        let mut ranges = fields.lines(RANGE);
        let range = match (ranges.next(), ranges.next()) {
            (Some(line), None) => ByteRangeSet::parse(line),
            _ => None,
        };
        Self {
            preconditions,
            if_range: IfRange::parse(fields.lines(IF_RANGE)),
            range,
            wanted_digest: IntegrityAlgorithm::wanted(fields.lines(WANT_REPR_DIGEST)),
        }
    }

    /// How long hashing may be waited for: until its end where the answer depends on it. A part is a part of what is there,
    /// whatever its tag, unless the request names a version. A range that begins with all (a player's first
    /// request) counts as a wish for the whole.
    pub(in crate::http) fn patience(&self) -> Patience {
        let unconditional = self.preconditions.is_empty() && self.if_range.is_none();
        match &self.range {
            _ if !unconditional || self.wanted_digest.is_some() => Patience::Full,
            Some(range) if !range.begins_whole() => Patience::Part,
            _ => Patience::Brief,
        }
    }
}

/// The present time, to the second.
pub(in crate::http) fn now() -> HttpDate {
    HttpDate::of(SystemTime::now())
}

/// Returns the value of `Date` for an answer that is made now.
pub(crate) fn date() -> Option<HeaderValue> {
    date_field(now())
}

/// A date as a field value, printed once a second and thread.
pub(in crate::http) fn date_field(date: HttpDate) -> Option<HeaderValue> {
    thread_local!(static LAST: RefCell<Option<(HttpDate, HeaderValue)>> = const { RefCell::new(None) });
    LAST.with_borrow_mut(|last| match last {
        Some((known, value)) if *known == date => Some(value.clone()),
        _ => {
            let value = date_value(date)?;
            *last = Some((date, value.clone()));
            Some(value)
        }
    })
}

pub(in crate::http) fn date_value(date: HttpDate) -> Option<HeaderValue> {
    HeaderValue::from_str(&date.to_string()).ok()
}

/// Sets a field if it has a value.
pub(in crate::http) fn insert(
    fields: &mut impl ResponseFields,
    name: HeaderName,
    value: Option<&HeaderValue>,
) {
    if let Some(value) = value {
        fields.put(name, value);
    }
}

/// Adds names of request fields to `Vary`.
pub(in crate::http) fn vary_by(headers: &mut HeaderMap, names: &[&str]) {
    let value = vary_with(headers.get(header::VARY), names);
    headers.insert(header::VARY, value);
}

/// The value of `Vary` with these names of request fields in it, besides those of `own`.
pub(in crate::http) fn vary_with(own: Option<&HeaderValue>, names: &[&str]) -> HeaderValue {
    let own = own.and_then(|own| own.to_str().ok()).unwrap_or_default();
    let mut listed: Vec<&str> = own.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in names {
        if !listed.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            listed.push(name);
        }
    }
    HeaderValue::from_str(&listed.join(", ")).unwrap_or(HeaderValue::from_static("*"))
}

/// Sets a field that was made of trusted parts; one that is no valid field value is left out.
pub(in crate::http) fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    match HeaderValue::from_bytes(text.as_bytes()) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(error) => log::error!("the field {name} could not be sent: {error}"),
    }
}

#[cfg(test)]
mod tests;

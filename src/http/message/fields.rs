//! Header fields: those of a request, all lines of them as bytes, and those of a representation,
//! rendered once and kept beside its entry.

use std::cell::RefCell;
use std::time::SystemTime;

use actix_web::http::header::{
    self, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

use crate::http::message::media_types::MediaType;
use crate::http::policy::header_rules::Extra;
use crate::http::representation::cached_heads::HeadSlot;
use crate::semantics::entity_tag::EntityTagList;
use crate::semantics::http_date::{self, HttpDate};
use crate::semantics::integrity::IntegrityAlgorithm;
use crate::semantics::preconditions::{IfRange, Preconditions};
use crate::semantics::range::ByteRangeSet;
use crate::semantics::validators::Validators;
use crate::validator_store::{Entry, Offer, Patience, Render};

const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// The fields that describe a representation, ready to send.
#[derive(Clone, Debug)]
pub struct Fields {
    /// `ETag`.
    pub entity_tag: Option<HeaderValue>,
    /// `Last-Modified`.
    pub last_modified: Option<HeaderValue>,
    /// `Content-Type`.
    pub content_type: HeaderValue,
    /// `Content-Encoding`.
    pub content_encoding: Option<HeaderValue>,
    /// `Vary`.
    pub vary: Option<HeaderValue>,
    /// What else is sent with it.
    pub(in crate::http) head_slot: HeadSlot,
}

/// A selected representation, as far as a response describes it.
pub(in crate::http) struct Representation<'a> {
    pub(in crate::http) validators: &'a Validators,
    /// Whether the date among the validators may be sent.
    pub(in crate::http) date: Option<&'a Offer>,
    pub(in crate::http) fields: &'a Fields,
    /// What else is sent with it.
    pub(in crate::http) extra: &'a Extra,
    pub(in crate::http) length: u64,
    /// `Repr-Digest`, where it is wanted and known.
    pub(in crate::http) repr_digest: Option<HeaderValue>,
}

/// Everything a request says about conditions, parts and digests.
#[derive(Default)]
pub(in crate::http) struct Conditions<'a> {
    pub(in crate::http) preconditions: Preconditions<'a>,
    pub(in crate::http) if_range: Option<IfRange<'a>>,
    pub(in crate::http) range: Option<ByteRangeSet>,
    /// What `Want-Repr-Digest` asks for (RFC 9530 4).
    pub(in crate::http) wanted_digest: Option<IntegrityAlgorithm>,
}

/// Makes the fields of a file, for [`crate::validator_store::ValidatorStore::new`].
pub fn renderer() -> Box<Render<Fields>> {
    Box::new(|path, validators, text| {
        let MediaType { value, coding } = MediaType::of(path.name(), text);
        Fields { content_encoding: coding, ..Fields::new(value, validators) }
    })
}

/// What there is to say of an entry as it is.
pub(in crate::http) fn representation<'a>(entry: &'a Entry<Fields>, extra: &'a Extra) -> Representation<'a> {
    Representation {
        validators: entry.validators(),
        date: entry.date(),
        fields: entry.rendered(),
        extra,
        length: entry.stamp().size,
        repr_digest: None,
    }
}

impl Representation<'_> {
    /// `Content-Type`: what a rule says, or what the file is.
    pub(in crate::http) fn content_type(&self) -> &HeaderValue {
        self.extra.content_type.as_ref().unwrap_or(&self.fields.content_type)
    }

    /// `Content-Encoding`: what a rule says, or what such files have.
    fn content_encoding(&self) -> Option<&HeaderValue> {
        let coding = self.extra.content_encoding.as_ref().or(self.fields.content_encoding.as_ref());
        coding.filter(|coding| *coding != "identity")
    }
}

/// Sets `Content-Type` and `Content-Encoding`.
pub(in crate::http) fn describe_content(
    fields: &mut impl ResponseFields,
    representation: &Representation<'_>,
) {
    insert(fields, header::CONTENT_TYPE, Some(representation.content_type()));
    insert(fields, header::CONTENT_ENCODING, representation.content_encoding());
}

impl Fields {
    pub(in crate::http) fn new(content_type: HeaderValue, validators: &Validators) -> Self {
        let entity_tag = validators.entity_tag.as_ref().map(ToString::to_string);
        Self {
            entity_tag: entity_tag.and_then(|tag| HeaderValue::from_str(&tag).ok()),
            last_modified: validators.last_modified.and_then(date_value),
            content_type,
            content_encoding: None,
            vary: None,
            head_slot: HeadSlot::default(),
        }
    }
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

fn date_value(date: HttpDate) -> Option<HeaderValue> {
    HeaderValue::from_str(&date.to_string()).ok()
}

/// `ETag` and `Last-Modified`. The date is never later than `Date` (RFC 9110 8.8.2.1): one that has moved past the dates
/// of other bytes, and is not over yet, is left out. `Date` in its place could be the date of those other bytes, and clients
/// that compare dates by themselves (`curl -z`) would throw away the new ones.
pub(in crate::http) fn validators(
    fields: &mut impl ResponseFields,
    representation: &Representation<'_>,
    now: HttpDate,
) {
    insert(fields, header::ETAG, representation.fields.entity_tag.as_ref());
    if representation.date.is_some_and(|offer| offer.take(now).is_some()) {
        insert(fields, header::LAST_MODIFIED, representation.fields.last_modified.as_ref());
    }
    insert(fields, header::DATE, date_field(now).as_ref());
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

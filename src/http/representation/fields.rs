//! The header fields of a representation, rendered once and kept beside its entry in the store.

use actix_web::http::header::{self, HeaderValue};

use crate::http::message::fields::{ResponseFields, date_field, date_value, insert};
use crate::http::message::media_types::MediaType;
use crate::http::policy::header_rules::Extra;
use crate::http::representation::cached_heads::HeadSlot;
use crate::semantics::http_date::HttpDate;
use crate::semantics::validators::Validators;
use crate::validator_store::{Entry, Offer, Render, ValidatorStore};

/// The store, with the fields that this edge keeps beside an entry.
pub type Store = ValidatorStore<Fields>;

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

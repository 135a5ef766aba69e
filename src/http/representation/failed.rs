//! 412: the problem documents that name the current representation.

use actix_web::http::header::HeaderMap;
use serde_json::Value;

use crate::http::message::fields::now;
use crate::http::message::problem::Problem;
use crate::http::representation::fields::{Representation, validators};
use crate::semantics::preconditions::{PreconditionField, Preconditions};

impl Problem {
    /// 412 with the failed field and the current validators.
    pub(in crate::http) fn precondition_failed(
        field: PreconditionField,
        preconditions: &Preconditions<'_>,
        current: &Representation<'_>,
    ) -> Self {
        let tag = current.validators.entity_tag.as_ref().map(ToString::to_string);
        let detail = failed_detail(field, preconditions, tag.as_deref());
        Self::failed(field, detail).with_validators_of(current)
    }

    /// The same, with the validators of what is there.
    pub(in crate::http) fn with_validators_of(self, current: &Representation<'_>) -> Self {
        let tag = current.validators.entity_tag.as_ref().map(ToString::to_string);
        let mut headers = HeaderMap::new();
        validators(&mut headers, current, now());
        self.with_headers(headers).with_member("current-etag", tag.map_or(Value::Null, Value::String))
    }
}

/// Says why a condition fails and which version is there.
fn failed_detail(field: PreconditionField, preconditions: &Preconditions<'_>, tag: Option<&str>) -> String {
    let name = field.name();
    let current = tag.map_or_else(
        || "The file is being changed and has no entity tag".to_owned(),
        |tag| format!("The file has the entity tag {tag} now"),
    );
    if preconditions.malformed_field() == Some(field) {
        return format!(
            "{name} is not a list of entity tags. An entity tag stands in double quotes, which a shell takes away \
             unless they are quoted themselves: -H '{name}: \"...\"'. {current}."
        );
    }
    match field {
        PreconditionField::IfMatch => format!(
            "If-Match does not name the current version. {current}. Fetch it again before you go on. (Weak tags, \
             W/\"...\", never match here.)"
        ),
        PreconditionField::IfUnmodifiedSince => format!(
            "The file was modified after the date in If-Unmodified-Since. {current}. Fetch it again before you go on."
        ),
        PreconditionField::IfNoneMatch => format!(
            "If-None-Match rules out what is there. {current}. To replace that version, name it in If-Match; to create \
             a new file, choose another name."
        ),
    }
}

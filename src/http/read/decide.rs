//! What preconditions and ranges make of a representation: the decision for both lanes, with no status in it.

use actix_web::http::Method;

use crate::http::message::fields::Conditions;
use crate::semantics::http_date::HttpDate;
use crate::semantics::preconditions::{MethodClass, PreconditionField, Verdict};
use crate::semantics::range::{ByteRange, Selection};
use crate::semantics::validators::Validators;

/// What preconditions and ranges make of a representation. No status codes here.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) enum Outcome {
    NotModified,
    Failed(PreconditionField),
    Unsatisfiable,
    Whole,
    Part(ByteRange),
    Parts(Vec<ByteRange>),
}

impl Outcome {
    /// Whether the representation, or a part of it, is the content of the response (of that to GET, if it is HEAD).
    pub(super) fn sends_bytes(&self) -> bool {
        match self {
            Self::Whole | Self::Part(_) | Self::Parts(_) => true,
            Self::NotModified | Self::Failed(_) | Self::Unsatisfiable => false,
        }
    }
}

/// RFC 9110 13.2.2, steps 1 to 5, then the method. Ranges are for GET only (14.2).
pub(in crate::http) fn decide(
    method: &Method,
    conditions: &Conditions<'_>,
    current: &Validators,
    length: u64,
    now: HttpDate,
) -> Outcome {
    match conditions.preconditions.evaluate(MethodClass::Read, Some(current)) {
        Verdict::NotModified => return Outcome::NotModified,
        Verdict::Failed(field) => return Outcome::Failed(field),
        Verdict::Perform => {}
    }
    let Some(range) = &conditions.range else { return Outcome::Whole };
    // A client that puts parts together says with If-Range which version they have to be of.
    let holds = conditions.if_range.as_ref().is_none_or(|if_range| if_range.holds(current, now));
    if *method != Method::GET || !holds {
        return Outcome::Whole;
    }
    match range.select(length) {
        Selection::Whole => Outcome::Whole,
        Selection::Single(range) => Outcome::Part(range),
        Selection::Multiple(ranges) => Outcome::Parts(ranges),
        Selection::Unsatisfiable => Outcome::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests;

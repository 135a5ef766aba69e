//! What the client would rather have: the few questions asked of `Accept` (RFC 9110 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::{Accept, Header};

/// The form of a generated document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
}

/// The preferred form of a document there is as HTML and as JSON; HTML when nothing is said.
pub(super) fn preferred_form(request: &HttpRequest) -> Form {
    let Ok(accept) = Accept::parse(request) else { return Form::Html };
    let first = accept.ranked().into_iter().find_map(|range| {
        match (range.type_().as_str(), range.subtype().as_str()) {
            ("application", "json") => Some(Form::Json),
            ("text", "html" | "*") | ("*", "*") => Some(Form::Html),
            _ => None,
        }
    });
    first.unwrap_or(Form::Html)
}

/// Whether the client names HTML, as a browser does when a person follows a link.
pub(super) fn names_html(request: &HttpRequest) -> bool {
    Accept::parse(request).is_ok_and(|accept| {
        accept.iter().any(|range| range.item.type_() == "text" && range.item.subtype() == "html")
    })
}

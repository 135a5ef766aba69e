//! What the client would rather have: the few questions asked of `Accept` (RFC 9110 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::{self, Accept, Header, Quality};
use mime_guess::mime::{self, Mime};

/// The form of a generated document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
}

/// The preferred form of a document there is as HTML and as JSON; HTML when nothing is said.
pub(super) fn preferred_form(request: &HttpRequest) -> Form {
    let form = |range: &Mime| match (range.type_().as_str(), range.subtype().as_str()) {
        ("application", "json" | "*") => Some(Form::Json),
        ("text", "html" | "*") | ("*", "*") => Some(Form::Html),
        _ => None,
    };
    acceptable(request).and_then(|accept| accept.ranked().iter().find_map(form)).unwrap_or(Form::Html)
}

/// Whether the client names HTML, as a browser does when a person follows a link.
pub(super) fn names_html(request: &HttpRequest) -> bool {
    acceptable(request).is_some_and(|accept| accept.iter().any(|range| range.item == mime::TEXT_HTML))
}

/// Whether the client would take HTML.
pub(super) fn admits_html(request: &HttpRequest) -> bool {
    let admits = |range: &Mime| {
        matches!((range.type_().as_str(), range.subtype().as_str()), ("text", "html" | "*") | ("*", "*"))
    };
    acceptable(request).is_none_or(|accept| accept.iter().any(|range| admits(&range.item)))
}

/// What the client accepts, without what it refuses (`q=0`); `None` when it says nothing.
fn acceptable(request: &HttpRequest) -> Option<Accept> {
    if !request.headers().contains_key(header::ACCEPT) {
        return None;
    }
    let accept = Accept::parse(request).ok()?;
    Some(Accept(accept.iter().filter(|range| range.quality > Quality::ZERO).cloned().collect()))
}

//! What the client would rather have: the few questions asked of `Accept` (RFC 9110 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::{
    self, Accept, HeaderMap, HeaderName, HeaderValue, Quality, QualityItem, from_comma_delimited,
};
use mime_guess::mime::Mime;

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What [`asks_for_a_page`] looks at, for `Vary`.
pub(in crate::http) const FIELDS_OF_A_PAGE: [&str; 3] = ["Accept", "Sec-Fetch-Dest", "Sec-Fetch-Mode"];

/// The form of a generated document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) enum Form {
    Html,
    Json,
}

/// The preferred form of a document there is as HTML and as JSON; HTML when nothing is said.
pub(in crate::http) fn preferred_form(request: &HttpRequest) -> Form {
    let form = |range: &Mime| match (range.type_().as_str(), range.subtype().as_str()) {
        ("application", "json" | "*") => Some(Form::Json),
        ("text", "html" | "*") | ("*", "*") => Some(Form::Html),
        _ => None,
    };
    acceptable(request.headers())
        .and_then(|accept| accept.ranked().iter().find_map(form))
        .unwrap_or(Form::Html)
}

/// Reports whether the client names HTML, as a browser does when a person follows a link, and does not prefer JSON. A range such
/// as `*/*` names nothing.
pub(in crate::http) fn names_html(headers: &HeaderMap) -> bool {
    let names = |range: &Mime| match (range.type_().as_str(), range.subtype().as_str()) {
        ("text", "html") => Some(true),
        ("application", "json") => Some(false),
        ("application", _) if range.suffix().is_some_and(|suffix| suffix == "json") => Some(false),
        _ => None,
    };
    acceptable(headers).and_then(|accept| accept.ranked().iter().find_map(names)).unwrap_or(false)
}

/// Reports whether a browser is about to show the answer as a page. The browser says so itself in `Sec-Fetch-Dest` and
/// `Sec-Fetch-Mode` (a service worker that passes a navigation on says `empty` and `navigate`). A client that sends neither asks for
/// a page if it names HTML.
pub(in crate::http) fn asks_for_a_page(request: &HttpRequest) -> bool {
    let said = |name: HeaderName| request.headers().get(name).map(HeaderValue::as_bytes);
    match (said(SEC_FETCH_DEST), said(SEC_FETCH_MODE)) {
        (None, None) => names_html(request.headers()),
        (Some(b"document" | b"iframe" | b"frame" | b"fencedframe"), _) => true,
        (None | Some(b"empty"), Some(b"navigate")) => true,
        _ => false,
    }
}

/// What the client accepts, without what it refuses (`q=0`); `None` when it says nothing.
fn acceptable(headers: &HeaderMap) -> Option<Accept> {
    if !headers.contains_key(header::ACCEPT) {
        return None;
    }
    let ranges: Vec<QualityItem<Mime>> = from_comma_delimited(headers.get_all(header::ACCEPT)).ok()?;
    Some(Accept(ranges.into_iter().filter(|range| range.quality > Quality::ZERO).collect()))
}

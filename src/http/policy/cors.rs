//! Which web pages of other origins may read answers, and write (CORS, as the Fetch standard has it).

use std::fmt;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::http::message::fields::{ResponseFields, insert, vary_by};

/// What a script may see of an answer, besides the few fields it always may: first of all its entity tag.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Accept-Ranges, Content-Range, Location, Repr-Digest, Preference-Applied, Retry-After, Allow",
);

/// What a script may send where it may write, and where it does not say what it wants to send.
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "Authorization, Cache-Control, Content-Type, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, Pragma, \
     Range, Prefer, Want-Repr-Digest, Content-Digest, Repr-Digest, Content-MD5, X-Requested-With, traceparent, tracestate",
);

/// The methods that change nothing.
const READING: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// A longer list of fields is not repeated.
const MOST_ASKED: usize = 1024;

/// The name for `Vary` where answers depend on the origin.
pub(in crate::http) const ORIGIN: &str = "Origin";

/// How long a browser may remember what it was told, in seconds; more than two hours is taken by none.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// Whose pages may read answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Those of the same origin, which need not ask.
    #[default]
    None,
    /// All. None of another origin may write.
    Any,
    /// These, which may write as well.
    Listed(Vec<String>),
}

/// Why something is no origin, as the second half of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError(String);

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Origins {
    /// From what an operator writes: `*`, or origins as browsers send them (`https://app.example`).
    ///
    /// # Errors
    /// [`OriginError`].
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let (mut listed, mut any) = (Vec::new(), false);
        for text in texts {
            if text == "*" {
                any = true;
                continue;
            }
            listed.push(origin(text).ok_or_else(|| {
                OriginError(format!(
                    "{text:?} is not an origin; write SCHEME://HOST or SCHEME://HOST:PORT without anything behind it, or * for all"
                ))
            })?);
        }
        match (any, listed.is_empty()) {
            (true, true) => Ok(Self::Any),
            (true, false) => Err(OriginError(format!(
                "* is for pages of all origins, which may only read; {} beside it may write as well: say one or the other",
                listed[0]
            ))),
            (false, true) => Ok(Self::None),
            (false, false) => Ok(Self::Listed(listed)),
        }
    }

    /// Whether answers are different for different origins.
    pub(in crate::http) fn are_listed(&self) -> bool {
        matches!(self, Self::Listed(_))
    }

    /// Whether pages of the origin that `headers` tell are listed. In that case they may write, too.
    pub(in crate::http) fn list(&self, headers: &HeaderMap) -> bool {
        let Self::Listed(listed) = self else { return false };
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| listed.iter().any(|known| known.eq_ignore_ascii_case(origin)))
    }

    /// The fields that are the same for everybody.
    pub(in crate::http) fn describe(&self, target: &mut impl ResponseFields) {
        if *self == Self::Any {
            insert(target, header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(&HeaderValue::from_static("*")));
            insert(target, header::ACCESS_CONTROL_EXPOSE_HEADERS, Some(&EXPOSED));
        }
    }

    /// The fields for who asks.
    pub(in crate::http) fn allow(&self, request: &HeaderMap, response: &mut HeaderMap) {
        self.describe(response);
        if !self.are_listed() {
            return;
        }
        vary_by(response, &[ORIGIN]);
        if let Some(origin) = request.get(header::ORIGIN).filter(|_| self.list(request)) {
            insert(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin));
            insert(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, Some(&EXPOSED));
        }
    }
}

/// The answer to the question that a browser asks first; `None` if this is another one, or nobody of another origin may do
/// anything. `methods` are those there are.
pub(in crate::http) fn preflight(
    head: &RequestHead,
    origins: &Origins,
    methods: &HeaderValue,
) -> Option<HttpResponse> {
    const METHOD: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;
    if !head.headers.contains_key(header::ORIGIN) || !head.headers.contains_key(METHOD) {
        return None;
    }
    let methods = match origins {
        Origins::None => return None,
        Origins::Any => &READING,
        Origins::Listed(_) => methods,
    };
    let body = BoxBody::new(actix_web::body::None::new());
    let mut response = HttpResponse::with_body(StatusCode::NO_CONTENT, body);
    let headers = response.headers_mut();
    // Whoever may only read may send any field: no field makes a GET dangerous here. An origin that may write gets the
    // fields that are known, so that a page of it cannot send one that means more to a proxy in front.
    let asked = (methods == READING).then(|| {
        vary_by(headers, &["Access-Control-Request-Headers"]);
        asked_fields(&head.headers)
    });
    if *origins == Origins::Any || origins.list(&head.headers) {
        let fields = asked.flatten().cloned().unwrap_or(ACCEPTED);
        insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, Some(methods));
        insert(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, Some(&fields));
        insert(headers, header::ACCESS_CONTROL_MAX_AGE, Some(&REMEMBERED));
    }
    Some(response)
}

/// The fields that a page wants to send, if they are a list of names and not too many.
fn asked_fields(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let is_name = |name: &[u8]| HeaderName::from_bytes(name.trim_ascii()).is_ok();
    let fits = line.len() <= MOST_ASKED && line.as_bytes().split(|byte| *byte == b',').all(is_name);
    fits.then_some(line)
}

/// An origin in the form in which browsers send it.
fn origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._~:[]".contains(&byte);
    let fine = !scheme.is_empty() && !rest.is_empty() && text.len() < 256;
    let plain = scheme.bytes().all(|byte| named(byte) && byte != b':') && rest.bytes().all(named);
    let text = text.to_ascii_lowercase();
    // Browsers leave the usual port out.
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let text = text.strip_suffix(usual).unwrap_or(&text);
    (fine && plain && !text.ends_with(':')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;

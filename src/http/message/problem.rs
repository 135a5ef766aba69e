//! Problem documents (RFC 9457): every answer of 400 and above says what happened and what to do
//! next. A browser gets a small page with the same words.

use std::fmt::{self, Write as _};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::http::message::accept::{self, Form};
use crate::http::message::fields::{ResponseFields, date_field, insert, now};
use crate::http::message::html::{CONTENT_SECURITY_POLICY, END_OF_PAGE, begin_page, escape};
use crate::resource_path::PathError;
use crate::root::OpenError;
use crate::semantics::preconditions::PreconditionField;
use crate::words::counted;

/// A problem document in the making.
pub(in crate::http) struct Problem {
    /// What kind of problem it is, where that is more than its status (RFC 9457 3.1.1).
    kind: &'static str,
    status: StatusCode,
    detail: String,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The condition that does not hold.
    failed: Option<PreconditionField>,
}

impl Problem {
    /// Returns a problem whose `detail` says what happened and what to do next.
    pub(in crate::http) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            status,
            detail: detail.into(),
            members: Vec::new(),
            headers: Vec::new(),
            failed: None,
        }
    }

    /// 404.
    pub(in crate::http) fn not_found(path: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Nothing is served at {path}."))
    }

    /// 503.
    pub(in crate::http) fn too_many_streams() -> Self {
        let detail = "This connection has as many requests under way as it may have. Try again when one of them is answered.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_retry_after(1)
    }

    /// 503.
    pub(in crate::http) fn too_large_heads() -> Self {
        let detail = "The header fields of the requests under way on this connection are too large together. Try again when one of \
                      them is answered.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_retry_after(1)
    }

    /// 431 (RFC 6585 5).
    pub(in crate::http) fn too_many_fields() -> Self {
        let detail = "The request has more header fields than this server reads. Send fewer.";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    }

    /// 503.
    pub(in crate::http) fn too_many_files() -> Self {
        let detail = "This connection receives as many large files as it may at the same time. Try again when one of them has arrived.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_retry_after(1)
    }

    /// 429 (RFC 6585 4).
    pub(in crate::http) fn too_early(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let detail = format!(
            "Requests from your address come faster than this server allows (--rate-limit). {}",
            try_again_in(seconds)
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).with_retry_after(seconds)
    }

    /// 400 (RFC 9112 3.2).
    pub(in crate::http) fn no_such_host() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "The Host field of the request is neither a name nor an address. Send the name of the server in it.",
        )
    }

    /// 400, or 414 where the path is too long.
    pub(in crate::http) fn bad_path(error: PathError) -> Self {
        let status = match error {
            PathError::TooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, format!("The request path cannot be served: {error}."))
    }

    /// 405 with `Allow`. Names the option that allows `method`, if there is one.
    pub(in crate::http) fn method_not_allowed(method: &Method, allow: &HeaderValue) -> Self {
        let methods = allow.to_str().unwrap_or_default();
        let detail = match *method {
            Method::PUT => format!(
                "This server accepts no uploads: it was started without --allow-upload. It answers {methods}."
            ),
            Method::DELETE => format!(
                "This server deletes no files: it was started without --allow-delete. It answers {methods}."
            ),
            _ => format!("This server does not know what to do with {method}. It answers {methods}."),
        };
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_header(header::ALLOW, allow.clone())
    }

    /// 403, 404, 500 or 503. `path` is what the server could not open, for its log.
    pub(in crate::http) fn cannot_open(error: OpenError, path: &str) -> Self {
        let (status, detail) = match error {
            OpenError::Missing => (StatusCode::NOT_FOUND, "Nothing is served at this path."),
            OpenError::Forbidden => (
                StatusCode::FORBIDDEN,
                "The server's user may not read what is at this path. The owner or the permissions of the file must change.",
            ),
            OpenError::RootGone => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The folder with the files of this server is not there at the moment. Try again.",
            ),
            OpenError::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Another program is writing the file at the moment. Try again.",
            ),
            OpenError::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server is busy with other requests. Try again.")
            }
            OpenError::Io(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The file could not be read. The server's log says why.")
            }
        };
        if let OpenError::Io(errno) = error {
            log::error!("{path:?} could not be read: {errno}");
        }
        let problem = Self::new(status, detail);
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.with_retry_after(1) } else { problem }
    }

    /// 416.
    pub(in crate::http) fn range_not_satisfiable(length: u64) -> Self {
        let detail =
            format!("The requested range lies beyond the end: there are {}.", counted(length, "byte"));
        let detail = if length == 1 { detail.replace("there are", "there is") } else { detail };
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, detail)
    }

    /// 412 for a file that is being changed, so that nothing more can be said about it.
    pub(in crate::http) fn failed_in_motion(field: PreconditionField) -> Self {
        let detail = format!(
            "The condition in {} does not hold, and another program is changing the file at the moment. Try again.",
            field.name()
        );
        Self::failed(field, detail).with_member("current-etag", Value::Null)
    }

    /// 412 because of `field`.
    pub(in crate::http) fn failed(field: PreconditionField, detail: String) -> Self {
        let problem = Self { failed: Some(field), ..Self::new(StatusCode::PRECONDITION_FAILED, detail) };
        problem.with_member("failed-field", field.name())
    }

    /// The same, of a kind of its own.
    pub(in crate::http) fn of_type(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// The same, with one more member.
    pub(in crate::http) fn with_member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The same, with these header fields as well.
    pub(in crate::http) fn with_headers(mut self, headers: header::HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// The same, with one more header field.
    pub(in crate::http) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same, with the advice to come again after so many seconds.
    pub(in crate::http) fn with_retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The response to `request`.
    pub(in crate::http) fn respond(self, request: &HttpRequest) -> HttpResponse {
        self.respond_to(request.head())
    }

    /// The response to the request with this head: a page for a browser, a problem document for everybody else. The
    /// protocol layer omits its body where the request was HEAD.
    pub(in crate::http) fn respond_to(self, head: &RequestHead) -> HttpResponse {
        let form = if accept::names_html(&head.headers) { Form::Html } else { Form::Json };
        let mut fields = header::HeaderMap::new();
        let (status, failed) = (self.status, self.failed);
        let body = self.write(form, head.uri.path(), &mut fields);
        let mut response = HttpResponse::with_body(status, BoxBody::new(body));
        if let Some(field) = failed {
            // For the metrics, which count the fields that failed.
            response.extensions_mut().insert(field);
        }
        *response.headers_mut() = fields;
        response
    }

    /// Puts its fields into `target` and returns the body. `path` is that of the request.
    pub(in crate::http) fn write(self, form: Form, path: &str, target: &mut impl ResponseFields) -> String {
        let (media_type, body) = match form {
            Form::Html => ("text/html; charset=utf-8", self.page(path)),
            Form::Json => ("application/problem+json", self.json()),
        };
        for (name, value) in self.headers {
            target.put(name, &value);
        }
        let mut put = |name, value| target.put(name, &HeaderValue::from_static(value));
        put(header::CONTENT_TYPE, media_type);
        put(header::CACHE_CONTROL, "no-cache");
        put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        put(header::VARY, "Accept");
        if form == Form::Html {
            put(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        }
        insert(target, header::DATE, date_field(now()).as_ref());
        body
    }

    /// What it says in one number.
    pub(in crate::http) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, for a program.
    pub(in crate::http) fn body(&self) -> String {
        self.json()
    }

    /// Its fields, for a program.
    pub(in crate::http) fn describe(self, target: &mut impl ResponseFields) {
        self.write(Form::Json, "", target);
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    fn json(&self) -> String {
        // Quoting does not fail, and neither does writing to a string.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let (kind, title, code, detail) =
            (self.kind, self.title(), self.status.as_u16(), quoted(&self.detail));
        let mut json = String::with_capacity(64 + title.len() + detail.len());
        let _ = write!(json, r#"{{"type":"{kind}","title":"{title}","status":{code},"detail":{detail}"#);
        for (name, value) in &self.members {
            let _ = write!(json, r#","{name}":{value}"#);
        }
        json.push('}');
        json
    }

    fn page(&self, path: &str) -> String {
        let mut page = begin_page(&format!("{} {}", self.status.as_u16(), self.title()), "");
        // Relative links hold behind a proxy that strips a prefix, too.
        let up = if path.ends_with('/') { "../" } else { "./" };
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "<p>{}</p>\n<p><a href=\"{up}\">Go to the folder</a> or <a href=\"\">try again</a>.</p>{END_OF_PAGE}",
            escape(&self.detail)
        );
        page
    }
}

/// Advice as a sentence: `Try again in 1 second.`
pub(in crate::http) fn try_again_in(seconds: u64) -> String {
    format!("Try again in {}.", counted(seconds, "second"))
}

#[cfg(test)]
mod tests;

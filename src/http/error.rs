//! Problem documents (RFC 9457): every answer of 400 and above says what happened and what to do
//! next. A browser gets a small page with the same words.

use std::fmt::{self, Write as _};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::accept;
use super::fields::{Representation, ResponseFields, date_field, insert, now, validators};
use super::html::{CONTENT_SECURITY_POLICY, escape};
use crate::resource_path::PathError;
use crate::root::OpenError;
use crate::semantics::preconditions::{PreconditionField, Preconditions};

/// A problem document in the making.
pub(super) struct Problem {
    /// What kind of problem it is, where that is more than its status (RFC 9457 3.1.1).
    kind: &'static str,
    status: StatusCode,
    detail: String,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    form: Form,
    /// The condition that does not hold.
    failed: Option<PreconditionField>,
}

/// Who is expected to read it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A page for who names HTML, a problem document for all others.
    AsAsked,
    /// A problem document in any case: only programs get there.
    Document,
}

impl Problem {
    /// A problem that a person may get to see.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            status,
            detail: detail.into(),
            members: Vec::new(),
            headers: Vec::new(),
            form: Form::AsAsked,
            failed: None,
        }
    }

    /// 404.
    pub(super) fn not_found(path: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Nothing is served at {path}."))
    }

    /// 503.
    pub(super) fn too_many_streams() -> Self {
        let detail =
            "This connection has as many requests as are answered at the same time; ask again when one is.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 503.
    pub(super) fn too_large_heads() -> Self {
        let detail = "The heads of the requests that are being answered on this connection are too large together; ask again when \
                      one is answered.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 431 (RFC 6585 5).
    pub(super) fn too_many_fields() -> Self {
        let detail = "The request has more header fields than are read.";
        Self::document(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    }

    /// 503.
    pub(super) fn too_many_files() -> Self {
        let detail = "This connection has as many large files under way as can be open now; ask again when one has come.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 429 (RFC 6585 4).
    pub(super) fn too_early(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let detail = format!(
            "Your address asks more often than it may (--rate-limit). Try again in {seconds} seconds."
        );
        Self::document(StatusCode::TOO_MANY_REQUESTS, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// 400 (RFC 9112 3.2).
    pub(super) fn no_such_host() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Host is neither a name nor an address, so that nobody can tell for whom the request is.",
        )
    }

    /// 400, or 414 where the path is too long.
    pub(super) fn bad_path(error: PathError) -> Self {
        let status = match error {
            PathError::TooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, format!("The request path cannot be served: {error}."))
    }

    /// 405 with `Allow`.
    pub(super) fn method_not_allowed(allow: &HeaderValue) -> Self {
        let methods = allow.to_str().unwrap_or_default();
        let detail = if methods.contains("PUT") || methods.contains("DELETE") {
            format!("This server answers {methods}.")
        } else {
            format!(
                "This server answers {methods}; it changes no files unless it is started with --allow-upload or --allow-delete."
            )
        };
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, detail);
        problem.headers.push((header::ALLOW, allow.clone()));
        problem
    }

    /// 403, 404, 500 or 503.
    pub(super) fn cannot_open(error: OpenError) -> Self {
        let (status, detail) = match error {
            OpenError::Missing => (StatusCode::NOT_FOUND, "Nothing is served at this path."),
            OpenError::Forbidden => (
                StatusCode::FORBIDDEN,
                "The server's user may not read what is at this path; its owner or mode must change.",
            ),
            OpenError::RootGone => {
                (StatusCode::SERVICE_UNAVAILABLE, "The served folder is not there at the moment; try again.")
            }
            OpenError::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "The file is being written at the moment; try again.")
            }
            OpenError::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server is short of resources; try again.")
            }
            OpenError::Io(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The file could not be read; the server's log says why.")
            }
        };
        if let OpenError::Io(errno) = error {
            log::error!("a file could not be read: {errno}");
        }
        let mut problem = Self::new(status, detail);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem.headers.push((header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        problem
    }

    /// 416.
    pub(super) fn range_not_satisfiable(length: u64) -> Self {
        let detail = format!("No part of the requested range lies within the {length} bytes there are.");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, detail)
    }

    /// 412 with the failed field and the current validators.
    pub(super) fn precondition_failed(
        field: PreconditionField,
        preconditions: &Preconditions<'_>,
        current: &Representation<'_>,
    ) -> Self {
        let tag = current.validators.entity_tag.as_ref().map(ToString::to_string);
        let detail = failed_detail(field, preconditions, tag.as_deref());
        Self::failed(field, detail).with_validators_of(current)
    }

    /// 412 of a file that is being changed, so that nothing more can be said of it.
    pub(super) fn failed_in_motion(field: PreconditionField) -> Self {
        let detail = format!("{} does not hold, and the file is being changed at the moment.", field.name());
        Self::failed(field, detail).with_member("current-etag", Value::Null)
    }

    fn failed(field: PreconditionField, detail: String) -> Self {
        let problem = Self { failed: Some(field), ..Self::document(StatusCode::PRECONDITION_FAILED, detail) };
        problem.with_member("failed-field", field.name())
    }

    /// A problem that only programs get to see.
    pub(super) fn document(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { form: Form::Document, ..Self::new(status, detail) }
    }

    /// The same, of a kind of its own.
    pub(super) fn of_type(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// The same, with one more member.
    pub(super) fn with_member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The same, with one more header field.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same, with the validators of what is there.
    pub(super) fn with_validators_of(mut self, current: &Representation<'_>) -> Self {
        let tag = current.validators.entity_tag.as_ref().map(ToString::to_string);
        let mut headers = header::HeaderMap::new();
        validators(&mut headers, current, now());
        self.headers.extend(headers);
        self.with_member("current-etag", tag.map_or(Value::Null, Value::String))
    }

    /// The response to a program, whatever it accepts.
    pub(super) fn respond_as_document(self) -> HttpResponse {
        self.into_response(false)
    }

    /// The response; its body is omitted by the protocol layer where the request was HEAD.
    pub(super) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let page = self.form == Form::AsAsked && accept::names_html(request);
        self.into_response(page)
    }

    fn into_response(self, page: bool) -> HttpResponse {
        let mut fields = header::HeaderMap::new();
        let (status, failed) = (self.status, self.failed);
        let mut response = HttpResponse::with_body(status, BoxBody::new(self.write(page, &mut fields)));
        if let Some(field) = failed {
            // For who counts them.
            response.extensions_mut().insert(field);
        }
        *response.headers_mut() = fields;
        response
    }

    /// Puts its fields into `target` and returns the body.
    fn write(self, page: bool, target: &mut impl ResponseFields) -> String {
        let (media_type, body) = match page {
            true => ("text/html; charset=utf-8", self.page()),
            false => ("application/problem+json", self.json()),
        };
        for (name, value) in self.headers {
            target.put(name, &value);
        }
        let mut put = |name, value| target.put(name, &HeaderValue::from_static(value));
        put(header::CONTENT_TYPE, media_type);
        put(header::CACHE_CONTROL, "no-cache");
        put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if self.form == Form::AsAsked {
            put(header::VARY, "Accept");
        }
        if page {
            put(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        }
        insert(target, header::DATE, date_field(now()).as_ref());
        body
    }

    /// What it says in one number.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, for a program.
    pub(super) fn body(&self) -> String {
        self.json()
    }

    /// Its fields, for a program.
    pub(super) fn describe(self, target: &mut impl ResponseFields) {
        self.write(false, target);
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

    fn page(&self) -> String {
        let (code, title, detail) = (self.status.as_u16(), self.title(), escape(&self.detail));
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>{code} {title}</title>\
             <h1>{code} {title}</h1><p>{detail}</p></html>\n"
        )
    }
}

fn failed_detail(field: PreconditionField, preconditions: &Preconditions<'_>, tag: Option<&str>) -> String {
    let current = tag.map_or_else(
        || "is being changed and has no entity tag".to_owned(),
        |tag| format!("has the entity tag {tag}"),
    );
    if preconditions.malformed_field() == Some(field) {
        return format!(
            "{} is not a list of entity tags. Tags stand in double quotes, which a shell takes away unless \
             they are quoted themselves: -H '{}: \"...\"'. The current representation {current}.",
            field.name(),
            field.name(),
        );
    }
    match field {
        PreconditionField::IfMatch => format!(
            "If-Match names none of what is there now: the current representation {current}. Weak tags (W/) \
             never match here. Fetch it again before you go on."
        ),
        PreconditionField::IfUnmodifiedSince => {
            format!("The file was modified after the date in If-Unmodified-Since; it {current} now.")
        }
        PreconditionField::IfNoneMatch => format!("If-None-Match names what is there now: it {current}."),
    }
}

//! Problem documents (RFC 9457): every answer of 400 and above says what happened and what to do
//! next. A browser gets a small page with the same words.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::ALLOW;
use super::accept;
use super::fields::{Conditions, Representation, date_field, now, set, validators};
use super::html::{CONTENT_SECURITY_POLICY, escape};
use crate::resource_path::PathError;
use crate::root::OpenError;
use crate::semantics::preconditions::PreconditionField;

/// A problem document in the making.
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    form: Form,
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
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: Map::new(), headers: Vec::new(), form: Form::AsAsked }
    }

    /// 404.
    pub(super) fn not_found(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Nothing is served at {path}."))
    }

    /// 400.
    pub(super) fn bad_path(error: PathError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("The request path cannot be served: {error}."))
    }

    /// 405 with `Allow`.
    pub(super) fn method_not_allowed() -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("This server answers {ALLOW}; it changes no files."),
        );
        problem.headers.push((header::ALLOW, HeaderValue::from_static(ALLOW)));
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
        conditions: &Conditions<'_>,
        current: &Representation<'_>,
    ) -> Self {
        let tag = current.validators.entity_tag.as_ref().map(ToString::to_string);
        let mut problem =
            Self::new(StatusCode::PRECONDITION_FAILED, failed_detail(field, conditions, tag.as_deref()));
        problem.form = Form::Document;
        problem.members.insert("failed-field".to_owned(), field.name().into());
        problem.members.insert("current-etag".to_owned(), tag.map_or(Value::Null, Value::String));
        let mut headers = header::HeaderMap::new();
        validators(&mut headers, current, now());
        problem.headers.extend(headers);
        problem
    }

    /// The response; its body is omitted by the protocol layer where the request was HEAD.
    pub(super) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let page = self.form == Form::AsAsked && accept::names_html(request);
        let (media_type, body) = match page {
            true => ("text/html; charset=utf-8", self.page()),
            false => ("application/problem+json", self.document()),
        };
        let mut response = HttpResponse::with_body(self.status, BoxBody::new(body));
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        set(headers, header::CONTENT_TYPE, media_type);
        set(headers, header::CACHE_CONTROL, "no-cache");
        set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if self.form == Form::AsAsked {
            set(headers, header::VARY, "Accept");
        }
        if page {
            set(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        }
        if let Some(date) = date_field(now()) {
            headers.insert(header::DATE, date);
        }
        response
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    fn document(&self) -> String {
        let mut document = Map::new();
        document.insert("type".to_owned(), "about:blank".into());
        document.insert("title".to_owned(), self.title().into());
        document.insert("status".to_owned(), self.status.as_u16().into());
        document.insert("detail".to_owned(), self.detail.as_str().into());
        document.extend(self.members.clone());
        Value::Object(document).to_string()
    }

    fn page(&self) -> String {
        let (code, title, detail) = (self.status.as_u16(), self.title(), escape(&self.detail));
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>{code} {title}</title>\
             <h1>{code} {title}</h1><p>{detail}</p></html>\n"
        )
    }
}

fn failed_detail(field: PreconditionField, conditions: &Conditions<'_>, tag: Option<&str>) -> String {
    let current = tag.map_or_else(
        || "is being changed and has no entity tag".to_owned(),
        |tag| format!("has the entity tag {tag}"),
    );
    if conditions.preconditions.malformed_field() == Some(field) {
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

//! Responses: each status with its fields. The decisions were made before.

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::http::message::fields::{ResponseFields, date_field, insert, now, set, vary_with};
use crate::http::message::problem::Problem;
use crate::http::policy::cors;
use crate::http::representation::body::{self, FileBody, Stream};
use crate::http::representation::fields::{Representation, describe_content, validators};
use crate::resource_path::{ResourcePath, encode_segment};
use crate::semantics::http_date::HttpDate;
use crate::semantics::preferences::Return;
use crate::semantics::range::ByteRange;

/// What cannot stand in the path of a URL, or reads as something else there: a browser takes `\` for `/`. What is encoded
/// already stays as it is.
const IN_LOCATION: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'^').add(b'`');

/// Where the bytes of a body come from.
pub(in crate::http) enum Content {
    Memory(Bytes),
    File(FileBody),
}

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

const NOSNIFF: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// A mark on answers that are read from an open file.
#[derive(Clone, Copy)]
pub(in crate::http) struct FromFile;

/// 200.
pub(in crate::http) fn whole(
    representation: &Representation<'_>,
    content: Content,
    now: HttpDate,
) -> HttpResponse {
    let mut response = match content {
        Content::Memory(bytes) => HttpResponse::with_body(StatusCode::OK, body::memory(bytes)),
        Content::File(file) => from_file(StatusCode::OK, file.whole(representation.length)),
    };
    describe(response.headers_mut(), representation, now);
    response
}

/// An answer that has a file open until all of it is taken.
fn from_file(status: StatusCode, stream: Stream) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(stream));
    response.extensions_mut().insert(FromFile);
    response
}

/// 200 to HEAD: the same fields without the body.
pub(in crate::http) fn head(representation: &Representation<'_>, now: HttpDate) -> HttpResponse {
    let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::new(NoBytes(representation.length)));
    describe(response.headers_mut(), representation, now);
    response
}

/// 206 with one range.
pub(in crate::http) fn part(
    representation: &Representation<'_>,
    content: Content,
    range: ByteRange,
    now: HttpDate,
) -> HttpResponse {
    let mut response = match content {
        Content::Memory(bytes) => {
            HttpResponse::with_body(StatusCode::PARTIAL_CONTENT, body::memory(body::slice(&bytes, range)))
        }
        Content::File(file) => from_file(StatusCode::PARTIAL_CONTENT, file.part(range)),
    };
    describe(response.headers_mut(), representation, now);
    set(response.headers_mut(), header::CONTENT_RANGE, &content_range(range, representation.length));
    response
}

/// The value of `Content-Range` for one range of so many bytes.
pub(in crate::http) fn content_range(range: ByteRange, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.first, range.last)
}

/// 206 with several ranges (RFC 9110 14.6).
pub(in crate::http) fn parts(
    representation: &Representation<'_>,
    content: Content,
    ranges: &[ByteRange],
    now: HttpDate,
) -> HttpResponse {
    let media_type = representation.content_type().to_str().unwrap_or("application/octet-stream");
    let (boundary, segments) = body::multipart(ranges, media_type, representation.length);
    let mut response = match content {
        Content::Memory(bytes) => {
            HttpResponse::with_body(StatusCode::PARTIAL_CONTENT, body::memory_segments(&bytes, segments))
        }
        Content::File(file) => from_file(StatusCode::PARTIAL_CONTENT, file.segments(segments)),
    };
    describe(response.headers_mut(), representation, now);
    let text = format!("multipart/byteranges; boundary={boundary}");
    set(response.headers_mut(), header::CONTENT_TYPE, &text);
    response
}

/// 304 with what RFC 9110 15.4.5 asks for.
pub(in crate::http) fn not_modified(representation: &Representation<'_>, now: HttpDate) -> HttpResponse {
    let mut response =
        HttpResponse::with_body(StatusCode::NOT_MODIFIED, BoxBody::new(actix_web::body::None::new()));
    revalidate(response.headers_mut(), representation, now);
    response
}

/// 416 with the length there is.
pub(in crate::http) fn unsatisfiable(
    representation: &Representation<'_>,
    now: HttpDate,
    request: &HttpRequest,
) -> HttpResponse {
    let mut response = Problem::range_not_satisfiable(representation.length).respond(request);
    let headers = response.headers_mut();
    set(headers, header::CONTENT_RANGE, &format!("bytes */{}", representation.length));
    validators(headers, representation, now);
    response
}

/// 301 to the same target with a slash at its end; the query is kept. `name` is the last segment of the target.
///
/// `Location` is relative to the target (RFC 9110 10.2.2), so that it stays right where a proxy or an application has taken
/// a prefix away. It begins with that name, which is never empty: so it names no other host.
pub(in crate::http) fn redirect(name: &str, request: &HttpRequest) -> HttpResponse {
    let mut location = relative(name);
    location.push('/');
    if let Some(query) = request.uri().query() {
        location.push('?');
        location.push_str(query);
    }
    let mut response = HttpResponse::with_body(StatusCode::MOVED_PERMANENTLY, BoxBody::new(()));
    set(response.headers_mut(), header::LOCATION, &location);
    insert(response.headers_mut(), header::CACHE_CONTROL, Some(&HeaderValue::from_static("no-cache")));
    response
}

/// A reference to `name` beside the target of the request. A name with a colon would read as a scheme (RFC 3986 4.2).
fn relative(name: &str) -> String {
    let here = if name.contains(':') { "./" } else { "" };
    format!("{here}{}", utf8_percent_encode(name, IN_LOCATION))
}

/// 412 with what is there, for who asked for it (RFC 8144 3.2).
pub(in crate::http) fn failed_with_representation(
    representation: &Representation<'_>,
    content: Content,
    now: HttpDate,
) -> HttpResponse {
    let mut response = whole(representation, content, now);
    *response.status_mut() = StatusCode::PRECONDITION_FAILED;
    let headers = response.headers_mut();
    headers.remove(header::ACCEPT_RANGES);
    set(headers, PREFERENCE_APPLIED, Return::Representation.applied());
    set(headers, header::VARY, "Prefer");
    response
}

/// 201 with where the new file is: at `path`, whose last segment is that of the target. Relative, as in [`redirect`].
pub(in crate::http) fn created(
    representation: &Representation<'_>,
    path: &ResourcePath<'_>,
    now: HttpDate,
) -> HttpResponse {
    let mut response = HttpResponse::with_body(StatusCode::CREATED, BoxBody::new(()));
    let name: String = encode_segment(path.name()).collect();
    set(response.headers_mut(), header::LOCATION, &relative(&name));
    validators(response.headers_mut(), representation, now);
    response
}

/// 204 after a file was replaced.
pub(in crate::http) fn replaced(representation: &Representation<'_>, now: HttpDate) -> HttpResponse {
    let mut response = no_content(now);
    validators(response.headers_mut(), representation, now);
    response
}

/// 204.
pub(in crate::http) fn no_content(now: HttpDate) -> HttpResponse {
    let body = BoxBody::new(actix_web::body::None::new());
    let mut response = HttpResponse::with_body(StatusCode::NO_CONTENT, body);
    insert(response.headers_mut(), header::DATE, date_field(now).as_ref());
    response
}

/// 204 with the methods there are.
pub(in crate::http) fn options(allow: &HeaderValue) -> HttpResponse {
    let mut response =
        HttpResponse::with_body(StatusCode::NO_CONTENT, BoxBody::new(actix_web::body::None::new()));
    insert(response.headers_mut(), header::ALLOW, Some(allow));
    insert(response.headers_mut(), header::ACCEPT_RANGES, Some(&HeaderValue::from_static("bytes")));
    response
}

/// 404 with the folder's own page, which is `representation` where it is asked for itself. It describes no resource, so it has no
/// validators; and something may be there the next time, however long the page itself may be kept.
pub(in crate::http) fn not_found_page(
    representation: &Representation<'_>,
    page: Bytes,
    request: &HttpRequest,
) -> HttpResponse {
    let body = match *request.method() == actix_web::http::Method::HEAD {
        true => BoxBody::new(NoBytes(page.len() as u64)),
        false => BoxBody::new(page),
    };
    let mut response = HttpResponse::with_body(StatusCode::NOT_FOUND, body);
    let headers = response.headers_mut();
    describe_content(headers, representation);
    representation.extra.confinement.describe_page(headers);
    insert(headers, header::CACHE_CONTROL, Some(&HeaderValue::from_static("no-cache")));
    insert(headers, header::DATE, date_field(now()).as_ref());
    insert(headers, NOSNIFF.0, Some(&NOSNIFF.1));
    response
}

/// Returns a weak tag that no other response has. It shows that the bytes are those of a moment and of no version, and
/// nothing ever matches it.
pub(in crate::http) fn weak_tag() -> Option<HeaderValue> {
    use std::hash::{BuildHasher, RandomState};
    HeaderValue::from_str(&format!("W/\"{:016x}\"", RandomState::new().hash_one(0))).ok()
}

/// The fields of 200 and 206.
pub(in crate::http) fn describe(
    target: &mut impl ResponseFields,
    representation: &Representation<'_>,
    now: HttpDate,
) {
    validators(target, representation, now);
    describe_content(target, representation);
    accompany(target, representation);
    insert(target, REPR_DIGEST, representation.repr_digest.as_ref());
    insert(target, header::ACCEPT_RANGES, Some(&HeaderValue::from_static("bytes")));
    insert(target, NOSNIFF.0, Some(&NOSNIFF.1));
}

/// The fields of 304.
pub(in crate::http) fn revalidate(
    target: &mut impl ResponseFields,
    representation: &Representation<'_>,
    now: HttpDate,
) {
    let fields = representation.fields;
    insert(target, header::ETAG, fields.entity_tag.as_ref());
    accompany(target, representation);
    insert(target, header::DATE, date_field(now).as_ref());
}

/// The fields that a representation is sent with and that do not depend on who asks.
fn accompany(target: &mut impl ResponseFields, representation: &Representation<'_>) {
    let (extra, vary) = (representation.extra, representation.fields.vary.as_ref());
    insert(target, header::CACHE_CONTROL, Some(&extra.cache_control));
    match extra.origins.are_listed() {
        true => insert(target, header::VARY, Some(&vary_with(vary, &[cors::ORIGIN]))),
        false => insert(target, header::VARY, vary),
    }
    extra.describe(target);
    extra.confinement.describe(target, extra);
}

/// A body that has a length and is not sent: the answer to HEAD.
struct NoBytes(u64);

impl MessageBody for NoBytes {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

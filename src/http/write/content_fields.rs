//! What the head of a PUT announces about its body: its length, and which fields describe it. Nothing of a body is read here.

use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{StatusCode, Version};

use crate::http::message::fields::RequestFields as _;
use crate::http::message::problem::Problem;
use crate::semantics::integrity::IntegrityField;

/// How long the body is, by the head of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes.
    Known(u64),
    /// The end of the body shows when it comes: chunks, or HTTP/2.
    Unknown,
    /// Nothing is said. In HTTP/1 that means an empty body (RFC 9112 6.3), which is more often a forgotten one.
    Missing,
}

impl Length {
    pub(super) fn of(head: &RequestHead) -> Self {
        match content_length(head) {
            Some(length) => Self::Known(length),
            None if head.headers.contains_key(header::TRANSFER_ENCODING) => Self::Unknown,
            None if head.version >= Version::HTTP_2 => Self::Unknown,
            None => Self::Missing,
        }
    }
}

/// The value of `Content-Length`, where that is how the body ends.
pub(super) fn content_length(head: &RequestHead) -> Option<u64> {
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let length = head.headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}

/// A body is stored as it comes: it must be all of the representation, and have no other coding than the one under which the file will
/// be sent.
pub(super) fn check_representation(head: &RequestHead, coding: Option<&HeaderValue>) -> Result<(), Problem> {
    if head.headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "The request has a Content-Range field, but this server stores whole files only, not parts of them (RFC 9110 14.5). \
             Send the whole file without the field.",
        ));
    }
    let stored = coding.map_or(&b"identity"[..], HeaderValue::as_bytes);
    let is_true = |line: &[u8]| {
        let line = line.trim_ascii();
        line.is_empty() || line.eq_ignore_ascii_case(b"identity") || line.eq_ignore_ascii_case(stored)
    };
    if !head.headers.lines(header::CONTENT_ENCODING).all(is_true) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The request has a Content-Encoding field, but this server stores bodies as they come and would serve this one \
             as if it were not encoded. Decode it first, or store it under a name that says so (.gz), without the field.",
        )
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    Ok(())
}

/// Refuses a body behind `Upgrade: websocket`, of which actix-http (3.20) sees no end.
pub(super) fn check_upgrade(head: &RequestHead) -> Result<(), Problem> {
    let is_websocket = |line: &[u8]| line.trim_ascii().eq_ignore_ascii_case(b"websocket");
    if head.version < Version::HTTP_2 && head.headers.lines(header::UPGRADE).any(is_websocket) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Upgrade: websocket stands before a body, whose end cannot be told then; nothing was changed. Send it without the field.",
        ));
    }
    Ok(())
}

/// Refuses a request whose `Trailer` field announces a digest behind the body, because nothing there is verified.
pub(super) fn check_trailers(head: &RequestHead) -> Result<(), Problem> {
    let lines = head.headers.lines(header::TRAILER);
    let mut names = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let digest = names.find_map(|name| {
        IntegrityField::ALL.into_iter().find(|field| field.name().as_bytes().eq_ignore_ascii_case(name))
    });
    digest.map_or(Ok(()), |field| Err(digest_in_trailer(field)))
}

/// Checks what shows only once the body has come: whether there was one, and what stood behind it.
///
/// An application may run on the HTTP/2 of actix-http (3.20), which does not tell an empty body from none. So over HTTP/2 an empty
/// body without `Content-Length: 0` is taken for none, also on the server's own connections, which could tell.
pub(super) fn check_received(
    head: &RequestHead,
    received: u64,
    trailer: Option<IntegrityField>,
) -> Result<(), Problem> {
    if let Some(field) = trailer {
        return Err(digest_in_trailer(field));
    }
    let chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    if received == 0 && Length::of(head) == Length::Unknown && !chunked {
        return Err(length_required());
    }
    Ok(())
}

/// 411: an empty file must be asked for.
pub(super) fn length_required() -> Problem {
    Problem::new(
        StatusCode::LENGTH_REQUIRED,
        "The request has no body and no Content-Length field. Nothing was changed. To store an empty file, send Content-Length: 0.",
    )
}

fn digest_in_trailer(field: IntegrityField) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!(
            "The request has {} behind its body, as a trailer field, where this server does not verify it. Nothing was changed. \
             Send it as a header field.",
            field.name()
        ),
    )
}

//! Where clients are sent that ask in plain text where connections are to be encrypted.

use std::fmt::Write as _;

use actix_http::{Request, Response};
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

/// The same target by https at `port`: 308, which keeps the method; 400 where no host is named that could be sent to.
pub(crate) fn to_https(request: &Request, port: u16) -> Response<BoxBody> {
    let field = request.head().headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let uri = request.uri();
    // A target that is a whole URI counts more than the field (RFC 9112 3.2.2).
    let host = uri.scheme().and(uri.authority()).map(|authority| authority.as_str()).or(field);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let location = host
        .and_then(without_port)
        .filter(|_| target.starts_with('/'))
        .and_then(|host| HeaderValue::from_str(&location(host, port, target)).ok());
    let Some(location) = location else {
        return problem(StatusCode::BAD_REQUEST, "The Host field names no host. Ask by https.");
    };
    let mut response =
        problem(StatusCode::PERMANENT_REDIRECT, "This port only tells where to ask: by https.");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn problem(status: StatusCode, text: &'static str) -> Response<BoxBody> {
    let mut response = Response::with_body(status, BoxBody::new(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn location(host: &str, port: u16, target: &str) -> String {
    let mut location = format!("https://{host}");
    if port != 443 {
        // Writing to a string does not fail.
        let _ = write!(location, ":{port}");
    }
    location + target
}

/// The name or address in `Host` (RFC 9110 7.2), if it is nothing but that.
fn without_port(host: &str) -> Option<&str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_plain = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    (is_plain && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;

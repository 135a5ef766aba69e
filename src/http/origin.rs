//! Who may write: a web page of somebody else must not, although it can make a browser send requests to a
//! server on the same machine (cross-site requests, DNS rebinding). Programs that are no browsers are not
//! concerned.

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::cors::Origins;
use super::error::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Under which names the server may be asked to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Names of this machine, and these: the server listens to this machine only, and any other name
    /// in `Host` is that of a web page whose address was made to point here.
    Loopback(Vec<String>),
    /// Any.
    Any,
}

/// Refuses writes that a browser sends for a foreign page, unless it is of an origin that is listed by name.
pub(super) fn check(head: &RequestHead, hosts: &Hosts, origins: &Origins) -> Result<(), Problem> {
    let host = host(head);
    if let (Hosts::Loopback(also), Some(host)) = (hosts, &host)
        && !is_loopback(host)
        && !also.iter().any(|name| name.eq_ignore_ascii_case(without_port(host)))
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "Nothing is written for the host {host:?}, because this server is for this machine only and that is not its name. \
                 If a proxy passes that name on, start the server with --allow-host {}.",
                without_port(host)
            ),
        ));
    }
    if is_cross_site(&head.headers, host.as_deref()) && !origins.list(&head.headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Nothing is written, because a page of another site asks for it. Only pages of this server may write, and pages of the \
             origins that the server was started with (--cors).",
        ));
    }
    Ok(())
}

/// Whether a `Host` field value is one: a name, an address, or nothing, and perhaps a port (RFC 9110 7.2). A request
/// with another one has no target that all on its way agree about, and is refused (RFC 9112 3.2).
pub(super) fn is_host(value: &[u8]) -> bool {
    let (named, rest) = match value.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
            let in_literal = |byte: &u8| byte.is_ascii_alphanumeric() || b":._~-".contains(byte);
            (literal[..end].iter().all(in_literal), &literal[end + 1..])
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            (value[..end].iter().all(is_of_name), &value[end..])
        }
    };
    named && (rest.is_empty() || rest[0] == b':' && rest[1..].iter().all(u8::is_ascii_digit))
}

/// What may stand in a registered name (RFC 3986 3.2.2); that two digits follow a percent sign is nobody's harm.
fn is_of_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte)
}

/// Whether the client says for whom the request is in words that can be understood. In HTTP/2 there is no such field.
pub(super) fn names_a_host(head: &RequestHead) -> bool {
    head.headers.get(HOST).is_none_or(|host| is_host(host.as_bytes()))
}

/// The name and port the client believes to speak to.
pub(super) fn host(head: &RequestHead) -> Option<String> {
    let field = head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    head.uri.authority().map(|authority| authority.as_str().to_owned()).or(field)
}

/// `Sec-Fetch-Site` is the browser's own word; an older browser sends `Origin` only.
fn is_cross_site(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return !matches!(text(site).as_str(), "same-origin" | "none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = text(origin);
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    !matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

fn is_loopback(host: &str) -> bool {
    let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(IpAddr::V6(address)) => address.to_canonical().is_loopback(),
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;

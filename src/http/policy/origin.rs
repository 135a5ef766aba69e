//! For whom a browser may ask. A web page of somebody else must not write, although it can make a browser send requests to a
//! server on the same machine (cross-site requests). And it must not even read what such a server has, although its own name
//! can be made to lead there (DNS rebinding). Programs that are no browsers are not concerned.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::http::{Method, StatusCode};

use crate::http::message::problem::Problem;
use crate::http::policy::cors::Origins;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Under which names the server may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Names of this machine, and these: the server listens to this machine only, and any other name
    /// in `Host` is that of a web page whose address was made to point here.
    Loopback(Vec<String>),
    /// Any.
    Any,
}

/// Who encrypts the connections that come over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// This server.
    Own,
    /// Nobody, or a proxy or an application that does not tell.
    Unknown,
}

impl Hosts {
    /// Reports whether the server may be asked under this name, as it stands in the field. The names that nearly every client uses
    /// are seen at a glance.
    pub(in crate::http) fn include_field(&self, host: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback(_) if is_plainly_loopback(host) => true,
            Self::Loopback(_) => std::str::from_utf8(host).is_ok_and(|host| self.include(host)),
        }
    }

    /// Reports whether the server may be asked under this name.
    pub(in crate::http) fn include(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback(also) => {
                is_loopback(host) || also.iter().any(|name| name.eq_ignore_ascii_case(without_port(host)))
            }
        }
    }
}

/// Refuses requests whose `Host` cannot be read, and those under a name that is not the server's.
///
/// A request that names no host comes from no browser, and may at least read. So may a proxy under every name over a unix
/// socket, which no browser reaches.
pub(in crate::http) fn check_host(head: &RequestHead, hosts: &Hosts) -> Result<(), Problem> {
    if !names_a_host(head) {
        return Err(Problem::no_such_host());
    }
    let writes = matches!(head.method, Method::PUT | Method::DELETE);
    match host(head) {
        None => Ok(()),
        Some(host) if hosts.include(&host) => Ok(()),
        Some(host) if !writes && (host.is_empty() || head.peer_addr.is_none()) => Ok(()),
        Some(host) => Err(foreign(&host)),
    }
}

fn foreign(host: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        format!(
            "Nothing is read or written for the host {host:?}, because this server is for this machine only and that is not its \
             name. Ask for localhost. If a proxy passes that name on, start the server with --allow-host {}.",
            without_port(host)
        ),
    )
}

/// Refuses writes that a browser sends for a foreign page, unless it is of an origin that is listed by name.
pub(in crate::http) fn check_page(
    head: &RequestHead,
    origins: &Origins,
    encryption: Encryption,
) -> Result<(), Problem> {
    // What comes over a unix socket is encrypted by nobody here.
    let encryption = if head.peer_addr.is_some() { encryption } else { Encryption::Unknown };
    if is_cross_site(&head.headers, host(head).as_deref(), encryption) && !origins.list(&head.headers) {
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
pub(in crate::http) fn is_host(value: &[u8]) -> bool {
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
fn names_a_host(head: &RequestHead) -> bool {
    head.headers.get(HOST).is_none_or(|host| is_host(host.as_bytes()))
}

/// The name and port the client believes to speak to.
pub(in crate::http) fn host(head: &RequestHead) -> Option<String> {
    let field = head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    head.uri.authority().map(|authority| authority.as_str().to_owned()).or(field)
}

/// `Sec-Fetch-Site` is the browser's own word; an older browser sends `Origin` only.
fn is_cross_site(headers: &HeaderMap, host: Option<&str>, encryption: Encryption) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return !matches!(text(site).as_str(), "same-origin" | "none");
    }
    headers.get_all(ORIGIN).any(|origin| !is_own_origin(&text(origin), host, encryption))
}

/// Reports whether an origin (RFC 6454) is that of this server's pages. Where this server encrypts, pages that came in plain text
/// are others: whoever sits on the line can write them. Where it does not, a proxy may encrypt before it, so both schemes count.
fn is_own_origin(origin: &str, host: Option<&str>, encryption: Encryption) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let scheme_fits = match encryption {
        Encryption::Own => scheme.eq_ignore_ascii_case("https"),
        Encryption::Unknown => scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"),
    };
    scheme_fits && host.is_some_and(|host| authority.eq_ignore_ascii_case(host))
}

/// Reports whether a host is this machine: an address of it, or `localhost` and what is below (RFC 6761 6.3).
fn is_loopback(host: &str) -> bool {
    let name = without_port(host);
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback());
    }
    if name.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    }
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    match name.len().checked_sub(b"localhost".len()) {
        Some(0) => name.eq_ignore_ascii_case(b"localhost"),
        Some(below) => name[below..].eq_ignore_ascii_case(b"localhost") && name[below - 1] == b'.',
        None => false,
    }
}

/// Reports whether a host is `127.0.0.1` or `localhost`, perhaps with a port. Others may be this machine as well.
fn is_plainly_loopback(host: &[u8]) -> bool {
    let Some((name, rest)) = host.split_at_checked(b"127.0.0.1".len()) else { return false };
    let is_port = || rest[0] == b':' && rest[1..].iter().all(u8::is_ascii_digit);
    (name == b"127.0.0.1" || name == b"localhost") && (rest.is_empty() || is_port())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;

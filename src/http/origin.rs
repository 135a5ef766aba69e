//! Who may write: a web page of somebody else must not, although it can make a browser send requests to a
//! server on the same machine (cross-site requests, DNS rebinding). Programs that are no browsers are not
//! concerned.

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

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

/// Refuses writes that a browser sends for a foreign page.
pub(super) fn check(head: &RequestHead, hosts: &Hosts) -> Result<(), Problem> {
    let host = host(head);
    if let (Hosts::Loopback(also), Some(host)) = (hosts, &host)
        && !is_loopback(host)
        && !also.iter().any(|name| name.eq_ignore_ascii_case(without_port(host)))
    {
        return Err(Problem::document(
            StatusCode::FORBIDDEN,
            format!(
                "Host {host:?} is not a name of this machine, to which alone the server listens: nothing is written. \
                 Behind a proxy that passes the name on, start the server with --allow-host {}.",
                without_port(host)
            ),
        ));
    }
    if is_cross_site(&head.headers, host.as_deref()) {
        return Err(Problem::document(
            StatusCode::FORBIDDEN,
            "A page of another site asks for this; nothing is written. Only pages that this server has sent may write.",
        ));
    }
    Ok(())
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

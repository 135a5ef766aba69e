//! Who asks: credentials from a request, and the answers to who may not. That comes before anything is said of what is asked for.

use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::access::{Access, Credentials, Proof, Right, Visitor};
use crate::http::message::problem::{Problem, try_again_in};
use crate::http::site::{Meant, Site};
use crate::resource_path::ResourcePath;
use crate::write::Client;

const BASIC: &str = "Basic realm=\"ifmatch\", charset=\"UTF-8\"";
const BASIC_OR_BEARER: &str = "Basic realm=\"ifmatch\", charset=\"UTF-8\", Bearer realm=\"ifmatch\"";

/// Finds out who asks, and refuses who may not:
///
/// 1. what everybody may do needs no proof. One is looked at all the same in a folder, because more may be shown then, and for a write,
///    because an account has a share of its own of the uploads ([`client`]);
/// 2. without one: 401;
/// 3. with a wrong one: 401, or 429 after several;
/// 4. who may not do it all the same: 403.
///
/// The path is the one that will be opened. One that names nothing counts as the root. A folder stands for its index file, whether it
/// has one or not: who may not read that one is not shown what else there is.
pub(in crate::http) async fn admit(site: &Site, head: &RequestHead, path: &str) -> Result<Visitor, Problem> {
    let right = match head.method {
        Method::PUT | Method::DELETE => Right::Write,
        _ => Right::Read,
    };
    admit_to(site, head, &site.meant_by(path), right).await
}

/// The same, for what a target means.
pub(in crate::http) async fn admit_to(
    site: &Site,
    head: &RequestHead,
    meant: &Meant<'_>,
    right: Right,
) -> Result<Visitor, Problem> {
    let access = &site.options.access;
    let may = |visitor| meant.all(|path| access.allows(visitor, path, right));
    let open = may(Visitor::ANYBODY);
    if open && ((meant.index.is_none() && right == Right::Read) || access.is_empty()) {
        return Ok(Visitor::ANYBODY);
    }
    match prove(access, head).await {
        Ok(visitor) if may(visitor) => Ok(visitor),
        Ok(_) => Err(forbidden(right)),
        Err(_) if open => Ok(Visitor::ANYBODY),
        Err(problem) => Err(problem),
    }
}

/// Who asks, by what the request offers as a proof.
async fn prove(access: &Access, head: &RequestHead) -> Result<Visitor, Problem> {
    let mut values = head.headers.get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else {
        return Err(unauthorized(access, "This needs an account. Send its name and password."));
    };
    let mut space = Vec::new();
    // Of two a proxy may have looked at the other one.
    let credentials = credentials(value, &mut space).filter(|_| values.next().is_none());
    let Some(credentials) = credentials else {
        let detail = "The Authorization field cannot be read, is neither Basic nor Bearer, or is there twice. Send one of them once.";
        return Err(unauthorized(access, detail));
    };
    match access.prove(&credentials, head.peer_addr.map(|address| address.ip())).await {
        Proof::Given(visitor) => Ok(visitor),
        Proof::Wrong => Err(unauthorized(access, "The name or the password is wrong.")),
        Proof::Later(seconds) => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "Too many wrong passwords came from your address, or too many passwords came at once. This password was not checked. {}",
                try_again_in(seconds)
            ),
        )
        .with_retry_after(seconds)),
    }
}

/// Remembers who asks, for [`may_read`].
pub(in crate::http) fn remember(request: &HttpRequest, visitor: Visitor) {
    if visitor != Visitor::ANYBODY {
        request.extensions_mut().insert(visitor);
    }
}

/// Whether who asks may read `path`, which need not be the one that was asked for: a page that answers for others.
pub(in crate::http) fn may_read(site: &Site, request: &HttpRequest, path: &ResourcePath<'_>) -> bool {
    let access = &site.options.access;
    access.allows(Visitor::ANYBODY, path, Right::Read) || access.allows(visitor(request), path, Right::Read)
}

/// Who asks.
pub(in crate::http) fn visitor(request: &HttpRequest) -> Visitor {
    request.extensions().get().copied().unwrap_or(Visitor::ANYBODY)
}

/// Returns by whom a write counts: by the account, if it was proved, or else by the address.
pub(in crate::http) fn client(site: &Site, head: &RequestHead, visitor: Visitor) -> Client {
    let (access, network) = (&site.options.access, site.crowd.network_of(head.peer_addr));
    match access.name(visitor) {
        Some(name) => Client::Account(name.to_owned()),
        None if access.is_empty() => Client::Address(network),
        None => Client::Guest(network),
    }
}

fn unauthorized(access: &Access, detail: &str) -> Problem {
    let schemes = if access.has_tokens() { BASIC_OR_BEARER } else { BASIC };
    Problem::new(StatusCode::UNAUTHORIZED, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(schemes))
}

fn forbidden(right: Right) -> Problem {
    let what = if right == Right::Write { "write" } else { "read" };
    Problem::new(StatusCode::FORBIDDEN, format!("This account has no right to {what} here."))
}

/// What `Authorization` offers (RFC 7617, RFC 6750); what is decoded goes to `space`.
fn credentials<'a>(value: &'a HeaderValue, space: &'a mut Vec<u8>) -> Option<Credentials<'a>> {
    let value = value.as_bytes();
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&value[..at], value[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return (!rest.is_empty()).then_some(Credentials::Token(rest));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    *space = STANDARD.decode(rest).ok()?;
    let colon = space.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&space[..colon]).ok()?;
    Some(Credentials::Password(name, &space[colon + 1..]))
}

#[cfg(test)]
mod tests;

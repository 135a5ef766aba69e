//! One line for each answer, at level info: in the combined log format for people and old tools, and with a member for each part
//! where the log is JSON.

use std::borrow::Cow;
use std::net::SocketAddr;

use actix_web::http::StatusCode;

use crate::http::message::fields;

/// What a line tells.
pub(in crate::http) struct Line<'a> {
    pub(in crate::http) peer: Option<SocketAddr>,
    pub(in crate::http) account: Option<&'a str>,
    pub(in crate::http) method: &'a str,
    pub(in crate::http) target: &'a str,
    pub(in crate::http) version: &'static str,
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) size: u64,
    pub(in crate::http) referer: Option<&'a [u8]>,
    pub(in crate::http) user_agent: Option<&'a [u8]>,
}

/// Whether lines are written at all.
pub(in crate::http) fn is_on() -> bool {
    log::log_enabled!(target: "ifmatch::access", log::Level::Info)
}

impl Line<'_> {
    /// Writes it. Control characters and quotes are written as escapes, so that one line stays one line.
    pub(in crate::http) fn write(&self) {
        let peer = self.peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_canonical().to_string());
        let account = self.account.map_or_else(|| "-".to_owned(), escaped);
        let (method, target, version) = (escaped(self.method), escaped(self.target), self.version);
        let (status, size) = (self.status.as_u16(), self.size);
        let (referer, user_agent) = (text(self.referer), text(self.user_agent));
        let time = time();
        log::info!(
            target: "ifmatch::access",
            peer = peer.as_str(), account = account.as_str(), method = method.as_str(), uri = target.as_str(),
            status = status, bytes = size, referer = referer.as_str(), user_agent = user_agent.as_str();
            "{peer} - {account} [{time}] \"{method} {target} {version}\" {status} {size} \"{referer}\" \"{user_agent}\""
        );
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or(Cow::Borrowed("-"), String::from_utf8_lossy).escape_debug().collect()
}

fn escaped(text: &str) -> String {
    text.escape_debug().collect()
}

/// The time as the format has it: `22/Nov/2026:23:05:11 +0000`.
fn time() -> String {
    let date = fields::now().to_string();
    let part = |range| date.get(range).unwrap_or_default();
    format!("{}/{}/{}:{} +0000", part(5..7), part(8..11), part(12..16), part(17..25))
}

#[cfg(test)]
mod tests;

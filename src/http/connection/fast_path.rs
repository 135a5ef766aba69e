//! The fast path: a request for a file whose entry is true is answered on the connection itself, before actix
//! makes a request of it. That spares most of what an answer costs in this process.
//!
//! Nothing is decided here. A request that needs anything but the store and [`decide`] (or whose head is not
//! understood at a glance) is left to [`get`](crate::http::read::get), which gives the same answer: the fields
//! come from the same functions, and tests compare the two field by field.

mod refusal;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use arc_swap::ArcSwap;

use crate::access::{Right, Visitor};
use crate::http::connection::http1::Turn;
use crate::http::connection::response::Body;
pub(in crate::http) use crate::http::connection::response::{Answer, farewell};
pub(crate) use crate::http::connection::response::{not_encrypted, too_many_connections};
use crate::http::message::fields::{self, Conditions, RequestFields, ResponseFields};
use crate::http::message::problem::Problem;
use crate::http::observation::access_log;
use crate::http::policy::connection_limit::Crowd;
use crate::http::policy::origin::is_host;
use crate::http::read::decide::{Outcome, decide};
use crate::http::read::get::content_of;
use crate::http::representation::cached_heads::Heads;
use crate::http::representation::fields::{Fields, Representation, representation};
use crate::http::representation::respond::Content;
use crate::http::representation::{body, respond};
use crate::http::{Fallback, Site};
use crate::resource_path::{Dotfiles, Form, ResourcePath, Target};
use crate::semantics::http_date::HttpDate;
use crate::semantics::range::ByteRange;
use crate::validator_store::Entry;

/// A head with more fields is left to actix.
const MAX_FIELDS: usize = 32;

/// As is one with more lines of conditions.
const MAX_CONDITIONS: usize = 4;

/// What most heads have room in.
const HEAD_ROOM: usize = 512;

/// Answers on behalf of a site on one connection.
#[derive(Clone)]
pub(in crate::http) struct Express {
    site: Arc<ArcSwap<Site>>,
    crowd: Arc<Crowd>,
    peer: Option<SocketAddr>,
}

/// A head that can be answered at once, as far as its fields say.
struct Question<'a> {
    method: Method,
    target: &'a str,
    host: &'a [u8],
    conditions: ConditionFields<'a>,
    /// It may prefer a page to a document.
    names_html: bool,
    /// It comes from a web page, and the answer may depend on whose it is.
    has_origin: bool,
    /// For the log.
    referer: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
}

/// The fields that are conditions.
struct ConditionFields<'a> {
    fields: [httparse::Header<'a>; MAX_CONDITIONS],
    count: usize,
}

/// What a field has to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concern {
    None,
    Host,
    /// It may say that the connection is to end, or to become something else.
    Connection,
    /// It may say in which form a problem is told.
    Accept,
    Origin,
    /// The same answer as ever, or none, or a part of it.
    Condition,
    /// It is logged.
    Referer,
    UserAgent,
    /// More than can be told here: a body, an upgrade, a digest to be computed.
    Other,
}

impl Express {
    pub(in crate::http) fn new(
        site: Arc<ArcSwap<Site>>,
        crowd: Arc<Crowd>,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self { site, crowd, peer }
    }

    /// The answer to the request whose head is all of `bytes`, if it can be given at once.
    pub(in crate::http) fn answer(&self, bytes: &[u8], turn: &Turn) -> Option<Answer> {
        if !(bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD ")) {
            return None;
        }
        let mut space = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut space) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            _ => return None,
        }
        let question = Question::of(&request)?;
        match self.crowd.count_request(self.peer) {
            Err(problem) => self.refuse(&question, problem),
            // The other lane need not count again what is answered there.
            Ok(()) => self.find(&question).or_else(|| {
                turn.set_counted();
                None
            }),
        }
    }

    /// The answer to a question that may be asked.
    fn find(&self, question: &Question<'_>) -> Option<Answer> {
        let site = self.site.load();
        let site: &Site = &site;
        // A name that is not the server's is refused by the long way, but for a proxy at a unix socket.
        if self.peer.is_some() && !site.options.hosts.include_field(question.host) {
            return None;
        }
        let path = without_query(question.target);
        let Target { path, form } = ResourcePath::parse(path, site.options.dotfiles).ok()?;
        let index = match form {
            Form::Plain => None,
            Form::Slash => Some(path.child(&site.options.index_file, Dotfiles::Served)?),
        };
        let file = index.as_ref().unwrap_or(&path);
        // A folder that needs an account needs it for its index, too.
        let is_open = |path| site.options.access.allows(Visitor::ANYBODY, path, Right::Read);
        if !(is_open(file) && (index.is_none() || is_open(&path))) {
            return None;
        }
        let hit = site.store.hit(file.as_str());
        match hit {
            Some(entry) => self.respond(site, question, &entry),
            None if form == Form::Plain => self.miss(site, question, &path),
            None => None,
        }
    }

    /// 404 for a program, where the site has no page of its own for it.
    fn miss(&self, site: &Site, question: &Question<'_>, path: &ResourcePath<'_>) -> Option<Answer> {
        let absent = !question.names_html
            && !question.has_origin
            && site.options.fallback == Fallback::NotFound
            && site.store.root().lacks(&[path, &site.not_found_page]);
        if !absent {
            return None;
        }
        let fields = site.not_found_fields(path)?;
        let body = Problem::not_found(path).body();
        let length = body.len() as u64;
        let head = head(StatusCode::NOT_FOUND, Some(length), |head| head.extend_from_slice(fields));
        let body = match question.method == Method::HEAD {
            true => Body::Nothing,
            false => Body::Bytes(body.into()),
        };
        self.send(site, question, StatusCode::NOT_FOUND, &head, length, body)
    }

    fn respond(&self, site: &Site, question: &Question<'_>, entry: &Arc<Entry<Fields>>) -> Option<Answer> {
        let (now, length) = (fields::now(), entry.stamp().size);
        if entry.date().is_some_and(|date| date.take(now).is_none()) {
            return None;
        }
        let kept = site.kept(entry);
        if question.has_origin && kept.extra.origins.are_listed() {
            return None;
        }
        let conditions = match question.conditions.count {
            0 => Conditions::default(),
            _ => Conditions::of(&question.conditions),
        };
        let representation = representation(entry, &kept.extra);
        let heads = kept.heads.get_or_init(|| render_heads(&representation, now));
        let part: Vec<u8>;
        let (status, head, range) =
            match decide(&question.method, &conditions, entry.validators(), length, now) {
                Outcome::NotModified => (StatusCode::NOT_MODIFIED, &*heads.not_modified, None),
                Outcome::Whole => (
                    StatusCode::OK,
                    &*heads.whole,
                    length.checked_sub(1).map(|last| ByteRange { first: 0, last }),
                ),
                Outcome::Part(range) => {
                    part = part_head(&representation, range, now);
                    (StatusCode::PARTIAL_CONTENT, &part[..], Some(range))
                }
                Outcome::Failed(_) | Outcome::Unsatisfiable | Outcome::Parts(_) => return None,
            };
        let body = match range.filter(|_| question.method == Method::GET) {
            None => Body::Nothing,
            Some(range) => match content_of(site, entry).ok()?? {
                Content::Memory(bytes) => Body::Bytes(body::slice(&bytes, range)),
                Content::File(file) => Body::Stream(Box::new(file.part(range))),
            },
        };
        self.send(site, question, status, head, range.map_or(0, |range| range.len()), body)
    }

    fn send(
        &self,
        site: &Site,
        question: &Question<'_>,
        status: StatusCode,
        head: &[u8],
        length: u64,
        body: Body,
    ) -> Option<Answer> {
        site.metrics.count(question.method.as_str(), status, length);
        site.metrics.count_at_once();
        if access_log::is_on() {
            access_log::Line {
                peer: self.peer,
                account: None,
                method: question.method.as_str(),
                target: question.target,
                version: "HTTP/1.1",
                status,
                size: length,
                referer: question.referer,
                user_agent: question.user_agent,
            }
            .write();
        }
        Some(Answer::new(head, &fields::date_field(fields::now())?, body))
    }
}

/// Renders the heads of one entry. The caller has checked that its `Last-Modified` is not in the future.
fn render_heads(representation: &Representation<'_>, now: HttpDate) -> Heads {
    let whole = head(StatusCode::OK, Some(representation.length), |head| {
        respond::describe(head, representation, now);
    });
    let not_modified = head(StatusCode::NOT_MODIFIED, None, |head| {
        respond::revalidate(head, representation, now);
    });
    Heads { whole: whole.into(), not_modified: not_modified.into() }
}

fn part_head(representation: &Representation<'_>, range: ByteRange, now: HttpDate) -> Vec<u8> {
    head(StatusCode::PARTIAL_CONTENT, Some(range.last - range.first + 1), |head| {
        respond::describe(head, representation, now);
        line(head, header::CONTENT_RANGE, respond::content_range(range, representation.length).as_bytes());
    })
}

/// A head without its date and its end.
pub(in crate::http) fn head(
    status: StatusCode,
    length: Option<u64>,
    describe: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    let reason = status.canonical_reason().unwrap_or_default();
    for piece in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        head.extend_from_slice(piece.as_bytes());
    }
    if let Some(length) = length {
        line(&mut head, header::CONTENT_LENGTH, length.to_string().as_bytes());
    }
    describe(&mut head);
    head
}

impl<'a> Question<'a> {
    fn of(request: &'a httparse::Request<'_, 'a>) -> Option<Self> {
        let method = match request.method? {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return None,
        };
        let target = request.path.filter(|target| target.bytes().all(is_plain))?;
        if request.version != Some(1) {
            return None;
        }
        let (mut host, mut names_html, mut has_origin) = (None, false, false);
        let (mut referer, mut user_agent) = (None, None);
        let mut conditions = ConditionFields { fields: [httparse::EMPTY_HEADER; MAX_CONDITIONS], count: 0 };
        for field in request.headers.iter() {
            match Concern::of(field.name) {
                Concern::None => {}
                Concern::Host if host.is_none() && is_host(field.value) => host = Some(field.value),
                Concern::Host => return None,
                Concern::Origin => has_origin = true,
                Concern::Referer => referer = Some(field.value),
                Concern::UserAgent => user_agent = Some(field.value),
                Concern::Connection if field.value.eq_ignore_ascii_case(b"keep-alive") => {}
                Concern::Accept => {
                    names_html |= field.value.to_ascii_lowercase().windows(4).any(|it| it == b"html")
                }
                Concern::Condition => {
                    *conditions.fields.get_mut(conditions.count)? = *field;
                    conditions.count += 1;
                }
                Concern::Connection | Concern::Other => return None,
            }
        }
        Some(Self { method, target, host: host?, conditions, names_html, has_origin, referer, user_agent })
    }
}

impl Concern {
    fn of(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is("host") => Self::Host,
            5 if is("range") => Self::Condition,
            6 if is("accept") => Self::Accept,
            6 if is("expect") => Self::Other,
            6 if is("origin") => Self::Origin,
            7 if is("upgrade") => Self::Other,
            7 if is("referer") => Self::Referer,
            8 if is("if-match") || is("if-range") => Self::Condition,
            10 if is("connection") => Self::Connection,
            10 if is("user-agent") => Self::UserAgent,
            13 if is("if-none-match") => Self::Condition,
            14 if is("content-length") => Self::Other,
            16 if is("want-repr-digest") => Self::Other,
            17 if is("if-modified-since") => Self::Condition,
            17 if is("transfer-encoding") => Self::Other,
            19 if is("if-unmodified-since") => Self::Condition,
            _ => Self::None,
        }
    }
}

/// What stands for itself in any path or query; all else is left to the parser of URIs.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'?' | b'=' | b'&')
}

fn without_query(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

impl RequestFields for ConditionFields<'_> {
    fn lines(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let of_that_name =
            move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name.as_str());
        self.fields[..self.count].iter().filter(of_that_name).map(|field| field.value)
    }
}

impl ResponseFields for Vec<u8> {
    fn put(&mut self, name: HeaderName, value: &HeaderValue) {
        // The date is that of the moment the answer is sent.
        if name != header::DATE {
            line(self, name, value.as_bytes());
        }
    }

    fn add(&mut self, name: HeaderName, value: &HeaderValue) {
        self.put(name, value);
    }
}

fn line(head: &mut Vec<u8>, name: HeaderName, value: &[u8]) {
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;

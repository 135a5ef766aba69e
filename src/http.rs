//! The actix edge: bytes of a request -> types, outcomes -> a response. What is decided below is
//! turned into a status here and nowhere else.
//!
//! The edge makes no filesystem call and computes no digest of a file.

mod accept;
mod access;
mod access_log;
mod body;
mod confinement;
pub mod cors;
mod crowd;
mod error;
mod express;
mod fields;
mod get;
mod health;
mod held;
mod html;
mod limits;
mod listing;
mod media_types;
mod metrics;
mod mount;
mod options;
mod origin;
mod rates;
mod redirect;
mod refusal;
mod respond;
pub mod rules;
mod service;
mod streams;
mod turns;
mod write;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Right, Visitor};
use crate::resource_path::{Dotfiles, Form, ResourcePath};
use crate::root::Root;
use crate::semantics::preconditions::PreconditionField;
use crate::validator_store::watch::WatchStatus;
use crate::validator_store::{Entry, ValidatorStore};
use crate::write::{Deletes, Uploads, WriteOptions, Writer};
pub use confinement::UploadTrust;
pub(crate) use crowd::{Crowd, UnderWay};
use error::Problem;
pub(crate) use express::{not_encrypted, too_many_connections};
pub(crate) use fields::date;
pub use fields::{Fields, renderer};
pub use limits::{LARGEST_HEAD, Limits, Rate, SMALLEST_HEAD};
use listing::Listings;
use metrics::Metrics;
pub use mount::MountedSite;
pub use options::{Fallback, Listing, OwnResources, SiteOptions};
pub use origin::{Encryption, Hosts};
pub(crate) use redirect::to_https;
use rules::{Extra, Kept, Writable};
pub use service::{Reached, SiteService};
pub(crate) use streams::Streams;
pub(crate) use turns::Opening;
pub use turns::{TurnStream, remember_turn};

/// The store with what this edge keeps beside an entry.
pub type Store = ValidatorStore<Fields>;

/// Below [`crate::resource_path::OWN_NAME`], which no file can take.
const HEALTH: &str = "/__ifmatch__/health";
const METRICS: &str = "/__ifmatch__/metrics";

/// A folder presented over HTTP. Applications use [`crate::service`].
pub struct Site {
    store: Arc<Store>,
    writer: Arc<Writer<Fields>>,
    options: SiteOptions,
    watch: Arc<WatchStatus>,
    metrics: Arc<Metrics>,
    crowd: Arc<Crowd>,
    listings: Arc<Listings>,
    held: Arc<held::Held>,
    /// Tells this site from the ones before it, whose options were others.
    edition: u64,
    /// The methods that are answered.
    allow: HeaderValue,
    /// What the folder may have to say to who asks for what is not there.
    not_found_page: ResourcePath<'static>,
    /// The fields of a 404 for a program, rendered once.
    not_found_fields: OnceLock<Vec<u8>>,
}

/// What a request target stands for, as far as its spelling tells; one that names nothing, for the root.
struct Meant<'a> {
    path: ResourcePath<'a>,
    /// The file that answers for the path, if that is a folder's.
    index: Option<ResourcePath<'static>>,
}

impl Meant<'_> {
    /// What answers.
    fn file(&self) -> &ResourcePath<'_> {
        self.index.as_ref().unwrap_or(&self.path)
    }

    fn all(&self, holds: impl Fn(&ResourcePath<'_>) -> bool) -> bool {
        holds(&self.path) && self.index.as_ref().is_none_or(holds)
    }
}

impl Site {
    /// Presents `store`.
    pub fn new(store: Arc<Store>, options: SiteOptions, watch: Arc<WatchStatus>) -> Self {
        store.root().let_links_lead_to(options.dotfiles);
        let allow = HeaderValue::from_static(allow(&options.writes));
        let writer = Writer::new(Arc::clone(&store), options.writes);
        let crowd = Arc::new(Crowd::new(options.limits.clone()));
        let not_found_page =
            ResourcePath::ROOT.child("404.html", Dotfiles::Hidden).unwrap_or(ResourcePath::ROOT);
        Self {
            store,
            writer,
            options,
            watch,
            metrics: Arc::default(),
            crowd,
            listings: Arc::default(),
            held: Arc::default(),
            edition: next_edition(),
            allow,
            not_found_page,
            not_found_fields: OnceLock::new(),
        }
    }

    /// The same site with other options. What may be written stays as it was: it was made sure of at start. So do the limits, on which
    /// connections rest, and where the server tells of itself: listeners stay, too.
    fn with_options(&self, options: SiteOptions) -> Self {
        self.store.root().let_links_lead_to(options.dotfiles);
        Self {
            store: Arc::clone(&self.store),
            writer: Arc::clone(&self.writer),
            watch: Arc::clone(&self.watch),
            metrics: Arc::clone(&self.metrics),
            crowd: Arc::clone(&self.crowd),
            listings: Arc::clone(&self.listings),
            held: Arc::clone(&self.held),
            edition: next_edition(),
            allow: self.allow.clone(),
            not_found_page: self.not_found_page.clone(),
            not_found_fields: OnceLock::new(),
            options: SiteOptions {
                writes: self.options.writes,
                encryption: self.options.encryption,
                own: self.options.own,
                limits: self.options.limits.clone(),
                ..options
            },
        }
    }

    /// What is sent with answers about `path` besides what describes them.
    fn extra(&self, path: &ResourcePath<'_>) -> Arc<Extra> {
        let options = &self.options;
        let writable = || {
            let put = options.writes.uploads != Uploads::Refused && options.access.lets_anybody_write(path);
            if put { Writable::Yes } else { Writable::No }
        };
        let extra = options.headers.at(path, writable);
        match options.access.allows(Visitor::ANYBODY, path, Right::Read) {
            true => extra,
            false => Arc::new(extra.for_few()),
        }
    }

    /// The same for what a request target stands for.
    fn extra_of_target(&self, path: &str) -> Arc<Extra> {
        self.extra(self.meant_by(path).file())
    }

    /// What a request target stands for.
    fn meant_by<'a>(&self, path: &'a str) -> Meant<'a> {
        let Ok(target) = ResourcePath::parse(path, self.options.dotfiles) else {
            return Meant { path: ResourcePath::ROOT, index: None };
        };
        let index = match target.form {
            Form::Plain => None,
            Form::Slash => {
                let index = target.path.child(&self.options.index_file, Dotfiles::Served);
                index.map(ResourcePath::into_owned)
            }
        };
        Meant { path: target.path, index }
    }

    /// The same for an entry, of whose answers more is kept.
    fn kept(&self, entry: &Entry<Fields>) -> Arc<Kept> {
        entry.rendered().keeping.get(self.edition, || self.extra_of_file(entry.path(), entry.rendered()))
    }

    /// The fields of a 404 for a program, where they are the same for everybody.
    fn not_found_fields(&self, path: &ResourcePath<'_>) -> Option<&Vec<u8>> {
        let extra = self.extra(path);
        let common = self.options.headers.is_common(&extra) && !extra.origins.are_listed();
        common.then(|| {
            self.not_found_fields.get_or_init(|| {
                let mut fields = Vec::new();
                Problem::not_found(path).describe(&mut fields);
                extra.describe(&mut fields);
                fields
            })
        })
    }

    /// Adds what is sent with every answer about a path, where it is not there yet. Whatever is said of what not everybody may read is not
    /// for caches that serve many.
    fn accompany(&self, path: &str, head: &RequestHead, response: &mut HttpResponse) {
        let meant = self.meant_by(path);
        let extra = self.extra(meant.file());
        let headers = response.headers_mut();
        extra.complete(headers);
        if !meant.all(|path| self.options.access.allows(Visitor::ANYBODY, path, Right::Read))
            && let Some(value) = headers.get(header::CACHE_CONTROL).map(rules::private)
        {
            headers.insert(header::CACHE_CONTROL, value);
        }
        extra.origins.allow(&head.headers, headers);
    }

    /// The served folder.
    pub fn root(&self) -> &Root {
        self.store.root()
    }

    /// What writes to the folder.
    pub fn writer(&self) -> &Writer<Fields> {
        &self.writer
    }

    /// Answers one request, whose path below the place of the site is `path`. The steps: how often its address asks, for which
    /// host it is, the server's own resources, the method, who asks, then [`get`] or [`write`].
    async fn answer(&self, path: &str, request: &HttpRequest, payload: &mut Payload) -> HttpResponse {
        if let Err(problem) = self.crowd.count_request(request.head().peer_addr, request.conn_data()) {
            write::skip_few(request.head(), payload).await;
            return problem.respond(request);
        }
        let refused = origin::check_host(request.head(), &self.options.hosts);
        if refused.is_ok()
            && self.options.own == OwnResources::Here
            && let Some(response) = self.tell(request.method(), path)
        {
            return response;
        }
        let mut response = match refused {
            Ok(()) => self.answer_about(path, request, payload).await,
            Err(problem) => {
                write::skip_few(request.head(), payload).await;
                problem.respond(request)
            }
        };
        self.accompany(path, request.head(), &mut response);
        response
    }

    /// What the server tells of itself.
    fn tell(&self, method: &Method, path: &str) -> Option<HttpResponse> {
        match *method {
            Method::GET | Method::HEAD if path == HEALTH => Some(health::respond(self)),
            Method::GET | Method::HEAD if path == METRICS => Some(metrics::respond(self)),
            _ => None,
        }
    }

    async fn answer_about(&self, path: &str, request: &HttpRequest, payload: &mut Payload) -> HttpResponse {
        match *request.method() {
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE => {}
            Method::OPTIONS => {
                let preflight =
                    cors::preflight(request.head(), &self.extra_of_target(path).origins, &self.allow);
                return preflight.unwrap_or_else(|| respond::options(&self.allow));
            }
            _ => return Problem::method_not_allowed(request.method(), &self.allow).respond(request),
        }
        match access::admit(self, request.head(), path).await {
            Ok(visitor) => access::remember(request, visitor),
            Err(problem) => {
                write::skip_few(request.head(), payload).await;
                return problem.respond(request);
            }
        }
        match *request.method() {
            Method::PUT | Method::DELETE => write::answer(self, request, path, payload).await,
            _ => get::answer(self, request, path).await,
        }
    }
}

fn next_edition() -> u64 {
    static EDITIONS: AtomicU64 = AtomicU64::new(1);
    EDITIONS.fetch_add(1, Ordering::Relaxed)
}

/// The methods that are answered, as `Allow` lists them.
fn allow(options: &WriteOptions) -> &'static str {
    match (options.uploads, options.deletes) {
        (Uploads::Refused, Deletes::Refused) => "GET, HEAD, OPTIONS",
        (Uploads::Refused, Deletes::Allowed) => "GET, HEAD, OPTIONS, DELETE",
        (_, Deletes::Refused) => "GET, HEAD, OPTIONS, PUT",
        (_, Deletes::Allowed) => "GET, HEAD, OPTIONS, PUT, DELETE",
    }
}

impl Site {
    /// Counts an answer of the long way, and logs it.
    fn note(&self, head: &RequestHead, visitor: Visitor, response: &HttpResponse<BoxBody>, began: Instant) {
        let size = match response.body().size() {
            BodySize::Sized(bytes) => bytes,
            BodySize::None | BodySize::Stream => 0,
        };
        self.metrics.count(head.method.as_str(), response.status(), size);
        self.metrics.time(began);
        if let Some(field) = response.extensions().get::<PreconditionField>() {
            self.metrics.count_failed(*field);
        }
        if access_log::is_on() {
            let field = |name| head.headers.get(name).map(HeaderValue::as_bytes);
            // HTTP/2 always tells scheme and host, which no log of other servers has there.
            let target = match (head.version, head.uri.path_and_query()) {
                (Version::HTTP_2, Some(target)) => target.to_string(),
                _ => head.uri.to_string(),
            };
            access_log::Line {
                peer: head.peer_addr,
                account: self.options.access.name(visitor),
                method: head.method.as_str(),
                target: &target,
                version: if head.version == Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" },
                status: response.status(),
                size,
                referer: field(header::REFERER),
                user_agent: field(header::USER_AGENT),
            }
            .write();
        }
    }
}

#[cfg(test)]
mod tests;

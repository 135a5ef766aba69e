//! The actix edge: bytes of a request -> types, outcomes -> a response. What is decided below is
//! turned into a status here and nowhere else.
//!
//! The edge makes no filesystem call and computes no digest of a file.

mod accept;
mod access;
mod access_log;
mod body;
mod error;
mod express;
mod fields;
mod get;
mod health;
mod html;
mod listing;
mod metrics;
mod origin;
mod redirect;
mod refusal;
mod respond;
mod streams;
mod turns;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_http::Request;
use actix_service::{Service, ServiceFactory};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{
    AppService, HttpServiceFactory, Payload, RequestHead, ResourceDef, ServiceRequest, ServiceResponse,
};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Access, Visitor};
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Root, SwapGuard};
use crate::semantics::preconditions::PreconditionField;
use crate::validator_store::ValidatorStore;
use crate::validator_store::watch::WatchStatus;
use crate::write::{Deletes, Uploads, WriteOptions, Writer};
use error::Problem;
use express::Express;
pub(crate) use express::not_encrypted;
pub use fields::{Fields, renderer};
use metrics::Metrics;
pub use origin::Hosts;
pub(crate) use redirect::to_https;
use streams::Streams;
pub(crate) use turns::Opening;
use turns::Turn;
pub use turns::TurnStream;

/// The store with what this edge keeps beside an entry.
pub type Store = ValidatorStore<Fields>;

/// Below [`crate::resource_path::OWN_NAME`], which no file can take.
const HEALTH: &str = "/__ifmatch__/health";
const METRICS: &str = "/__ifmatch__/metrics";

/// How a folder is presented.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// The file that answers for its directory.
    pub index_file: String,
    /// Names that begin with a dot.
    pub dotfiles: Dotfiles,
    /// Whether directories without an index file are listed.
    pub listing: Listing,
    /// What answers for a missing path.
    pub fallback: Fallback,
    /// The value of `Cache-Control` for every representation.
    pub cache_control: HeaderValue,
    /// What may be written, and how.
    pub writes: WriteOptions,
    /// Under which names the server may be asked to write.
    pub hosts: Hosts,
    /// Who may read and write what.
    pub access: Arc<Access>,
}

/// Whether directories without an index file are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// As HTML, or as JSON for who asks for it.
    Shown,
    /// They are not found.
    Off,
}

/// What answers for a missing path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// 404.
    NotFound,
    /// The root's index file, for paths that look like places within a single-page application.
    SinglePage,
}

/// A folder presented over HTTP.
///
/// Under `actix_web::HttpServer`, as in the example, pipelined requests are framed as actix-http frames
/// them; [`crate::server`] shows how [`TurnStream`] keeps a connection in step.
///
/// ```no_run
/// use std::sync::Arc;
/// use ifmatch::access::Access;
/// use actix_web::http::header::HeaderValue;
/// use ifmatch::http::{self, Fallback, Hosts, Listing, Site, SiteOptions};
/// use ifmatch::resource_path::Dotfiles;
/// use ifmatch::root::{Root, SymlinkPolicy};
/// use ifmatch::validator_store::digest::DigestAlgorithm;
/// use ifmatch::validator_store::index::IndexMode;
/// use ifmatch::validator_store::{StoreOptions, ValidatorStore, watch};
/// use ifmatch::write::WriteOptions;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let root = Root::open("public".as_ref(), SymlinkPolicy::Within)?;
/// let cache_control = HeaderValue::from_static("no-cache");
/// let store = StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 64 << 20, index: IndexMode::Off };
/// let store = ValidatorStore::new(root, store, http::renderer(cache_control.clone()));
/// let watch = watch::start(Arc::clone(&store));
/// let options = SiteOptions {
///     index_file: "index.html".to_owned(),
///     dotfiles: Dotfiles::Hidden,
///     listing: Listing::Shown,
///     fallback: Fallback::NotFound,
///     cache_control,
///     writes: WriteOptions::READ_ONLY,
///     hosts: Hosts::Any,
///     access: Arc::new(Access::open()),
/// };
/// let site = Site::new(store, options, watch).mounted_at("/assets");
/// let server = actix_web::HttpServer::new(move || actix_web::App::new().service(site.clone()));
/// server.bind("127.0.0.1:8080")?.run().await?;
/// # Ok(())
/// # }
/// ```
pub struct Site {
    store: Arc<Store>,
    writer: Arc<Writer<Fields>>,
    options: SiteOptions,
    watch: Arc<WatchStatus>,
    metrics: Metrics,
    mount: String,
    /// The methods that are answered.
    allow: HeaderValue,
    /// What the folder may have to say to who asks for what is not there.
    not_found_page: ResourcePath<'static>,
}

impl Site {
    /// Presents `store`.
    pub fn new(store: Arc<Store>, options: SiteOptions, watch: Arc<WatchStatus>) -> Self {
        let allow = HeaderValue::from_static(allow(&options.writes));
        let writer = Writer::new(Arc::clone(&store), options.writes);
        let not_found_page =
            ResourcePath::ROOT.child("404.html", Dotfiles::Hidden).unwrap_or(ResourcePath::ROOT);
        let (metrics, mount) = (Metrics::default(), String::new());
        Self { store, writer, options, watch, metrics, mount, allow, not_found_page }
    }

    /// The served folder.
    pub fn root(&self) -> &Root {
        self.store.root()
    }

    /// What writes rest on in the root folder; `None` where nothing can be written.
    pub fn swap_guard(&self) -> Option<SwapGuard> {
        self.writer.guard()
    }

    /// The same site below the URL prefix `mount` (`/assets`), for an application of your own:
    /// `App::new().service(site.mounted_at("/assets"))`.
    pub fn mounted_at(self, mount: &str) -> SiteService {
        let mount = mount.trim_end_matches('/').to_owned();
        SiteService(Arc::new(Self { mount, ..self }))
    }

    /// Answers one request. The steps: for whom it is, the server's own resources, the method, who asks, then [`get`] or
    /// [`write`].
    async fn answer(&self, request: &HttpRequest, payload: &mut Payload) -> HttpResponse {
        let path = request.path().strip_prefix(self.mount.as_str()).unwrap_or_default();
        if !origin::names_a_host(request.head()) {
            return Problem::no_such_host().respond(request);
        }
        match *request.method() {
            Method::GET | Method::HEAD if path == HEALTH => return health::respond(self),
            Method::GET | Method::HEAD if path == METRICS => return metrics::respond(self),
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE => {}
            Method::OPTIONS => return respond::options(&self.allow),
            _ => return Problem::method_not_allowed(&self.allow).respond(request),
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

/// The methods that are answered, as `Allow` lists them.
fn allow(options: &WriteOptions) -> &'static str {
    match (options.uploads, options.deletes) {
        (Uploads::Refused, Deletes::Refused) => "GET, HEAD, OPTIONS",
        (Uploads::Refused, Deletes::Allowed) => "GET, HEAD, OPTIONS, DELETE",
        (_, Deletes::Refused) => "GET, HEAD, OPTIONS, PUT",
        (_, Deletes::Allowed) => "GET, HEAD, OPTIONS, PUT, DELETE",
    }
}

/// Lets the service know whose turn it is on a connection; for `on_connect_ext`.
pub fn remember_turn<S>(stream: &TurnStream<S>, data: &mut actix_web::dev::Extensions) {
    data.insert(stream.turn());
}

/// Lets the service know how many requests of an HTTP/2 connection are being answered; for `on_connect_ext`.
pub(crate) fn count_streams<S>(_: &S, data: &mut actix_web::dev::Extensions) {
    data.insert(Streams::default());
}

impl SiteService {
    /// Answers a client that waits for `100 Continue`: a write that would be refused is refused now, before
    /// its body is sent.
    ///
    /// # Errors
    /// The response.
    pub async fn expect(self, request: Request) -> Result<Request, HttpResponse> {
        let (site, began) = (&self.0, Instant::now());
        let path = request.path().strip_prefix(site.mount.as_str()).unwrap_or_default();
        let refused = match *request.method() {
            _ if !origin::names_a_host(request.head()) => Err(Problem::no_such_host().respond_as_document()),
            Method::GET | Method::HEAD | Method::OPTIONS => return Ok(request),
            Method::PUT | Method::DELETE => match access::admit(site, request.head(), path).await {
                Ok(_) => write::refuse_early(site, request.head(), path).await,
                Err(problem) => Err(problem.respond_as_document()),
            },
            _ => Err(Problem::method_not_allowed(&site.allow).respond_as_document()),
        };
        let Err(mut response) = refused else { return Ok(request) };
        site.note(request.head(), Visitor::ANYBODY, &response, began);
        if let Some(turn) = request.conn_data::<Turn>() {
            turn.end();
            response = response.map_body(|_, body| BoxBody::new(turn.watch(body)));
        }
        Err(response)
    }
}

impl SiteService {
    /// Wraps a connection, on which this site answers what it can without actix.
    pub fn connect<S>(&self, stream: S, peer: Option<SocketAddr>) -> TurnStream<S> {
        TurnStream::new(stream).with_express(Express::new(Arc::clone(&self.0), peer))
    }
}

/// [`Site`] as an actix service: the default service of an application, or mounted at a prefix.
#[derive(Clone)]
pub struct SiteService(Arc<Site>);

impl HttpServiceFactory for SiteService {
    fn register(self, config: &mut AppService) {
        let prefix = if self.0.mount.is_empty() { "/" } else { self.0.mount.as_str() };
        let resource = ResourceDef::root_prefix(prefix.trim_end_matches('/'));
        config.register_service(resource, None, self, None);
    }
}

impl ServiceFactory<ServiceRequest> for SiteService {
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Config = ();
    type Service = Self;
    type InitError = ();
    type Future = std::future::Ready<Result<Self, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        std::future::ready(Ok(self.clone()))
    }
}

impl Service<ServiceRequest> for SiteService {
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<ServiceResponse, actix_web::Error>>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (site, began) = (Arc::clone(&self.0), Instant::now());
        Box::pin(async move {
            let (request, mut payload) = request.into_parts();
            let answering = request.conn_data::<Streams>().map(Streams::begin);
            let mut response = match answering {
                Some(None) => Problem::too_many_streams().respond(&request),
                _ => site.answer(&request, &mut payload).await,
            };
            write::read_over(payload);
            if let Some(Some(answering)) = answering {
                response = response.map_body(|_, body| answering.watch(body));
            }
            site.note(request.head(), access::visitor(&request), &response, began);
            if let Some(turn) = request.conn_data::<Turn>() {
                turn.end();
                response = response.map_body(|_, body| BoxBody::new(turn.watch(body)));
            }
            Ok(ServiceResponse::new(request, response))
        })
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
            access_log::Line {
                peer: head.peer_addr,
                account: self.options.access.name(visitor),
                method: head.method.as_str(),
                target: &head.uri.to_string(),
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

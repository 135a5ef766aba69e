//! A site as actix services: for the server's own application, and for requests that wait for `100 Continue`. Which site it
//! is can change between two requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_http::{ConnectionType, Request, Response, ResponseHead};
use actix_service::{Service, ServiceFactory};
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use arc_swap::ArcSwap;

use crate::access::Visitor;
use crate::http::connection::fast_path::Express;
use crate::http::connection::h2_streams::Streams;
use crate::http::connection::http1::Turn;
use crate::http::message::problem::Problem;
use crate::http::policy::connection_limit::Crowd;
use crate::http::policy::{auth, origin};
use crate::http::representation::respond::FromFile;
use crate::http::service::dispatch::{HEALTH, METRICS};
use crate::http::write::put;
use crate::http::write::put::Rest;
use crate::http::{Hosts, Site, SiteOptions, TurnStream};

/// By whom an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// By programs of this machine only.
    ByThisMachine,
    /// By other machines, too.
    ByAnybody,
}

/// [`Site`] as an actix service: the default service of an application, which answers every path.
#[derive(Clone)]
pub struct SiteService(Arc<ArcSwap<Site>>);

impl Site {
    /// As the default service of an application.
    pub fn into_service(self) -> SiteService {
        SiteService(Arc::new(ArcSwap::from_pointee(self)))
    }
}

impl SiteService {
    /// Answers a client that waits for `100 Continue`: a write that would be refused is refused now, before
    /// its body is sent.
    ///
    /// # Errors
    /// The response.
    pub async fn expect(self, request: Request) -> Result<Request, HttpResponse> {
        let (site, began) = (self.0.load_full(), Instant::now());
        let (path, turn) = (request.path(), request.conn_data::<Turn>());
        let refused = match site.count_once(request.head(), turn) {
            Err(problem) => Err(problem.respond_to(request.head())),
            Ok(()) => {
                let refused = site.refuse_early(request.head(), path).await;
                refused.map_err(|mut response| {
                    site.accompany(path, request.head(), &mut response);
                    response
                })
            }
        };
        let Err(mut response) = refused else {
            if let Some(turn) = turn {
                turn.set_counted();
            }
            return Ok(request);
        };
        site.note(request.head(), Visitor::ANYBODY, &response, began);
        if let Some(turn) = turn {
            turn.end();
            say_last(turn, response.head_mut());
            response = response.map_body(|_, body| BoxBody::new(turn.watch(body)));
        }
        Err(response)
    }

    /// Wraps a connection, on which this site answers what it can without actix.
    pub fn connect<S>(&self, stream: S, peer: Option<SocketAddr>) -> TurnStream<S> {
        TurnStream::new(stream).with_express(Express::new(Arc::clone(&self.0), self.crowd(), peer))
    }

    /// The connections there are, and what they may take and ask for.
    pub(crate) fn crowd(&self) -> Arc<Crowd> {
        Arc::clone(&self.0.load().crowd)
    }

    /// What the server tells of itself, at an address of its own; `/health` and `/metrics` are enough there. At one that only this
    /// machine reaches it is told under names of this machine only.
    pub fn tell(&self, request: &Request, reached: Reached) -> Response<BoxBody> {
        let site = self.0.load();
        let hosts = match (reached, &site.options.hosts) {
            (Reached::ByAnybody, _) => &Hosts::Any,
            (Reached::ByThisMachine, hosts @ Hosts::Loopback(_)) => hosts,
            (Reached::ByThisMachine, Hosts::Any) => &Hosts::Loopback(Vec::new()),
        };
        if let Err(problem) = origin::check_host(request.head(), hosts) {
            return problem.respond_to(request.head()).into();
        }
        let path = match request.path() {
            "/health" => HEALTH,
            "/metrics" => METRICS,
            path => path,
        };
        let told = site.tell(request.method(), path);
        told.unwrap_or_else(|| Problem::not_found(request.path()).respond_to(request.head())).into()
    }

    /// From the next request on the site has these options, but for those about writing, and where the server tells of itself.
    pub fn set_options(&self, options: SiteOptions) {
        self.0.store(Arc::new(self.0.load().with_options(options)));
    }
}

impl Site {
    /// Refuses what can be refused before the body of a request.
    async fn refuse_early(&self, head: &RequestHead, path: &str) -> Result<(), HttpResponse> {
        if let Err(problem) = origin::check_host(head, &self.options.hosts) {
            return Err(problem.respond_to(head));
        }
        match head.method {
            Method::GET | Method::HEAD | Method::OPTIONS => Ok(()),
            Method::PUT | Method::DELETE => match auth::admit(self, head, path).await {
                Ok(visitor) => {
                    let client = auth::client(self, head, visitor);
                    put::refuse_early(self, head, path, &client).await
                }
                Err(problem) => Err(problem.respond_to(head)),
            },
            _ => Err(Problem::method_not_allowed(&head.method, &self.allow).respond_to(head)),
        }
    }

    /// Answers a request that actix has received, about `path` below the place of this site.
    pub(in crate::http) async fn serve(
        &self,
        path: &str,
        request: &HttpRequest,
        mut payload: Payload,
    ) -> HttpResponse {
        let began = Instant::now();
        let streams = request.extensions().get::<Streams>().cloned();
        let answering = streams.map(|streams| streams.begin(request.headers()));
        let mut response = match answering {
            Some(Err(too_much)) => too_much.problem().respond(request),
            _ => self.answer(path, request, &mut payload).await,
        };
        // Before the client is waited for: an open file counts from here on.
        if let Some(Ok(mut answering)) = answering {
            let is_file = response.extensions().get::<FromFile>().is_some();
            if is_file && !answering.may_have_file(&self.crowd) {
                response = Problem::too_many_files().respond(request);
            }
            response = response.map_body(|_, body| answering.watch(body));
        }
        let rest = put::read_over(request.head(), payload).await;
        self.note(request.head(), auth::visitor(request), &response, began);
        if let Some(turn) = request.conn_data::<Turn>() {
            if rest == Rest::Unread {
                turn.set_unread();
            }
            turn.end();
            say_last(turn, response.head_mut());
            if request.head().upgrade() {
                // actix goes on with no connection on which an upgrade was asked for.
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            response = response.map_body(|_, body| BoxBody::new(turn.watch(body)));
        }
        response
    }
}

/// Where the connection is about to end, the response says so.
fn say_last(turn: &Turn, response: &mut ResponseHead) {
    if turn.is_last() {
        response.set_connection_type(ConnectionType::Close);
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
        let site = self.0.load_full();
        Box::pin(async move {
            let (request, payload) = request.into_parts();
            let response = site.serve(request.path(), &request, payload).await;
            Ok(ServiceResponse::new(request, response))
        })
    }
}

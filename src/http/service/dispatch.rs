//! Which function answers a request, and what is counted and logged of the answer.

use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::Visitor;
use crate::http::connection::turn::Turn;
use crate::http::message::problem::Problem;
use crate::http::observation::access_log;
use crate::http::policy::{auth, cors, origin};
use crate::http::read::get;
use crate::http::representation::respond;
use crate::http::service::{health, metrics_page};
use crate::http::site::Site;
use crate::http::site::options::OwnResources;
use crate::http::write::put;
use crate::semantics::preconditions::PreconditionField;

/// Below [`crate::resource_path::OWN_NAME`], which no file can take.
pub(super) const HEALTH: &str = "/__ifmatch__/health";
pub(super) const METRICS: &str = "/__ifmatch__/metrics";

impl Site {
    /// Answers one request. `path` is its path below the place of the site. The steps: the rate of its
    /// address, its host, the server's own resources, the method, the client's rights, then [`get`] or
    /// [`put`].
    pub(in crate::http) async fn answer(
        &self,
        path: &str,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> HttpResponse {
        if let Err(problem) = self.count_once(request.head(), request.conn_data()) {
            put::skip_few(request.head(), payload).await;
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
                put::skip_few(request.head(), payload).await;
                problem.respond(request)
            }
        };
        self.accompany(path, request.head(), &mut response);
        response
    }

    /// Counts a request against the rate of its address, unless that was done before: on the connection,
    /// or while the client waited for `100 Continue`.
    pub(super) fn count_once(&self, head: &RequestHead, turn: Option<&Turn>) -> Result<(), Problem> {
        match turn.is_some_and(Turn::take_count) {
            true => Ok(()),
            false => self.crowd.count_request(head.peer_addr),
        }
    }

    /// What the server tells of itself.
    pub(in crate::http) fn tell(&self, method: &Method, path: &str) -> Option<HttpResponse> {
        match *method {
            Method::GET | Method::HEAD if path == HEALTH => Some(health::respond(self)),
            Method::GET | Method::HEAD if path == METRICS => Some(metrics_page::respond(self)),
            _ => None,
        }
    }

    pub(in crate::http) async fn answer_about(
        &self,
        path: &str,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> HttpResponse {
        match *request.method() {
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE => {}
            Method::OPTIONS => {
                let preflight =
                    cors::preflight(request.head(), &self.extra_of_target(path).origins, &self.allow);
                return preflight.unwrap_or_else(|| respond::options(&self.allow));
            }
            _ => return Problem::method_not_allowed(request.method(), &self.allow).respond(request),
        }
        match auth::admit(self, request.head(), path).await {
            Ok(visitor) => auth::remember(request, visitor),
            Err(problem) => {
                put::skip_few(request.head(), payload).await;
                return problem.respond(request);
            }
        }
        match *request.method() {
            Method::PUT | Method::DELETE => {
                let trailer = || request.conn_data::<Turn>().and_then(Turn::digest_in_trailer);
                put::answer(self, request, path, payload, trailer).await
            }
            _ => get::answer(self, request, path).await,
        }
    }
}

impl Site {
    /// Counts an answer of the long way, and logs it.
    pub(in crate::http) fn note(
        &self,
        head: &RequestHead,
        visitor: Visitor,
        response: &HttpResponse<BoxBody>,
        began: Instant,
    ) {
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

//! A site in somebody else's actix application: below a prefix or a scope, and behind middleware.

use std::sync::Arc;
use std::task::{Context, Poll};

use actix_service::{Service, ServiceFactory};
use actix_web::body::{BodySize, MessageBody as _};
use actix_web::dev::{AppService, HttpServiceFactory, ResourceDef, ServiceRequest, ServiceResponse, Url};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::http::Site;

/// What cannot stand in the path of a URL, or reads as something else there (a browser takes `\` for `/`). What is encoded
/// already stays as it is, and so do the braces and patterns of actix.
const IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'^').add(b'`');

/// A site at a place in an application.
#[derive(Clone)]
pub struct MountedSite {
    site: Arc<Site>,
    /// What actix looks for at the beginning of a path.
    pattern: Arc<str>,
}

impl MountedSite {
    /// A site below `prefix`, which may be written with percent-encoding or without.
    pub(crate) fn new(site: Arc<Site>, prefix: &str) -> Self {
        Self { site, pattern: pattern(prefix).into() }
    }

    async fn answer(self, request: ServiceRequest) -> ServiceResponse {
        let (request, payload) = request.into_parts();
        let path = match below(&request) {
            // The place itself, without its slash: a client that reads is sent to the folder. A dot segment already
            // stands for a folder, and no slash is missing behind it.
            "" if !matches!(*request.method(), Method::GET | Method::HEAD) => "/",
            "" if ends_with_dot_segment(request.path()) => "/",
            path => path,
        };
        let mut response = self.site.serve(path, &request, payload).await;
        keep_as_it_is(&mut response, request.headers());
        ServiceResponse::new(request, response)
    }
}

/// The prefix as actix compares it with a path: decoded, but for what actix leaves encoded. Without a slash at its end.
fn pattern(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    let encoded = format!("/{}", utf8_percent_encode(prefix, IN_PATH));
    match Uri::try_from(encoded.as_str()) {
        Ok(_) if prefix.is_empty() => String::new(),
        Ok(uri) => Url::new(uri).path().to_owned(),
        Err(_) => format!("/{prefix}"),
    }
}

/// Returns the path of a request, as it came, without what the application has taken of it on the way here (prefixes, scopes).
/// actix tells that rest as it is decoded; since it leaves `%2F` as it is, both have the same slashes.
///
/// Dot segments are removed in that rest only. So none of them leads above the place of the site, and none that comes before is
/// taken for a part of the prefix.
fn below(request: &HttpRequest) -> &str {
    let path = request.path();
    let slashes = request.match_info().unprocessed().bytes().filter(|byte| *byte == b'/').count();
    let Some(before) = slashes.checked_sub(1) else { return "" };
    &path[path.rmatch_indices('/').nth(before).map_or(0, |(at, _)| at)..]
}

/// Reports whether the last segment is `.` or `..`, which a prefix with a parameter (`/{tenant}`) can match.
fn ends_with_dot_segment(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let decoded: Vec<u8> = percent_decode_str(last).collect();
    matches!(&decoded[..], b"." | b"..")
}

/// Tells `actix_web::middleware::Compress` to leave a representation alone: it would send other bytes, under the tag of these.
/// It acts only where the client names codings, and not on what has this field. A file that is stored encoded has it already.
fn keep_as_it_is(response: &mut HttpResponse, request: &HeaderMap) {
    let has_bytes = !matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
    let headers = response.headers_mut();
    let is_encoded = headers.contains_key(header::CONTENT_ENCODING);
    let concerned = headers.contains_key(header::ETAG) && request.contains_key(header::ACCEPT_ENCODING);
    if has_bytes && concerned && !is_encoded {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
}

impl HttpServiceFactory for MountedSite {
    fn register(self, config: &mut AppService) {
        let resource = ResourceDef::root_prefix(&self.pattern);
        config.register_service(resource, None, self, None);
    }
}

impl ServiceFactory<ServiceRequest> for MountedSite {
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

impl Service<ServiceRequest> for MountedSite {
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<ServiceResponse, actix_web::Error>>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

#[cfg(test)]
mod tests;

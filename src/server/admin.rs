//! The listener at which the server tells of itself, for who watches it, apart from the one at which it serves.

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_server::ServerBuilder;
use actix_service::fn_service;

use super::ServerError;
use super::counted::counted;
use crate::http::SiteService;

/// How long a head may take.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Adds the listener to a server.
pub(super) fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    site: SiteService,
) -> Result<ServerBuilder, ServerError> {
    let worker = move || {
        let (site, crowd) = (site.clone(), site.crowd());
        let http = HttpService::build()
            .client_request_timeout(HEAD_LIMIT)
            .finish(fn_service(move |request: Request| {
                std::future::ready(Ok::<_, Infallible>(site.tell(&request)))
            }))
            .tcp();
        counted(crowd, http)
    };
    builder.listen("admin", listener, worker).map_err(ServerError::Io)
}

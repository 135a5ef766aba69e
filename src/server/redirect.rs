//! The plain-text listener beside an encrypted one: it sends everybody there.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use actix_http::{HttpService, KeepAlive, Request};
use actix_server::ServerBuilder;
use actix_service::fn_service;

use super::ServerError;
use super::counted::counted;
use crate::http::{self, Crowd};

/// Adds the listener to a server; clients are sent to `port` of the host that they asked for.
pub(super) fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    port: u16,
    crowd: Arc<Crowd>,
) -> Result<ServerBuilder, ServerError> {
    let worker = move || {
        let http = HttpService::build()
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(crowd.limits().head)
            .finish(fn_service(move |request: Request| {
                std::future::ready(Ok::<_, Infallible>(http::to_https(&request, port)))
            }))
            .tcp();
        counted(Arc::clone(&crowd), http)
    };
    builder.listen("redirect", listener, worker).map_err(ServerError::Io)
}

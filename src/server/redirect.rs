//! The plain-text listener beside an encrypted one: it sends everybody there.

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request};
use actix_server::ServerBuilder;
use actix_service::fn_service;

use super::ServerError;
use crate::http;

/// Adds the listener to a server; clients are sent to `port` of the host that they asked for. A head may take `head_limit`.
pub(super) fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    port: u16,
    head_limit: Duration,
) -> Result<ServerBuilder, ServerError> {
    let worker = move || {
        HttpService::build()
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(head_limit)
            .finish(fn_service(move |request: Request| {
                std::future::ready(Ok::<_, Infallible>(http::to_https(&request, port)))
            }))
            .tcp()
    };
    builder.listen("redirect", listener, worker).map_err(ServerError::Io)
}

//! The listener of `--admin-bind`, which answers health and metrics requests. It has its own
//! worker, so that it still answers when the site is overloaded.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::Request;
use actix_server::{Server, ServerHandle};

use super::oneshot;
use crate::http::{Reached, SiteService};
use crate::server::ServerError;

/// How long a request head may take.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How many connections may be open; more wait until one closes.
const CONNECTIONS: usize = 32;

/// Answers requests at `listeners` until the process ends or the returned handle is stopped.
pub(in crate::server) fn start(
    listeners: Vec<TcpListener>,
    site: &SiteService,
) -> Result<Option<ServerHandle>, ServerError> {
    if listeners.is_empty() {
        return Ok(None);
    }
    let mut builder = Server::build()
        .workers(1)
        .max_concurrent_connections(CONNECTIONS)
        .shutdown_timeout(1)
        .disable_signals();
    for listener in listeners {
        let site = site.clone();
        let address = listener.local_addr().map_err(ServerError::Io)?;
        let reached = match address.ip().to_canonical().is_loopback() {
            true => Reached::ByThisMachine,
            false => Reached::ByAnybody,
        };
        let answer = move |request: &Request| site.tell(request, reached);
        builder = oneshot::listen(builder, listener, HEAD_LIMIT, |_| Some(()), answer)?;
    }
    let server = builder.run();
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        if let Err(error) = server.await {
            log::error!("health and metrics are no longer answered at the address of --admin-bind: {error}");
        }
    });
    Ok(Some(handle))
}

//! The listener at which the server tells of itself, for who watches it, apart from the one at which it serves. It has a worker of
//! its own: what crowds the site does not keep anybody from asking how it is.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::Request;
use actix_server::{Server, ServerHandle};

use super::oneshot;
use crate::http::{Reached, SiteService};
use crate::server::ServerError;

/// How long a head may take.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How many connections there may be; more wait until one ends.
const CONNECTIONS: usize = 32;

/// Begins to answer at `listeners`, until the process ends or the handle is told to stop.
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

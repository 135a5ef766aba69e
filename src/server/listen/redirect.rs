//! The listener of `--redirect-from`, which redirects every HTTP request to HTTPS.

use std::net::TcpListener;
use std::sync::Arc;

use actix_http::Request;
use actix_server::ServerBuilder;
use actix_web::rt::net::TcpStream;

use super::oneshot;
use crate::http::{self, Crowd};
use crate::server::ServerError;

/// Adds the listener to a server. Clients are redirected to one of `ports` on the host they named.
/// Connections count towards the limits of the site: an address gains none by using this port.
pub(in crate::server) fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    ports: &[u16],
    crowd: Arc<Crowd>,
) -> Result<ServerBuilder, ServerError> {
    let (port, head) = (encrypted_port(ports), crowd.limits().head);
    let enter = move |stream: &TcpStream| {
        // Shutdown does not wait for these connections.
        crowd.enter(stream.peer_addr().ok()).map(|place| (place, crowd.note_under_way(0)))
    };
    oneshot::listen(builder, listener, head, enter, move |request: &Request| http::to_https(request, port))
}

/// Returns the port to redirect to: 443 if the site listens there or nowhere, otherwise the first.
fn encrypted_port(ports: &[u16]) -> u16 {
    const USUAL: u16 = 443;
    ports.first().filter(|_| !ports.contains(&USUAL)).copied().unwrap_or(USUAL)
}

#[cfg(test)]
mod tests;

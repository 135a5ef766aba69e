//! The plain-text listener beside an encrypted one: it sends everybody there.

use std::net::TcpListener;
use std::sync::Arc;

use actix_http::Request;
use actix_server::ServerBuilder;
use actix_web::rt::net::TcpStream;

use super::oneshot;
use crate::http::{self, Crowd};
use crate::server::ServerError;

/// Adds the listener to a server; clients are sent to one of `ports` of the host that they asked for. Connections count among all, so that no
/// address has more by going to another port.
pub(in crate::server) fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    ports: &[u16],
    crowd: Arc<Crowd>,
) -> Result<ServerBuilder, ServerError> {
    let (port, head) = (encrypted_port(ports), crowd.limits().head);
    let enter = move |stream: &TcpStream| {
        // Nobody waits for it at the end.
        crowd.enter(stream.peer_addr().ok()).map(|place| (place, crowd.note_under_way(0)))
    };
    oneshot::listen(builder, listener, head, enter, move |request: &Request| http::to_https(request, port))
}

/// The port to which clients are sent that ask in plain text: the usual one, if it is among those at which they are answered, or else the first.
fn encrypted_port(ports: &[u16]) -> u16 {
    const USUAL: u16 = 443;
    ports.first().filter(|_| !ports.contains(&USUAL)).copied().unwrap_or(USUAL)
}

#[cfg(test)]
mod tests;

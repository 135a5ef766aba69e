//! The plain-text listener beside an encrypted one: it sends everybody there.

use std::convert::Infallible;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request};
use actix_server::ServerBuilder;
use actix_service::{Service as _, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::net::TcpStream;

use super::ServerError;
use crate::http::{self, Crowd};

/// Adds the listener to a server; clients are sent to one of `ports` of the host that they asked for.
pub(super) fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    ports: &[u16],
    crowd: Arc<Crowd>,
) -> Result<ServerBuilder, ServerError> {
    let port = encrypted_port(ports);
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

/// Lets `http` answer those connections for which there is a place; the others are closed. They count among all, so that no address has more
/// by going to another port.
fn counted<F>(
    crowd: Arc<Crowd>,
    http: F,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    F: ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + 'static,
    F::Service: 'static,
{
    let http = Rc::new(http);
    fn_factory(move || {
        let (http, crowd) = (Rc::clone(&http), Arc::clone(&crowd));
        async move {
            let http = Rc::new(http.new_service(()).await?);
            Ok(fn_service(move |stream: TcpStream| {
                let (http, place) = (Rc::clone(&http), crowd.enter(stream.peer_addr().ok()));
                async move {
                    match place {
                        Some(_place) => http.call(stream).await,
                        None => Ok(()),
                    }
                }
            }))
        }
    })
}

/// The port to which clients are sent that ask in plain text: the usual one, if it is among those at which they are answered, or else the first.
fn encrypted_port(ports: &[u16]) -> u16 {
    const USUAL: u16 = 443;
    ports.first().filter(|_| !ports.contains(&USUAL)).copied().unwrap_or(USUAL)
}

#[cfg(test)]
mod tests;

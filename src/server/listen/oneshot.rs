//! Listeners whose connections carry one request and one short response, then close. They serve the
//! redirect to HTTPS and `--admin-bind`. Connections of the site live in `accept`.

use std::convert::Infallible;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{Service as _, ServiceFactory as _, fn_factory, fn_service};
use actix_web::body::BoxBody;
use actix_web::rt::net::TcpStream;

use crate::server::ServerError;

/// How long the client may take to receive the response.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last. actix-http (3.20) has no timer for a body that it does not read.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Adds the listener to a server. `head` limits how long a request head may take. A connection is
/// closed if `enter` returns `None`.
pub(in crate::server) fn listen<P: 'static>(
    builder: ServerBuilder,
    listener: TcpListener,
    head: Duration,
    enter: impl Fn(&TcpStream) -> Option<P> + Clone + Send + 'static,
    answer: impl Fn(&Request) -> Response<BoxBody> + Clone + Send + 'static,
) -> Result<ServerBuilder, ServerError> {
    let worker = move || {
        let (enter, answer) = (enter.clone(), answer.clone());
        let http = HttpService::build()
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(head)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .finish(fn_service(move |request: Request| {
                std::future::ready(Ok::<_, Infallible>(answer(&request)))
            }))
            .tcp();
        let http = Rc::new(http);
        fn_factory(move || {
            let (http, enter) = (Rc::clone(&http), enter.clone());
            async move {
                let http = Rc::new(http.new_service(()).await?);
                Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                    let (http, place) = (Rc::clone(&http), enter(&stream));
                    async move {
                        let Some(_place) = place else { return Ok(()) };
                        tokio::time::timeout(CONNECTION_TIMEOUT, http.call(stream)).await.unwrap_or(Ok(()))
                    }
                }))
            }
        })
    };
    builder.listen("beside", listener, worker).map_err(ServerError::Io)
}

//! What becomes of a connection: it is answered on the spot as long as that can be done, and then given to actix.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory as _, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use tokio::io::AsyncWrite as _;

use super::ServerError;
use crate::http::{self, Opening, SiteService, TurnStream};

/// How long an answer that came before the end of the request's body is given to reach the client.
const LINGER: Duration = Duration::from_secs(30);

/// How long running answers are given after a signal to stop.
const DRAIN_SECONDS: u64 = 30;

/// What actix takes for a connection.
type Handed = (TurnStream<TcpStream>, Protocol, Option<SocketAddr>);

/// The connections of one worker; `A` is actix.
struct Connections<A> {
    site: SiteService,
    stopping: GracefulShutdownSignal,
    actix: Rc<A>,
}

/// Serves `site` on all listeners until a signal to stop.
pub(super) fn serve(site: &SiteService, listeners: Vec<TcpListener>) -> Result<Server, ServerError> {
    let mut builder = Server::build().shutdown_timeout(DRAIN_SECONDS);
    let stopping = builder.graceful_shutdown_signal();
    for listener in listeners {
        let (site, stopping) = (site.clone(), stopping.clone());
        let worker = move || {
            let (site, stopping) = (site.clone(), stopping.clone());
            fn_factory(move || {
                let (site, stopping) = (site.clone(), stopping.clone());
                async move {
                    let actix = Rc::new(actix(site.clone(), stopping.clone()).new_service(()).await?);
                    Ok::<_, ()>(Connections { site, stopping, actix })
                }
            })
        };
        builder = builder.listen("ifmatch", listener, worker).map_err(ServerError::Io)?;
    }
    Ok(builder.run())
}

/// Answers what cannot be answered on the connection itself.
fn actix(
    site: SiteService,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<Handed, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let app = App::new().default_service(site.clone());
    HttpService::build()
        // The stream sees to both: actix does not know of what is answered there.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .on_connect_ext(http::remember_turn::<TcpStream>)
        .expect(fn_service(move |request| site.clone().expect(request)))
        .finish(map_config(app.into_factory(), |_| AppConfig::default()))
}

impl<A> Service<TcpStream> for Connections<A>
where
    A: Service<Handed, Response = (), Error = DispatchError> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DispatchError>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        self.actix.poll_ready(context)
    }

    fn call(&self, stream: TcpStream) -> Self::Future {
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("TCP_NODELAY could not be set: {error}");
        }
        let peer = stream.peer_addr().ok();
        let mut stream = self.site.connect(stream, peer);
        let (stopping, actix) = (self.stopping.clone(), Rc::clone(&self.actix));
        Box::pin(async move {
            match open(&mut stream, &stopping).await? {
                Opening::Over => Ok(poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await?),
                // Boxed, so that a connection that never comes here costs nothing of it.
                Opening::Asked => Box::pin(actix.call((stream, Protocol::Http1, peer))).await,
            }
        })
    }
}

/// Answers what can be answered at once. A signal to stop ends the connection between two requests.
async fn open(stream: &mut TurnStream<TcpStream>, stopping: &GracefulShutdownSignal) -> io::Result<Opening> {
    let mut stopped = pin!(stopping.notified());
    poll_fn(|context| match stream.poll_opening(context) {
        Poll::Pending if !stream.is_sending() => stopped.as_mut().poll(context).map(|()| Ok(Opening::Over)),
        opening => opening,
    })
    .await
}

//! What becomes of a connection: it is answered on the spot as long as that can be done, and then given to actix.

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory as _, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::AsyncWrite;
use tokio_rustls::TlsAcceptor;

use super::bind;
use super::redirect;
use super::transport::Transport;
use crate::http::{self, Opening, SiteService, TurnStream};
use crate::server::ServerError;
use crate::server::http2::{self, Application, Http2Stream, Patience};
use crate::server::life::capacity::Capacity;

/// How long an answer that came before the end of the request's body is given to reach the client.
const LINGER: Duration = Duration::from_secs(30);

/// How long a handshake may go on once the server is to stop.
const HANDSHAKE_ENDS: Duration = Duration::from_secs(1);

/// What actix takes for a connection that speaks HTTP/1.1.
type Handed = (TurnStream<Transport>, Protocol, Option<SocketAddr>);

/// The requests of one connection being answered.
type Served = Pin<Box<dyn Future<Output = Result<(), DispatchError>>>>;

/// Where clients connect.
pub(in crate::server) struct Listeners {
    /// Here they are answered.
    pub(in crate::server) site: bind::Site,
    /// Here they are sent to the others.
    pub(in crate::server) redirect: Vec<TcpListener>,
    /// Here the server tells of itself.
    pub(in crate::server) admin: Vec<TcpListener>,
    /// What encrypts the connections of the former, but for those of programs of the same machine.
    pub(in crate::server) tls: Option<TlsAcceptor>,
}

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    site: SiteService,
    stopping: GracefulShutdownSignal,
    tls: Option<TlsAcceptor>,
}

/// The connections of one worker; `A` is actix, for HTTP/1.1.
struct Connections<A> {
    shared: Shared,
    http1: Rc<A>,
    http2: Application,
}

/// Serves `site` on all listeners until it is told to stop.
pub(in crate::server) fn serve(
    site: SiteService,
    listeners: Listeners,
    room: Capacity,
) -> Result<Server, ServerError> {
    let crowd = site.crowd();
    let limits = crowd.limits();
    let mut builder =
        room.give(Server::build()).shutdown_timeout(limits.shutdown.as_secs()).disable_signals();
    let shared = Shared { site, stopping: builder.graceful_shutdown_signal(), tls: listeners.tls };
    let ports = listeners.site.tcp.iter().map(|listener| Ok(listener.local_addr()?.port()));
    let ports = ports.collect::<io::Result<Vec<_>>>().map_err(ServerError::Io)?;
    for listener in listeners.redirect {
        builder = redirect::listen(builder, listener, &ports, Arc::clone(&crowd))?;
    }
    for listener in listeners.site.tcp {
        let shared = shared.clone();
        let worker = move || {
            let shared = shared.clone();
            fn_factory(move || connections(shared.clone()))
        };
        builder = builder.listen("ifmatch", listener, worker).map_err(ServerError::Io)?;
    }
    for listener in listeners.site.unix {
        let shared = shared.clone();
        let worker = move || {
            let shared = shared.clone();
            fn_factory(move || connections(shared.clone()))
        };
        builder = builder.listen_uds("ifmatch", listener, worker).map_err(ServerError::Io)?;
    }
    Ok(builder.run())
}

/// What one worker needs.
async fn connections(
    shared: Shared,
) -> Result<Connections<impl Service<Handed, Response = (), Error = DispatchError> + 'static>, ()> {
    let http1 = Rc::new(http1(shared.clone()).new_service(()).await?);
    let http2 = http2(shared.clone()).await?;
    Ok(Connections { shared, http1, http2 })
}

/// Answers what cannot be answered on the connection itself.
fn http1(
    shared: Shared,
) -> impl ServiceFactory<Handed, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let app = App::new().default_service(shared.site.clone());
    HttpService::build()
        // The stream sees to both: actix does not know of what is answered there.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .on_connect_ext(http::remember_turn::<Transport>)
        .expect(fn_service(move |request| shared.site.clone().expect(request)))
        .finish(map_config(app.into_factory(), |_| AppConfig::default()))
}

/// Answers those who speak HTTP/2.
async fn http2(shared: Shared) -> Result<Application, ()> {
    let app = App::new().default_service(shared.site);
    let app = map_config(app.into_factory(), |_| AppConfig::default()).new_service(()).await?;
    Ok(Rc::new(move |request| {
        let answering = app.call(request);
        Box::pin(async move {
            match answering.await {
                Ok(response) => response.into(),
                Err(error) => error.into(),
            }
        })
    }))
}

impl<A> Service<TcpStream> for Connections<A>
where
    A: Service<Handed, Response = (), Error = DispatchError> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Future = Served;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        self.http1.poll_ready(context)
    }

    fn call(&self, stream: TcpStream) -> Served {
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("TCP_NODELAY could not be set: {error}");
        }
        let peer = stream.peer_addr().ok();
        let Some(place) = self.shared.site.crowd().enter(peer) else {
            if self.shared.tls.is_none() {
                // What cannot be written at once is not worth waiting for.
                let _ = stream.into_std().and_then(|mut stream| stream.write(&http::too_many_connections()));
            }
            return Box::pin(std::future::ready(Ok(())));
        };
        let shared = self.shared.clone();
        self.answer(peer, place, async move {
            match &shared.tls {
                None => Ok(Transport::Plain(stream)),
                Some(tls) => {
                    let stopped = async {
                        shared.stopping.notified().await;
                        tokio::time::sleep(HANDSHAKE_ENDS).await;
                    };
                    Box::pin(encrypt(tls, stream, shared.site.crowd().limits().handshake, stopped)).await
                }
            }
        })
    }
}

impl<A> Service<UnixStream> for Connections<A>
where
    A: Service<Handed, Response = (), Error = DispatchError> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Future = Served;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        self.http1.poll_ready(context)
    }

    fn call(&self, stream: UnixStream) -> Served {
        // Counted; without an address nothing refuses it.
        let place = self.shared.site.crowd().enter(None);
        self.answer(None, place, std::future::ready(Ok(Transport::Local(stream))))
    }
}

impl<A> Connections<A>
where
    A: Service<Handed, Response = (), Error = DispatchError> + 'static,
{
    /// Answers the requests of one connection, once it is ready for them. It counts as one as long as it has its place.
    fn answer(
        &self,
        peer: Option<SocketAddr>,
        place: impl Sized + 'static,
        connection: impl Future<Output = io::Result<Transport>> + 'static,
    ) -> Served {
        let shared = self.shared.clone();
        let (http1, application) = (Rc::clone(&self.http1), Rc::clone(&self.http2));
        // The larger ones are boxed, so that a connection that does not come so far costs nothing of them.
        Box::pin(async move {
            let _place = place;
            let stream = connection.await?;
            if stream.speaks_http2() {
                let (stopping, crowd) = (shared.stopping, shared.site.crowd());
                let limits = crowd.limits().clone();
                let of_all = Arc::clone(&crowd);
                let patience = Patience {
                    idle: Box::new(move || crowd.idle_limit()),
                    limits,
                    note: Box::new(move |answers| Some(of_all.note_under_way(answers))),
                };
                let (drained, told) = (stopping.clone(), stopping);
                let stream = Http2Stream::new(stream, async move { drained.notified().await }, patience);
                let told = async move { told.notified().await };
                return Box::pin(http2::serve(stream, application, peer, told)).await;
            }
            let stopping = shared.stopping;
            let stream = shared.site.connect(stream, peer);
            let mut stream = stream.until(async move { stopping.notified().await });
            match poll_fn(|context| stream.poll_opening(context)).await? {
                Opening::Over => Ok(poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await?),
                Opening::Asked => Box::pin(http1.call((stream, Protocol::Http1, peer))).await,
            }
        })
    }
}

/// Encrypts a connection, unless the server has `stopped` before that. Who speaks plain HTTP is told so.
async fn encrypt(
    tls: &TlsAcceptor,
    mut stream: TcpStream,
    limit: Duration,
    stopped: impl Future<Output = ()>,
) -> io::Result<Transport> {
    let mut stopped = pin!(stopped);
    let mut handshake = pin!(async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if !first[0].is_ascii_uppercase() {
            return Ok(Transport::Tls(Box::new(tls.accept(stream).await?)));
        }
        let hint = http::not_encrypted();
        let mut hint = hint.as_slice();
        while !hint.is_empty() {
            let written = poll_fn(|context| Pin::new(&mut stream).poll_write(context, hint)).await?;
            hint = &hint[written..];
        }
        Err(io::Error::other("plain HTTP where HTTPS is spoken"))
    });
    let handshake = poll_fn(|context| match handshake.as_mut().poll(context) {
        Poll::Pending => stopped.as_mut().poll(context).map(|()| Err(io::Error::other("the server stops"))),
        done => done,
    });
    let refused = match tokio::time::timeout(limit, handshake).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    log::debug!("no TLS connection: {refused}");
    Err(refused)
}

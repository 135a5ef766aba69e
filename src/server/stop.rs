//! The end, on a signal: with SIGTERM or SIGINT what has begun is brought to its end, and nothing else is; a second one, or
//! SIGQUIT, ends that as well. An upload that is cut off has never been.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_server::{Server, ServerHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::manager;

/// The signals to stop, which do not end the process from now on.
pub(super) struct Signals {
    gentle: [Signal; 2],
    rude: Signal,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// To answer what has begun.
    Finish,
    /// Not even that.
    Leave,
}

/// What came first.
enum Event {
    Ended(io::Result<()>),
    Wished(Wish),
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let gentle = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { gentle, rude: signal(SignalKind::quit())? })
    }
}

/// Runs `server` until it has ended, by itself or on a signal, with which `other` ends, too. It cuts off what takes longer than `limit` then.
pub(super) async fn run(
    server: Server,
    other: Option<ServerHandle>,
    limit: Duration,
    mut signals: Signals,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = pin!(server);
    // The first time it is asked, it starts its workers.
    if let Poll::Ready(ended) = poll_fn(|context| Poll::Ready(server.as_mut().poll(context))).await {
        return ended;
    }
    manager::ready();
    let mut stopping: Option<(Instant, _)> = None;
    loop {
        let event = poll_fn(|context| {
            if let Poll::Ready(ended) = server.as_mut().poll(context) {
                return Poll::Ready(Event::Ended(ended));
            }
            if signals.rude.poll_recv(context).is_ready() {
                return Poll::Ready(Event::Wished(Wish::Leave));
            }
            let asked = signals.gentle.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if asked { Poll::Ready(Event::Wished(Wish::Finish)) } else { Poll::Pending }
        });
        match event.await {
            Event::Ended(ended) => {
                if stopping.as_ref().is_some_and(|(since, _)| since.elapsed() >= limit) {
                    log::warn!("what took longer than --shutdown-timeout ({limit:?}) was cut off");
                }
                return ended;
            }
            Event::Wished(Wish::Finish) if stopping.is_none() => {
                manager::stopping();
                log::info!("a signal to stop: what has begun is brought to its end");
                // They are told at once; that all have heard it is not waited for here.
                let told = (handle.stop(true), other.as_ref().map(|other| other.stop(true)));
                stopping = Some((Instant::now(), told));
            }
            Event::Wished(_) => {
                log::warn!("a signal to stop at once: what is being sent is cut off");
                return Ok(());
            }
        }
    }
}

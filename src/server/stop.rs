//! The end, on a signal: with SIGTERM or SIGINT what has begun is brought to its end, and nothing else is; a second one, or
//! SIGQUIT, ends that as well. An upload that is cut off has never been.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Sleep;

use super::manager;
use crate::http::Crowd;

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
    /// There is hardly any time left.
    Late,
}

/// So long before the limit it is looked who will be cut off.
const BEFORE: Duration = Duration::from_millis(50);

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let gentle = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { gentle, rude: signal(SignalKind::quit())? })
    }
}

/// Runs `server` until it has ended, by itself or on a signal, with which `other` ends, too. What takes longer than the limit then
/// is cut off.
pub(super) async fn run(
    server: Server,
    other: Option<ServerHandle>,
    crowd: &Crowd,
    mut signals: Signals,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = pin!(server);
    // The first time it is asked, it starts its workers.
    if let Poll::Ready(ended) = poll_fn(|context| Poll::Ready(server.as_mut().poll(context))).await {
        return ended;
    }
    manager::ready();
    let (mut stopping, mut late) = (None, None::<Pin<Box<Sleep>>>);
    let limit = crowd.limits().shutdown;
    loop {
        let event = poll_fn(|context| {
            if let Poll::Ready(ended) = server.as_mut().poll(context) {
                return Poll::Ready(Event::Ended(ended));
            }
            if signals.rude.poll_recv(context).is_ready() {
                return Poll::Ready(Event::Wished(Wish::Leave));
            }
            if late.as_mut().is_some_and(|late| late.as_mut().poll(context).is_ready()) {
                return Poll::Ready(Event::Late);
            }
            let asked = signals.gentle.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if asked { Poll::Ready(Event::Wished(Wish::Finish)) } else { Poll::Pending }
        });
        match event.await {
            Event::Ended(ended) => return ended,
            Event::Late => {
                late = None;
                if crowd.count() > 0 {
                    log::warn!(
                        "--shutdown-timeout ({limit:?}) is over: connections are cut off, {} of them",
                        crowd.count()
                    );
                }
            }
            Event::Wished(Wish::Finish) if stopping.is_none() => {
                manager::stopping();
                log::info!("a signal to stop: what has begun is brought to its end");
                // They are told at once; that all have heard it is not waited for here.
                stopping = Some((handle.stop(true), other.as_ref().map(|other| other.stop(true))));
                late = Some(Box::pin(tokio::time::sleep(limit.saturating_sub(BEFORE))));
            }
            Event::Wished(_) => {
                log::warn!("a signal to stop at once: what is being sent is cut off");
                return Ok(());
            }
        }
    }
}

//! Stopping on a signal. SIGTERM and SIGINT stop accepting connections and let answers and uploads
//! under way finish, for at most `--shutdown-timeout`. A second signal, or SIGQUIT, cuts them off.
//! An upload that is cut off changes no file. What systemd is told lives in `sd_notify`.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Sleep;

use super::sd_notify;
use crate::http::Crowd;
use crate::words::counted;

/// The signals that stop the server. While this value exists they do not end the process.
pub(in crate::server) struct Signals {
    /// `kill`, and service managers.
    terminate: Signal,
    /// Ctrl-C.
    interrupt: Signal,
    quit: Signal,
}

/// How a signal asks the server to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Finish answers and uploads under way. The text says how to stop at once instead.
    Finish(&'static str),
    /// Stop at once.
    Leave,
}

/// What the server waits for while it runs.
enum Event {
    Ended(io::Result<()>),
    Wished(Wish),
    /// Every idle connection has been told that the server stops.
    Known,
    /// The shutdown deadline is near.
    Late,
}

/// The timers that start with the first signal.
struct Ending {
    again: &'static str,
    known: Option<Pin<Box<Sleep>>>,
    late: Option<Pin<Box<Sleep>>>,
}

/// Idle connections learn of the first signal within this time. The others are in the middle of an
/// answer.
const IDLE_TOLD_AFTER: Duration = Duration::from_millis(250);

/// Logs the connections that are still open this long before the shutdown deadline.
const WARN_BEFORE_DEADLINE: Duration = Duration::from_millis(50);

impl Signals {
    pub(in crate::server) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Wish> {
        if self.quit.poll_recv(context).is_ready() {
            return Poll::Ready(Wish::Leave);
        }
        if self.interrupt.poll_recv(context).is_ready() {
            return Poll::Ready(Wish::Finish("press Ctrl-C again"));
        }
        self.terminate.poll_recv(context).map(|_| Wish::Finish("send a second signal"))
    }
}

impl Ending {
    fn new(again: &'static str, limit: Duration) -> Self {
        let after = |time| Some(Box::pin(tokio::time::sleep(time)));
        Self { again, known: after(IDLE_TOLD_AFTER), late: after(limit.saturating_sub(WARN_BEFORE_DEADLINE)) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let mut is_over = |timer: &mut Option<Pin<Box<Sleep>>>| {
            let is_over = timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready());
            if is_over {
                *timer = None;
            }
            is_over
        };
        if is_over(&mut self.known) {
            return Poll::Ready(Event::Known);
        }
        if is_over(&mut self.late) { Poll::Ready(Event::Late) } else { Poll::Pending }
    }

    /// Logs how many answers the server still waits for, if any.
    fn tell(&self, crowd: &Crowd) {
        let (under_way, again) = (crowd.under_way() as u64, self.again);
        if under_way > 0 {
            let them = if under_way == 1 { "it" } else { "them" };
            log::warn!("waiting for {}; {again} to end {them}", counted(under_way, "answer"));
        }
    }
}

/// Runs `server` until it ends by itself or on a signal. A signal stops `other` as well. Answers
/// that take longer than the shutdown limit are cut off.
pub(in crate::server) async fn run(
    server: Server,
    other: Option<ServerHandle>,
    crowd: &Crowd,
    mut signals: Signals,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = pin!(server);
    // The first poll starts the workers.
    if let Poll::Ready(ended) = poll_fn(|context| Poll::Ready(server.as_mut().poll(context))).await {
        return ended;
    }
    sd_notify::ready();
    let (mut ending, mut told) = (None::<Ending>, None);
    let limit = crowd.limits().shutdown;
    loop {
        let event = poll_fn(|context| {
            if let Poll::Ready(ended) = server.as_mut().poll(context) {
                return Poll::Ready(Event::Ended(ended));
            }
            if let Poll::Ready(wish) = signals.poll(context) {
                return Poll::Ready(Event::Wished(wish));
            }
            ending.as_mut().map_or(Poll::Pending, |ending| ending.poll(context))
        });
        match (event.await, &ending) {
            (Event::Ended(ended), _) => return ended,
            (Event::Known, Some(ending)) => ending.tell(crowd),
            (Event::Late, _) if crowd.count() > 0 => log::warn!(
                "--shutdown-timeout ({limit:?}) is over: {} cut off",
                cut_off(crowd.count() as u64)
            ),
            (Event::Known | Event::Late, _) => {}
            (Event::Wished(Wish::Finish(again)), None) => {
                sd_notify::stopping();
                log::info!(
                    "stopping: nobody can connect any more; answers and uploads under way are finished"
                );
                // Both calls send the request at once; the futures only wait for the end.
                told = Some((handle.stop(true), other.as_ref().map(|other| other.stop(true))));
                ending = Some(Ending::new(again, limit));
            }
            (Event::Wished(_), _) => {
                log::warn!("stopping at once: answers and uploads under way are cut off");
                drop(told);
                return Ok(());
            }
        }
    }
}

/// Returns `1 connection is` or `2 connections are`.
fn cut_off(count: u64) -> String {
    format!("{} {}", counted(count, "connection"), if count == 1 { "is" } else { "are" })
}

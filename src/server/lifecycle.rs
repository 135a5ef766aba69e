//! The beginning and the end, as others see them: signals to stop, and what the manager of services is told
//! (sd_notify(3); not over vsock).

use std::future::poll_fn;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::task::Poll;
use std::time::Duration;

use actix_server::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the server. From the moment this is made on, none of them ends the process by itself.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

/// What becomes of answers that are being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Finished,
    Cut,
}

impl Stop {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Stops `server` when one of them comes, or has come.
    pub(super) async fn then_stop(mut self, server: ServerHandle) {
        let running = poll_fn(|context| {
            let at_once = [&mut self.interrupt, &mut self.quit];
            match at_once.into_iter().any(|signal| signal.poll_recv(context).is_ready()) {
                true => Poll::Ready(Running::Cut),
                false => self.terminate.poll_recv(context).map(|_| Running::Finished),
            }
        })
        .await;
        tell("STOPPING=1\n");
        server.stop(running == Running::Finished).await;
    }
}

/// Says that requests are answered from now on, and again and again that the server is alive if that is wanted.
pub(super) fn ready() {
    tell("READY=1\n");
    if let Some(limit) = watchdog(|name| std::env::var(name).ok()) {
        actix_web::rt::spawn(stay_alive(limit / 2));
    }
}

async fn stay_alive(interval: Duration) {
    loop {
        tell("WATCHDOG=1\n");
        tokio::time::sleep(interval).await;
    }
}

/// After how long without a word this process is given up, if it is.
fn watchdog(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let whose = variable("WATCHDOG_PID");
    if whose.is_some_and(|whose| whose != std::process::id().to_string()) {
        return None;
    }
    variable("WATCHDOG_USEC")?.parse().ok().filter(|limit| *limit > 0).map(Duration::from_micros)
}

/// Tells the manager of services, if there is one.
fn tell(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    };
    let told =
        address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address));
    if let Err(error) = told {
        log::warn!("the manager of services could not be told {}: {error}", message.trim_end());
    }
}

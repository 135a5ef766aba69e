//! Tells the service manager when the server is ready, alive and stopping, as sd_notify(3) says.
//! Sockets of the vsock family are not supported.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Reports that requests are answered from now on, and starts the watchdog messages if the manager
/// expects them.
pub(in crate::server) fn ready() {
    tell("READY=1\n");
    if let Some(limit) = watchdog(|name| std::env::var(name).ok()) {
        actix_web::rt::spawn(stay_alive(limit / 2));
    }
}

/// Reports that the server stops.
pub(in crate::server) fn stopping() {
    tell("STOPPING=1\n");
}

async fn stay_alive(interval: Duration) {
    loop {
        tell("WATCHDOG=1\n");
        tokio::time::sleep(interval).await;
    }
}

/// Returns how long the manager waits for a watchdog message before it gives the process up, if it
/// waits for any.
fn watchdog(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let whose = variable("WATCHDOG_PID");
    if whose.is_some_and(|whose| whose != std::process::id().to_string()) {
        return None;
    }
    variable("WATCHDOG_USEC")?.parse().ok().filter(|limit| *limit > 0).map(Duration::from_micros)
}

/// Sends a message to the service manager, if there is one.
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

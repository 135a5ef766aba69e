//! Listeners that were handed over at start, as systemd does for a socket unit (`LISTEN_FDS`).

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::OnceLock;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

/// The listeners that were handed over; they stay open as long as the process is there.
#[derive(Debug, Default)]
pub struct Given {
    /// At addresses.
    pub tcp: Vec<TcpListener>,
    /// At paths.
    pub unix: Vec<UnixListener>,
}

impl Given {
    /// Whether there is none: the server makes its own.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_empty()
    }
}

/// What this process was given. It is taken from the environment once, before there are threads.
///
/// # Errors
/// A sentence, if something else than listening stream sockets was given.
pub fn given() -> Result<&'static Given, &'static str> {
    static GIVEN: OnceLock<Result<Given, String>> = OnceLock::new();
    GIVEN.get_or_init(take).as_ref().map_err(String::as_str)
}

fn take() -> Result<Given, String> {
    let (mut handed, mut given) = (ListenFd::from_env(), Given::default());
    for index in 0..handed.len() {
        if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
            listens(&listener, index)?;
            given.tcp.push(listener);
        } else if let Ok(Some(listener)) = handed.take_unix_listener(index) {
            listens(&listener, index)?;
            given.unix.push(listener);
        } else {
            return Err(unfit(index));
        }
    }
    Ok(given)
}

fn listens(socket: impl AsFd, index: usize) -> Result<(), String> {
    match socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        _ => Err(unfit(index)),
    }
}

fn unfit(index: usize) -> String {
    format!(
        "descriptor {} of LISTEN_FDS is no listening TCP or unix stream socket; ListenStream= and Accept=no make one",
        index + 3
    )
}

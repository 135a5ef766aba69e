//! Making the listeners, or taking those that were handed over.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use super::ServerError;
use crate::config::activation::given;
use crate::config::{Config, Origin};
use crate::root::SocketName;

/// How many connections may wait to be accepted; the kernel allows at most net.core.somaxconn. With the 128 that the
/// standard library asks for, a burst of clients waits for a second and more until they try again.
const BACKLOG: i32 = 4096;

/// Where the site is served.
pub(super) struct Site {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Vec<UnixListener>,
    /// What goes at the end.
    pub(super) names: Vec<SocketName>,
}

/// Listens where the configuration says.
pub(super) fn site(config: &Config) -> Result<Site, ServerError> {
    if config.listening.origin == Origin::Given {
        let given = given().map_err(|why| ServerError::Io(std::io::Error::other(why)))?;
        let tcp = given.tcp.iter().map(TcpListener::try_clone).collect::<Result<_, _>>();
        let unix = given.unix.iter().map(UnixListener::try_clone).collect::<Result<_, _>>();
        return Ok(Site {
            tcp: tcp.map_err(ServerError::Io)?,
            unix: unix.map_err(ServerError::Io)?,
            names: Vec::new(),
        });
    }
    let mut site = Site { tcp: addresses(&config.addresses, "--port")?, unix: Vec::new(), names: Vec::new() };
    for path in &config.listening.sockets {
        let (listener, name) = SocketName::bind(path, config.listening.mode).map_err(ServerError::Socket)?;
        let_many_wait(&listener)?;
        site.unix.push(listener);
        site.names.push(name);
    }
    Ok(site)
}

/// One listener an address that comes from `flag`; with port 0, all take the port the first one got.
pub(super) fn addresses(
    addresses: &[SocketAddr],
    flag: &'static str,
) -> Result<Vec<TcpListener>, ServerError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if let (0, Some(first)) = (address.port(), listeners.first()) {
            address.set_port(first.local_addr().map_err(ServerError::Io)?.port());
        }
        let listener =
            TcpListener::bind(address).map_err(|error| ServerError::Listen(address, flag, error))?;
        let_many_wait(&listener)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn let_many_wait(listener: impl AsFd) -> Result<(), ServerError> {
    rustix::net::listen(listener, BACKLOG).map_err(|error| ServerError::Io(error.into()))
}

//! Opens the listening sockets, or takes over those that systemd passed in. What happens to
//! accepted connections
//! lives in `accept`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use crate::config::activation::given;
use crate::config::{Config, Origin};
use crate::root::SocketName;
use crate::server::{ADMIN, PORT, REDIRECT, ServerError};

/// How many connections may wait to be accepted; the kernel allows at most net.core.somaxconn. With
/// the 128 that the standard library asks for, a burst of clients waits for a second and more until they try again.
const BACKLOG: i32 = 4096;

/// The listening sockets of the site.
pub(in crate::server) struct Site {
    pub(in crate::server) tcp: Vec<TcpListener>,
    pub(in crate::server) unix: Vec<UnixListener>,
    /// The names of the unix sockets, which are removed when the server ends.
    pub(in crate::server) names: Vec<SocketName>,
}

/// Opens the listening sockets of the site.
pub(in crate::server) fn site(config: &Config) -> Result<Site, ServerError> {
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
    let mut site = Site { tcp: addresses(&config.addresses, PORT)?, unix: Vec::new(), names: Vec::new() };
    for path in &config.listening.sockets {
        let (listener, name) = SocketName::bind(path, config.listening.mode).map_err(ServerError::Socket)?;
        let_many_wait(&listener)?;
        site.unix.push(listener);
        site.names.push(name);
    }
    Ok(site)
}

/// Checks that the addresses belong to this machine, that none is given twice, and that the unix
/// sockets could be created.
pub(in crate::server) fn check(config: &Config) -> Result<(), ServerError> {
    if config.listening.origin == Origin::Own {
        config
            .listening
            .sockets
            .iter()
            .try_for_each(|path| SocketName::check(path))
            .map_err(ServerError::Socket)?;
    }
    let site = match config.listening.origin {
        Origin::Own => &config.addresses[..],
        Origin::Given => &[],
    };
    let site = site.iter().map(|address| (address, PORT));
    let beside = config.redirects.iter().map(|address| (address, REDIRECT));
    let all = site.chain(beside).chain(config.admin.iter().map(|address| (address, ADMIN)));
    // Binds a free port in place of each one, because the server may be running already.
    let mut stand_ins: Vec<(u16, TcpListener)> = Vec::new();
    for (address, flag) in all {
        let same = stand_ins.iter().find(|(port, _)| *port == address.port() && *port != 0);
        let port = same.map_or(Ok(0), |(_, listener)| Ok(listener.local_addr()?.port()));
        let listener = port.and_then(|port| TcpListener::bind((address.ip(), port)));
        match listener {
            Ok(listener) => stand_ins.push((address.port(), listener)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(ServerError::Twice(*address, flag));
            }
            Err(error) => return Err(ServerError::Listen(*address, flag, error)),
        }
    }
    Ok(())
}

/// One listener an address that comes from `flag`; with port 0, all take the port the first one
/// got.
pub(in crate::server) fn addresses(
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

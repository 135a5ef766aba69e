//! `ifmatch health`: what is to be asked, by the same variables and the same file as the server's.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;

use super::resolve::{resolve, sentence};
use super::{Refused, ServeArgs, UsageError, port_from_environment};
use crate::config::{Endpoint, HealthTarget};

/// Where health is told beside the files, and at an address of its own.
const BESIDE: &str = "/__ifmatch__/health";
const ALONE: &str = "/health";

const FORM: &str = "a URL here is http://ADDRESS:PORT/ or https://ADDRESS:PORT/, with an address in numbers or localhost, \
                    or unix:/PATH";

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The server, by its address [default: the one that a server with this environment listens at]
    url: Option<String>,
}

impl HealthArgs {
    /// Resolves what is to be asked.
    pub(super) fn lower(self) -> Result<HealthTarget, Refused> {
        match self.url {
            None => Ok(own(resolve(&[OsString::from("ifmatch")]).map_err(unknown)?.serve)?),
            Some(url) => Ok(named(&url)?),
        }
    }
}

/// Whether it is this command that `arguments` call.
pub(super) fn is_asked(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|command| command == "health")
}

/// Whatever is wrong with arguments or environment: the exit code is 1 then, as for a server that does not answer. 2 is reserved
/// where Docker asks.
pub(super) fn unknown(refused: Refused) -> Refused {
    match refused {
        Refused::CommandLine(error) if error.use_stderr() => Refused::Unwell(UsageError(sentence(&error))),
        Refused::Usage(error) => Refused::Unwell(error),
        other => other,
    }
}

/// Where a server with these options tells of itself. Nothing else of them is looked at: files that the server has read, and goes
/// on without, may be anything by now.
fn own(options: ServeArgs) -> Result<HealthTarget, UsageError> {
    let port = options.port.map_or_else(port_from_environment, Ok)?;
    let (addresses, listening) = options.listen.lower(port)?;
    let is_encrypted = options.tls.lower()?.0.is_some();
    let (endpoint, path) = match (options.admin_bind, addresses.first(), listening.sockets.first()) {
        (Some(address), ..) => (Endpoint::Plain(address), ALONE),
        (None, Some(address), _) if is_encrypted => (Endpoint::Encrypted(*address), BESIDE),
        (None, Some(address), _) => (Endpoint::Plain(*address), BESIDE),
        (None, None, Some(socket)) => (Endpoint::Socket(socket.clone()), BESIDE),
        (None, None, None) => {
            return Err(UsageError("no address is configured; name one as a URL".to_owned()));
        }
    };
    if matches!(&endpoint, Endpoint::Plain(address) | Endpoint::Encrypted(address) if address.port() == 0) {
        return Err(UsageError(
            "the server takes any free port (--port 0); name the one that it got as a URL".to_owned(),
        ));
    }
    Ok(HealthTarget { endpoint: reachable(endpoint), path: path.to_owned() })
}

fn named(url: &str) -> Result<HealthTarget, UsageError> {
    let wrong = || UsageError(format!("{url:?}: {FORM}"));
    if let Some(socket) = url.strip_prefix("unix:") {
        let endpoint = Endpoint::Socket(socket.into());
        return if socket.starts_with('/') {
            Ok(HealthTarget { endpoint, path: BESIDE.to_owned() })
        } else {
            Err(wrong())
        };
    }
    let (rest, port, endpoint): (_, _, fn(SocketAddr) -> Endpoint) =
        match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, 80, Endpoint::Plain),
            (None, Some(rest)) => (rest, 443, Endpoint::Encrypted),
            (None, None) => return Err(wrong()),
        };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    let address = match authority.strip_prefix("localhost") {
        Some(after) => format!("127.0.0.1{after}"),
        None => authority.to_owned(),
    };
    let alone = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let address =
        alone.map(|ip| SocketAddr::new(ip, port)).or_else(|_| address.parse()).map_err(|_| wrong())?;
    let path = if path == "/" { BESIDE } else { path };
    Ok(HealthTarget { endpoint: reachable(endpoint(address)), path: path.to_owned() })
}

/// Who listens at all addresses listens at that of this machine.
fn reachable(endpoint: Endpoint) -> Endpoint {
    let of_machine = |address: SocketAddr| {
        let ip = match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, address.port())
    };
    match endpoint {
        Endpoint::Plain(address) => Endpoint::Plain(of_machine(address)),
        Endpoint::Encrypted(address) => Endpoint::Encrypted(of_machine(address)),
        Endpoint::Socket(path) => Endpoint::Socket(path),
    }
}

#[cfg(test)]
mod tests;

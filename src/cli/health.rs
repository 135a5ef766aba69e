//! `ifmatch health`: what is to be asked, by the same variables and the same file as the server's.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;

use super::resolve::{resolve, sentence};
use super::{Action, Refused, UsageError};
use crate::config::{Config, HealthTarget};

/// Where health is told beside the files, and at an address of its own.
const BESIDE: &str = "/__ifmatch__/health";
const ALONE: &str = "/health";

const FORM: &str = "a URL here is http://ADDRESS:PORT/ with an address in numbers or localhost; \
                    https:// as well, if the environment names the certificate (IFMATCH_TLS_CERT)";

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The server, by its address [default: the one that a server with this environment listens at]
    url: Option<String>,
}

impl HealthArgs {
    /// Resolves what is to be asked.
    pub(super) fn lower(self) -> Result<HealthTarget, Refused> {
        match self.url {
            None => Ok(own(&configuration().map_err(unknown)?)?),
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
        Refused::CommandLine(error) if error.use_stderr() => UsageError(sentence(&error)).into(),
        other => other,
    }
}

/// The configuration of a server with this environment and no flags.
fn configuration() -> Result<Config, Refused> {
    match resolve(&[OsString::from("ifmatch")])?.lower()? {
        Action::Serve(config) => Ok(*config),
        _ => Err(UsageError("the environment says something else than how to serve".to_owned()).into()),
    }
}

fn own(config: &Config) -> Result<HealthTarget, UsageError> {
    let (address, path, certificate) = match (config.admin, config.addresses.first()) {
        (Some(address), _) => (address, ALONE, None),
        (None, Some(address)) => {
            (*address, BESIDE, config.tls.as_ref().map(|files| files.certificate.clone()))
        }
        (None, None) => return Err(UsageError("no address is configured; name one as a URL".to_owned())),
    };
    if address.port() == 0 {
        return Err(UsageError("any free port was asked for; name the one it became as a URL".to_owned()));
    }
    Ok(HealthTarget { address: reachable(address), path: path.to_owned(), certificate })
}

fn named(url: &str) -> Result<HealthTarget, UsageError> {
    let wrong = || UsageError(format!("{url:?}: {FORM}"));
    let (rest, port) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (None, Some(rest)) => (rest, 443),
        (None, None) => return Err(wrong()),
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    let certificate = match port {
        443 => Some(std::env::var_os("IFMATCH_TLS_CERT").ok_or_else(wrong)?.into()),
        _ => None,
    };
    let address = match authority.strip_prefix("localhost") {
        Some(after) => format!("127.0.0.1{after}"),
        None => authority.to_owned(),
    };
    let alone = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let address =
        alone.map(|ip| SocketAddr::new(ip, port)).or_else(|_| address.parse()).map_err(|_| wrong())?;
    let path = if path == "/" { BESIDE } else { path };
    Ok(HealthTarget { address: reachable(address), path: path.to_owned(), certificate })
}

/// Who listens at all addresses listens at that of this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;

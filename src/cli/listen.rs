//! The flags about where the server listens.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::{UsageError, address};
use crate::config::activation::given;
use crate::config::{Listening, Origin, addresses};
use crate::root::shown;

#[derive(Debug, Args)]
#[command(next_help_heading = super::LISTENING)]
pub(super) struct ListenArgs {
    /// The address, 0.0.0.0 for all
    ///
    /// It may be given several times. unix:/PATH is a socket, for programs on this machine.
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1", value_delimiter = ',')]
    #[arg(aliases = ["host", "address"])]
    #[arg(env = "IFMATCH_BIND", value_parser = bind)]
    bind: Vec<Bind>,
    /// The permissions of sockets: whoever may write to one may connect
    #[arg(long, value_name = "MODE", default_value = "660", env = "IFMATCH_SOCKET_MODE", value_parser = mode)]
    #[arg(hide_short_help = true)]
    socket_mode: u32,
}

#[derive(Clone, Debug)]
enum Bind {
    Interface(IpAddr),
    Socket(PathBuf),
}

impl ListenArgs {
    /// The interfaces that are listened at, on which it depends who can reach the server.
    pub(super) fn interfaces(&self) -> Result<Vec<IpAddr>, UsageError> {
        Ok(self.lower(0)?.0.iter().map(SocketAddr::ip).collect())
    }

    /// The addresses with this port, and what else is listened at. What was handed over takes the place of all of it.
    pub(super) fn lower(&self, port: u16) -> Result<(Vec<SocketAddr>, Listening), UsageError> {
        let given = given().map_err(|why| UsageError(why.to_owned()))?;
        if !given.is_empty() {
            let given = given.tcp.iter().filter_map(|listener| listener.local_addr().ok()).collect();
            return Ok((given, Listening { origin: Origin::Given, sockets: Vec::new(), mode: 0 }));
        }
        let (mut interfaces, mut sockets) = (Vec::new(), Vec::new());
        for bind in &self.bind {
            match bind {
                Bind::Interface(address) => interfaces.push(*address),
                Bind::Socket(path) if sockets.contains(path) => {
                    let path = shown(path);
                    return Err(UsageError(format!("--bind unix:{path} is said twice; say it once")));
                }
                Bind::Socket(path) => sockets.push(path.clone()),
            }
        }
        let listening = Listening { origin: Origin::Own, sockets, mode: self.socket_mode };
        Ok((addresses(&interfaces, port), listening))
    }
}

fn bind(text: &str) -> Result<Bind, &'static str> {
    match text.strip_prefix("unix:") {
        None => address(text).map(Bind::Interface),
        Some(path) if path.starts_with('/') && !path.ends_with('/') => Ok(Bind::Socket(path.into())),
        Some(_) => Err("a socket is named by its whole path: unix:/run/ifmatch/socket"),
    }
}

fn mode(text: &str) -> Result<u32, &'static str> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("permissions are three octal digits: 660 for the owner and the group, 666 for everybody"),
    }
}

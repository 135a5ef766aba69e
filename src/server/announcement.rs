//! What the start of the server is announced with: where, what is allowed, and what answers rest on.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};

use super::connections::Listeners;
use crate::access::Right;
use crate::config::Config;
use crate::config::user::is_root;
use crate::http::Site;
use crate::root::lease::LeaseProbe;
use crate::root::{Root, SwapGuard, SymlinkPolicy, shown};
use crate::validator_store::watch::WatchStatus;
use crate::write::{Deletes, Durability, Uploads, WriteOptions};

/// The announcement: where, what, and what answers rest on.
pub(super) fn announce(
    config: &Config,
    site: &Site,
    watch: &WatchStatus,
    listeners: &Listeners,
    sandbox: &str,
) -> io::Result<()> {
    let (mut out, root) = (io::stdout().lock(), site.root());
    writeln!(out, "ifmatch {} serves {}", env!("CARGO_PKG_VERSION"), shown(root.path()))?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    for address in reachable(&listeners.site.tcp)? {
        writeln!(out, "  {scheme}://{address}/")?;
    }
    for listener in &listeners.site.unix {
        match listener.local_addr()?.as_pathname() {
            Some(path) => writeln!(out, "  unix:{}", shown(path))?,
            None => writeln!(out, "  a socket without a path")?,
        }
    }
    for address in reachable(&listeners.redirect)? {
        writeln!(out, "  http://{address}/ leads there")?;
    }
    for address in reachable(&listeners.admin)? {
        writeln!(out, "  http://{address}/ tells health and metrics")?;
    }
    let symlinks = match config.symlinks {
        SymlinkPolicy::Deny => "no symbolic links",
        SymlinkPolicy::Within => "symbolic links within the folder",
        SymlinkPolicy::All => "symbolic links to anywhere",
    };
    writeln!(out, "  allowed: reading{}, {symlinks}", permissions(&config.site.writes))?;
    if let Some(accounts) = accounts(config) {
        writeln!(out, "  accounts: {accounts}")?;
    }
    if config.site.writes.allow_writes() {
        writeln!(out, "  writes: {}", guarantee(config, site.swap_guard()))?;
    }
    if let Some(user) = user(config) {
        writeln!(out, "  user: {user}")?;
    }
    writeln!(out, "  sandbox: {sandbox}")?;
    writeln!(out, "  freshness: {}; watcher {}", freshness(root), watch.state().name())?;
    out.flush()
}

/// Who the process is, where that is worth a word.
fn user(config: &Config) -> Option<String> {
    match &config.process.user {
        Some(user) => Some(user.name().to_owned()),
        None if is_root() && config.site.writes.allow_writes() => {
            Some("root, who may write any file; with --user NAME it is that user once it listens".to_owned())
        }
        None => None,
    }
}

fn permissions(writes: &WriteOptions) -> String {
    let uploads = match writes.uploads {
        Uploads::Refused => "",
        Uploads::CreateOnly => ", creating files",
        Uploads::Allowed => ", creating and replacing files",
    };
    let deletes = if writes.deletes == Deletes::Allowed { ", deleting files" } else { "" };
    format!("{uploads}{deletes}")
}

/// Who may do that, in words; `None` where everybody may.
fn accounts(config: &Config) -> Option<String> {
    let access = &config.site.access;
    if access.gives_everybody(Right::Write) && access.is_empty() {
        return None;
    }
    let everybody = match (access.gives_everybody(Right::Write), access.gives_everybody(Right::Read)) {
        (true, _) => "everybody reads, and writes in places",
        (false, true) => "everybody reads",
        (false, false) => "nobody else reads or writes",
    };
    let exposed = config.addresses.iter().any(|address| !address.ip().to_canonical().is_loopback());
    let plain =
        if exposed && config.tls.is_none() { "; passwords cross the network unencrypted" } else { "" };
    Some(format!("{}; {everybody}{plain}", access.len()))
}

/// What writes rest on, in words.
fn guarantee(config: &Config, guard: Option<SwapGuard>) -> String {
    let guard = match guard {
        Some(SwapGuard::Lease) => "compare-and-swap by exchange and leases",
        Some(SwapGuard::Recheck) => {
            "compare-and-swap by exchange; no leases here, so programs that write in place are noticed by comparing twice"
        }
        Some(SwapGuard::None) => {
            "names cannot be exchanged on this filesystem: the saves of other programs are guarded by best effort only"
        }
        None => "the folder itself cannot be written to by this user",
    };
    let durability = match config.site.writes.durability {
        Durability::Full => "answered when on disk",
        Durability::File => "answered when the bytes are on disk",
        Durability::None => "answered before anything is on disk",
    };
    format!("{guard}; {durability}")
}

/// What the freshness of answers rests on, in words.
fn freshness(root: &Root) -> String {
    let leases = match root.lease_sample() {
        Some(LeaseProbe::Unavailable) => "no read leases here (files count as settled 2 s after a change)",
        Some(_) => "read leases",
        None => "read leases (no file to try yet)",
    };
    match root.own_filesystem() {
        Some(filesystem) => {
            format!("{leases}, {} timestamps on {}", filesystem.timestamps.name(), filesystem.name)
        }
        None => leases.to_owned(),
    }
}

/// The addresses a person could type.
fn reachable(listeners: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
    Ok(addresses.iter().flat_map(typed).collect())
}

/// For "all addresses", those of this machine.
fn typed(address: &SocketAddr) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![*address];
    }
    let fits = |ip: &IpAddr| {
        let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        !link_local && (address.is_ipv6() || ip.is_ipv4())
    };
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let found: Vec<SocketAddr> = interfaces
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(fits)
        .map(|ip| SocketAddr::new(ip, address.port()))
        .collect();
    if found.is_empty() { vec![*address] } else { found }
}

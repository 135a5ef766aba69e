//! The announcement at start: where the server is, who may read and write, and, with `-v`, what answers rest on.

mod rights;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};

use log::LevelFilter;

use crate::config::Config;
use crate::config::user::is_root;
use crate::http::Site;
use crate::root::lease::LeaseProbe;
use crate::root::{CreationGuard, Root, SwapGuard, SymlinkPolicy, shown};
use crate::server::listen::accept::Listeners;
use crate::validator_store::watch::WatchStatus;
use crate::write::Durability;

/// Announces the server on standard output.
pub(in crate::server) fn announce(
    config: &Config,
    site: &Site,
    watch: &WatchStatus,
    listeners: &Listeners,
    sandbox: &str,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "ifmatch {} serves {}", env!("CARGO_PKG_VERSION"), shown(site.root().path()))?;
    addresses(&mut out, config, listeners)?;
    writeln!(out, "  reading: {}", rights::readers(config))?;
    writeln!(out, "  writing: {}", rights::writers(config))?;
    if rights::confine_pages(config) {
        writeln!(
            out,
            "  uploaded pages: browsers save them and do not run them (--trust-uploads changes that)"
        )?;
    }
    if let Some(user) = user(config) {
        writeln!(out, "  user: {user}")?;
    }
    let is_verbose = config.log.level >= LevelFilter::Info;
    for warning in warnings(config, site) {
        writeln!(out, "  warning: {warning}")?;
    }
    if is_verbose || sandbox.starts_with("off") {
        writeln!(out, "  sandbox: {sandbox}")?;
    }
    if is_verbose {
        internals(&mut out, config, site, watch)?;
    }
    out.flush()
}

/// Where the server can be reached, a line for each address.
fn addresses(out: &mut impl Write, config: &Config, listeners: &Listeners) -> io::Result<()> {
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
    Ok(())
}

/// What the person who starts the server should know, because it is less safe than it could be.
fn warnings(config: &Config, site: &Site) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if config.symlinks == SymlinkPolicy::All {
        warnings.push("symbolic links are followed to anywhere on this machine (--follow-symlinks all)");
    }
    let has_accounts = !config.site.access.is_empty();
    if has_accounts && config.tls.is_none() && rights::are_others_let_in(config) {
        warnings.push("passwords cross the network unencrypted; encrypt with --tls-cert and --tls-key");
    }
    if config.site.writes.allow_writes() {
        warnings.extend(match site.writer().guard() {
            Some(SwapGuard::Lease) => None,
            Some(SwapGuard::Recheck) => Some(
                "an upload can overwrite what another program saves in place at the same moment: this filesystem has no leases",
            ),
            Some(SwapGuard::None) => Some(
                "an upload can overwrite what another program saves at the same moment: this filesystem cannot exchange names",
            ),
            None => Some("this user may not write to the folder"),
        });
        if site.writer().creation_guard() == Some(CreationGuard::Look) {
            warnings.push(
                "a new file can overwrite one that another program makes at the same moment: this filesystem gives no name exclusively",
            );
        }
        if config.site.writes.durability == Durability::None {
            warnings
                .push("a power failure can lose or empty files whose upload succeeded (--durability none)");
        }
    }
    warnings
}

/// What answers and writes rest on, for those who know how the server works.
fn internals(out: &mut impl Write, config: &Config, site: &Site, watch: &WatchStatus) -> io::Result<()> {
    let symlinks = match config.symlinks {
        SymlinkPolicy::Deny => "not followed",
        SymlinkPolicy::Within => "followed within the folder",
        SymlinkPolicy::All => "followed to anywhere",
    };
    writeln!(out, "  symbolic links: {symlinks}")?;
    if config.site.writes.allow_writes() {
        writeln!(out, "  writes: {}", guarantee(config, site))?;
    }
    writeln!(out, "  freshness: {}; watcher {}", freshness(site.root()), watch.state().name())
}

/// Who the process is, where that is worth a word.
fn user(config: &Config) -> Option<String> {
    match &config.process.user {
        Some(user) => Some(user.name().to_owned()),
        None if is_root() && config.site.writes.allow_writes() => Some(
            "root, who may write any file; start the server as another user, or give up these rights with --user NAME"
                .to_owned(),
        ),
        None => None,
    }
}

/// What writes rest on.
fn guarantee(config: &Config, site: &Site) -> String {
    let guard = match site.writer().guard() {
        Some(SwapGuard::Lease) => "compare-and-swap by exchange and leases",
        Some(SwapGuard::Recheck) => {
            "compare-and-swap by exchange; there are no leases here, so programs that write in place are noticed by comparing twice"
        }
        Some(SwapGuard::None) => {
            "names cannot be exchanged on this filesystem: the saves of other programs are guarded by best effort only"
        }
        None => "this user may not write to the folder",
    };
    let durability = match config.site.writes.durability {
        Durability::Full => "answered when on disk",
        Durability::File => "answered when the bytes are on disk",
        Durability::None => "answered before anything is on disk",
    };
    let creation = match site.writer().creation_guard() {
        Some(CreationGuard::Look) => {
            "; new files are looked for and then made, so that one which another program makes at that moment is lost"
        }
        Some(CreationGuard::Exact) | None => "",
    };
    format!("{guard}{creation}; {durability}")
}

/// What the freshness of answers rests on.
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

//! Putting the parts together: listeners, workers, the announcement at start.

mod connections;
mod progress;

use std::fmt;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::config::{Banner, Config, IndexCache, Watch};
use crate::http::{self, Site, Store};
use crate::root::lease::LeaseProbe;
use crate::root::{CacheError, CacheFolder, Recovered, Root, RootError, SwapGuard, SymlinkPolicy, shown};
use crate::validator_store::ValidatorStore;
use crate::validator_store::index::IndexMode;
use crate::validator_store::index::keeper::{self, KeeperOptions};
use crate::validator_store::record::has_tag;
use crate::validator_store::watch::{self, WatchStatus};
use crate::write::{Deletes, Durability, Uploads, WriteOptions};

/// How many connections may wait to be accepted; the kernel allows at most net.core.somaxconn. With the 128 that the
/// standard library asks for, a burst of clients waits for a second and more until they try again.
const BACKLOG: i32 = 4096;

/// How long the announcement waits for the watcher; a small tree is done in less.
const WATCH_START: Duration = Duration::from_millis(20);

/// Threads that may wait for the disk.
const BLOCKING_THREADS: usize = 128;

/// Why the server did not start or did not go on.
#[derive(Debug)]
pub enum ServerError {
    /// The folder cannot be served.
    Root(RootError),
    /// An address cannot be listened at.
    Listen(SocketAddr, io::Error),
    /// The folder that was named for the index lies in the served one.
    CacheServed(PathBuf),
    /// Anything else.
    Io(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(error) => error.fmt(f),
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "port {} on {} is taken; choose another with --port, or --port 0 for any free one",
                address.port(),
                address.ip()
            ),
            Self::Listen(address, error) if error.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "port {} on {} may not be used by this user; choose one above 1023 with --port",
                address.port(),
                address.ip()
            ),
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrNotAvailable => write!(
                f,
                "{} is not an address of this machine; name one that is with --bind, or 0.0.0.0 for all",
                address.ip()
            ),
            Self::Listen(address, error) => write!(f, "cannot listen at {address}: {error}"),
            Self::CacheServed(folder) => {
                write!(f, "--index-cache {} lies in the served folder; name one outside of it", shown(folder))
            }
            Self::Io(error) => write!(f, "the server stopped: {error}"),
        }
    }
}

impl std::error::Error for ServerError {}

/// Serves until a signal to stop. Makes its own runtime.
///
/// # Errors
/// [`ServerError`], a sentence for the person who started the program.
pub fn run(config: &Config) -> Result<(), ServerError> {
    let root = Root::open(&config.root, config.symlinks).map_err(ServerError::Root)?;
    let cache = index_cache(config, &root)?;
    if config.site.writes.allow_writes() {
        recover(&root);
        survive_size_limit();
    }
    raise_descriptor_limit();
    let listeners = listen(&config.addresses)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(ServerError::Io)?;
    let system = actix_web::rt::System::with_tokio_rt(|| runtime);
    system.block_on(serve(config, root, cache, listeners))
}

/// The folder in which the index is saved, if it is to be and can be.
fn index_cache(config: &Config, root: &Root) -> Result<Option<CacheFolder>, ServerError> {
    if config.store.index == IndexMode::Off {
        return Ok(None);
    }
    let (IndexCache::Named(folder) | IndexCache::Usual(folder)) = &config.index_cache;
    match (CacheFolder::open(folder, root), &config.index_cache) {
        (Ok(opened), _) => Ok(Some(opened)),
        (Err(CacheError::Served), IndexCache::Named(_)) => Err(ServerError::CacheServed(folder.clone())),
        (Err(error), _) => {
            log::info!("the index is not saved in {}: {error}", shown(folder));
            Ok(None)
        }
    }
}

/// Connections, files being sent and displaced versions take descriptors; the soft limit is made for programs
/// that use select(2).
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit })
    {
        log::debug!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// A write beyond the limit on the size of files (RLIMIT_FSIZE) is an error where this signal has a handler,
/// and the end of the process where it has none.
fn survive_size_limit() {
    let reached = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, reached) {
        log::warn!("a limit on the size of files would end the server: {error}");
    }
}

/// Brings to an end what a server that died has left.
fn recover(root: &Root) {
    match root.recover(&has_tag) {
        Ok(found) if found == Recovered::default() => {}
        Ok(found) => log::warn!("interrupted writes: {found:?}"),
        Err(error) => log::warn!("interrupted writes were not looked for: {error:?}"),
    }
}

async fn serve(
    config: &Config,
    root: Root,
    cache: Option<CacheFolder>,
    listeners: Vec<TcpListener>,
) -> Result<(), ServerError> {
    let store = ValidatorStore::new(root, config.store, http::renderer(config.site.cache_control.clone()));
    let watch = match config.watch {
        Watch::On => watch::start(Arc::clone(&store)),
        Watch::Off => Arc::new(WatchStatus::default()),
    };
    let keeper = KeeperOptions { folder: cache, dotfiles: config.site.dotfiles };
    let keeper = keeper::start(Arc::clone(&store), keeper);
    watch.wait_for_start(WATCH_START).await;
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
    let addresses = addresses.map_err(ServerError::Io)?;
    let site = Site::new(Arc::clone(&store), config.site.clone(), Arc::clone(&watch));
    if config.log.banner == Banner::Shown
        && let Err(error) = announce(config, &site, &store, &watch, &addresses)
    {
        log::debug!("nobody reads the announcement: {error}");
    }
    if config.log.banner == Banner::Shown {
        progress::show(store);
    }
    let ended = connections::serve(&site.mounted_at(""), listeners)?.await.map_err(ServerError::Io);
    keeper.finish();
    ended
}

/// One listener an address; with port 0, all take the port the first one got.
fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ServerError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if let (0, Some(first)) = (address.port(), listeners.first()) {
            address.set_port(first.local_addr().map_err(ServerError::Io)?.port());
        }
        let listener = TcpListener::bind(address).map_err(|error| ServerError::Listen(address, error))?;
        rustix::net::listen(&listener, BACKLOG).map_err(|error| ServerError::Io(error.into()))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The announcement: where, what, and what answers rest on.
fn announce(
    config: &Config,
    site: &Site,
    store: &Store,
    watch: &WatchStatus,
    addresses: &[SocketAddr],
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "ifmatch {} serves {}", env!("CARGO_PKG_VERSION"), shown(store.root().path()))?;
    for address in addresses.iter().flat_map(reachable) {
        writeln!(out, "  http://{address}/")?;
    }
    let symlinks = match config.symlinks {
        SymlinkPolicy::Deny => "no symbolic links",
        SymlinkPolicy::Within => "symbolic links within the folder",
        SymlinkPolicy::All => "symbolic links to anywhere",
    };
    writeln!(out, "  allowed: reading{}, {symlinks}", permissions(&config.site.writes))?;
    if config.site.writes.allow_writes() {
        writeln!(out, "  writes: {}", guarantee(config, site.swap_guard()))?;
    }
    writeln!(out, "  freshness: {}; watcher {}", freshness(store.root()), watch.state().name())?;
    out.flush()
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

/// The addresses a person could type: for "all addresses", those of this machine.
fn reachable(address: &SocketAddr) -> Vec<SocketAddr> {
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

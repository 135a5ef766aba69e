//! Starts and runs the server: puts together the folder, the site, the listeners and the workers.
//! How requests are answered lives in `http`.

mod http2;
mod life;
mod listen;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use life::capacity::Capacity;
pub use life::health_client::{ProbeError, probe};
use life::{announcement, progress, reload, sandbox, stop};
use listen::accept::Listeners;
use listen::tls::Certificates;
pub use listen::tls::TlsError;
use listen::{accept, admin, bind};
use tokio::signal::unix::{SignalKind, signal};

use crate::blocking;
use crate::config::user::User;
use crate::config::{Banner, Config, IndexCache, Settings, Watch};
use crate::http::{self, Site};
use crate::root::{CacheError, CacheFolder, Root, RootError, SocketError, SocketName, shown};
use crate::validator_store::ValidatorStore;
use crate::validator_store::index::IndexMode;
use crate::validator_store::index::keeper::{self, KeeperOptions};
use crate::validator_store::watch::{self, WatchStatus};
use crate::write;

/// The flag for the address of health and metrics.
const ADMIN: &str = "--admin-bind";

/// The flag for the port that redirects to HTTPS.
const REDIRECT: &str = "--redirect-from";

/// The flag for the port of the site.
const PORT: &str = "--port";

/// How long the announcement waits for the watcher; a small tree is done in less.
const WATCH_START: Duration = Duration::from_millis(20);

/// Threads that may wait for the disk.
const BLOCKING_THREADS: usize = 128;

/// Why the server did not start or did not go on.
#[derive(Debug)]
pub enum ServerError {
    /// The folder cannot be served.
    Root(RootError),
    /// The server cannot listen at the address, which comes from this flag.
    Listen(SocketAddr, &'static str, io::Error),
    /// The address, which comes from this flag, is given twice.
    Twice(SocketAddr, &'static str),
    /// The server cannot listen at a unix socket.
    Socket(SocketError),
    /// The folder that was named for the index lies in the served one.
    CacheServed(PathBuf),
    /// The certificate or its key cannot be used.
    Tls(TlsError),
    /// The process cannot run as that user, for this reason.
    User(String, String),
    /// The limit of open files (first) is below what the server needs (second).
    TooFewFiles(usize, usize),
    /// The sandbox is required but cannot be set up.
    Sandbox(String),
    /// Another error, with the place in the configuration file or environment that caused it.
    At(String, Box<ServerError>),
    /// The text of another error, with environment variables in place of flags.
    Said(String),
    /// No thread can be started.
    Thread(io::Error),
    /// Anything else.
    Io(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(error @ RootError::Missing(path)) => write!(f, "{error}{}", perhaps_meant(path)),
            Self::Root(error) => error.fmt(f),
            Self::Listen(address, flag, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "port {} on {} is taken; choose another with {flag}; 0 stands for any free one",
                address.port(),
                address.ip()
            ),
            Self::Listen(address, flag, error) if error.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "port {} on {} may not be used by this user; choose one above 1023 with {flag}",
                address.port(),
                address.ip()
            ),
            Self::Listen(address, flag, error) if error.kind() == io::ErrorKind::AddrNotAvailable => write!(
                f,
                "{} is not an address of this machine; name one that is with {}, or 0.0.0.0 for all",
                address.ip(),
                if *flag == ADMIN { ADMIN } else { "--bind" }
            ),
            Self::Listen(address, _, error) => write!(f, "cannot listen at {address}: {error}"),
            Self::Twice(address, flag) => {
                write!(
                    f,
                    "{address} is asked for twice (0.0.0.0 and :: are all addresses); choose another with {flag}"
                )
            }
            Self::Socket(error) => error.fmt(f),
            Self::CacheServed(folder) => {
                write!(f, "--index-cache {} lies in the served folder; name one outside of it", shown(folder))
            }
            Self::Tls(error) => write!(f, "cannot speak HTTPS with {error}"),
            Self::User(name, why) => write!(f, "--user {name}: {why}"),
            Self::TooFewFiles(files, least) => write!(
                f,
                "no more than {files} files may be open, and {least} have to; raise the limit (ulimit -n, or LimitNOFILE= in a unit)"
            ),
            Self::Sandbox(why) => {
                write!(f, "--sandbox require: {why}; use --sandbox auto for as much as there is")
            }
            Self::At(place, error) => write!(f, "{place}: {error}"),
            Self::Said(words) => f.write_str(words),
            Self::Thread(error) => write!(
                f,
                "no thread can be started: {error}; raise the limit of processes (ulimit -u, or TasksMax= in a unit)"
            ),
            Self::Io(error) => write!(f, "the server stopped: {error}"),
        }
    }
}

impl ServerError {
    /// Adds the place in the configuration file or environment that caused the error, if there is
    /// one.
    fn placed(self, settings: &Settings) -> Self {
        let option = match &self {
            Self::Root(_) => "root",
            Self::Listen(_, PORT, error) if error.kind() == io::ErrorKind::AddrNotAvailable => "bind",
            Self::Twice(_, PORT) => "bind",
            Self::Listen(_, flag, _) | Self::Twice(_, flag) => flag.trim_start_matches('-'),
            Self::Socket(_) => "bind",
            Self::CacheServed(_) => "index-cache",
            Self::User(..) => "user",
            Self::Sandbox(_) => "sandbox",
            Self::Tls(_) => "tls-cert",
            Self::TooFewFiles(..) | Self::At(..) | Self::Said(_) | Self::Thread(_) | Self::Io(_) => {
                return self;
            }
        };
        if let Some(place) = settings.place(option) {
            return Self::At(place.to_owned(), Box::new(self));
        }
        let (words, by_variables) = (self.to_string(), settings.by_variables(&self.to_string()));
        match settings.variable(option) {
            Some(_) if by_variables != words => Self::Said(by_variables),
            Some(variable) => Self::At(format!("{variable} in the environment"), Box::new(self)),
            None => self,
        }
    }
}

impl std::error::Error for ServerError {}

/// Returns a hint, as the end of a sentence, if the name of a missing folder looks like a mistake.
fn perhaps_meant(folder: &Path) -> String {
    let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
    match name {
        port if port.parse::<u16>().is_ok() => format!("; to listen at port {port}, say --port {port}"),
        "serve" | "server" | "start" | "run" | "http" | "up" => {
            "; to serve the folder you are in, type ifmatch without a name".to_owned()
        }
        _ => String::new(),
    }
}

/// Serves until a signal stops it. Creates its own runtime. `again` reads the configuration for a
/// reload.
///
/// # Errors
/// [`ServerError`], a sentence for the person who started the program.
pub fn run(config: Config, again: impl Fn() -> Result<Config, String> + 'static) -> Result<(), ServerError> {
    let settings = config.settings.clone();
    start(config, Box::new(again)).map_err(|error| error.placed(&settings))
}

fn start(mut config: Config, again: Box<reload::Again>) -> Result<(), ServerError> {
    let room = Capacity::make(config.site.limits.connections)?;
    (config.site.limits.connections, config.site.limits.more_files) = (room.connections, room.more_files);
    let certificates = config.tls.as_ref().map(Certificates::read).transpose().map_err(ServerError::Tls)?;
    let site = bind::site(&config)?;
    if !site.unix.is_empty() {
        for flag in ["rate-limit", "max-connections-per-address"] {
            if config.settings.has(flag) {
                log::warn!(
                    "--{flag} counts by address, so it does not limit clients of a unix socket, which have none"
                );
            }
        }
    }
    let (redirect, admin) =
        (bind::addresses(&config.redirects, REDIRECT)?, bind::addresses(config.admin.as_slice(), ADMIN)?);
    if let Some(user) = &config.process.user {
        become_user(user, &site.names)?;
    }
    let root = Root::open(&config.root, config.symlinks).map_err(ServerError::Root)?;
    let cache = index_cache(&config, &root)?;
    let sandbox = sandbox::confine(&config, &root, cache.as_ref(), &site.names)?;
    if config.site.writes.allow_writes() {
        write::prepare(&root);
        if config.site.headers.say_immutable() {
            log::warn!(
                "Cache-Control: immutable is not sent for files that may be written; no-cache is sent instead"
            );
        }
    }
    // Threads start here; the sandbox must be closed before.
    blocking::start().map_err(ServerError::Thread)?;
    let tls = certificates.map(Certificates::acceptor);
    let listeners = Listeners { tls, site, redirect, admin };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(ServerError::Io)?;
    let system = actix_web::rt::System::with_tokio_rt(|| runtime);
    system.block_on(serve(config, again, Prepared { root, cache, listeners, room, sandbox }))
}

/// Switches to `user` and gives up the rights of root, once everything that needs them is done.
fn become_user(user: &User, sockets: &[SocketName]) -> Result<(), ServerError> {
    let (uid, gid) = user.ids();
    for socket in sockets {
        socket.give_to(uid, gid).map_err(ServerError::Io)?;
    }
    user.assume().map_err(|why| ServerError::User(user.name().to_owned(), why))
}

/// Checks whether the server could start: the folder, the index, the certificate, the sandbox and
/// the addresses. Does not check that the ports are free and permitted, because the server may be
/// running already, as another user.
///
/// # Errors
/// The [`ServerError`] that would keep the server from starting.
pub fn check(config: &Config) -> Result<(), ServerError> {
    let look = || {
        let root = Root::open(&config.root, config.symlinks).map_err(ServerError::Root)?;
        index_cache(config, &root)?;
        config.tls.as_ref().map(Certificates::read).transpose().map_err(ServerError::Tls)?;
        Capacity::make(config.site.limits.connections)?;
        bind::check(config)?;
        sandbox::check(config)
    };
    look().map_err(|error: ServerError| error.placed(&config.settings))
}

/// Opens the folder in which the index is saved. Returns `None` if the index is off or cannot be
/// saved.
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

/// What was prepared before any thread started.
struct Prepared {
    root: Root,
    cache: Option<CacheFolder>,
    listeners: Listeners,
    room: Capacity,
    /// A description for the announcement.
    sandbox: String,
}

async fn serve(config: Config, again: Box<reload::Again>, prepared: Prepared) -> Result<(), ServerError> {
    let Prepared { root, cache, mut listeners, room, sandbox } = prepared;
    // From here on a signal no longer ends the process: it is handled once the server runs.
    let signals = stop::Signals::new().map_err(ServerError::Io)?;
    let store = ValidatorStore::new(root, config.store, http::renderer());
    if !config.site.writes.allow_writes() || store.root().interrupted_writes() > 0 {
        write::survey(&store);
    }
    let watch = match config.watch {
        Watch::On => watch::start(Arc::clone(&store)),
        Watch::Off => Arc::new(WatchStatus::default()),
    };
    let keeper = KeeperOptions { folder: cache, dotfiles: config.site.dotfiles };
    let keeper = keeper::start(Arc::clone(&store), keeper);
    watch.wait_for_start(WATCH_START).await;
    let hangup = signal(SignalKind::hangup())
        .inspect_err(|error| log::warn!("the configuration cannot be reloaded by SIGHUP: {error}"));
    config.site.access.start();
    let site = Site::new(Arc::clone(&store), config.site.clone(), Arc::clone(&watch));
    if config.log.banner == Banner::Shown
        && let Err(error) = announcement::announce(&config, &site, &watch, &listeners, &sandbox)
    {
        log::debug!("nobody reads the announcement: {error}");
    }
    if config.log.banner == Banner::Shown {
        progress::show(store);
    }
    let site = site.into_service();
    actix_web::rt::spawn(reload::watch(site.clone(), config, again, hangup.ok()));
    let names = std::mem::take(&mut listeners.site.names);
    let admin = admin::start(std::mem::take(&mut listeners.admin), &site)?;
    let crowd = site.crowd();
    let server = accept::serve(site, listeners, room)?;
    let ended = stop::run(server, admin, &crowd, signals).await.map_err(ServerError::Io);
    drop(names);
    keeper.finish();
    blocking::finish();
    ended
}

//! The command line: flags as typed, lowered once into a [`Config`].

mod access;
mod etag;
mod file;
mod generate;
mod headers;
mod health;
mod index;
mod limits;
mod listen;
mod process;
mod resolve;
mod served;
mod tls;
mod writes;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use log::LevelFilter;

use crate::config::{self, Banner, Config, HealthTarget, LogConfig, LogFormat, Settings, Watch};
use crate::http::{Fallback, Listing, OwnResources, SiteOptions};
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{SymlinkPolicy, WatchedFile};
use crate::validator_store::StoreOptions;
use crate::validator_store::digest::DigestAlgorithm;
pub use access::PasswordRequest;
use access::{AccessArgs, HashArgs};
use etag::EtagArgs;
pub use etag::TagRequest;
use file::Rule;
use generate::{CompletionsArgs, ManArgs};
use headers::HeaderArgs;
use health::HealthArgs;
use index::IndexArgs;
use limits::LimitArgs;
use listen::ListenArgs;
use process::ProcessArgs;
pub use resolve::Refused;
use tls::TlsArgs;
use writes::WriteArgs;

const DEFAULT_PORT: u16 = 8080;

/// A static file server whose ETags tell the truth.
///
/// Serves a folder with strong, content-derived entity tags that are checked against the disk on
/// every request, complete conditional requests and ranges.
#[derive(Debug, Parser)]
#[command(name = "ifmatch", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Every option can be set in the environment as well, and in a file (--config); RUST_LOG is honoured."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the entity tag the server would send for a file
    Etag(EtagArgs),
    /// Look whether the server could start with these options, and do not
    Check(Box<ServeArgs>),
    /// Make the hash of a password, for --auth and --auth-file
    HashPassword(HashArgs),
    /// Ask a running server whether it is well (the exit code is 0), for containers
    Health(HealthArgs),
    /// Print a script that completes commands and options
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

/// What there is to do.
pub enum Action {
    /// Serve a folder.
    Serve(Box<Config>),
    /// Only look whether that could be done.
    Check(Box<Config>),
    /// Print the tags of files.
    PrintTags(TagRequest),
    /// Ask for a password and print its hash.
    HashPassword(PasswordRequest),
    /// Ask a server how it is.
    AskHealth(HealthTarget),
    /// Print this text.
    Print(Vec<u8>),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The folder to serve
    #[arg(default_value = ".", env = "IFMATCH_ROOT")]
    root: PathBuf,
    /// A file with options (TOML, by their long names) and rules; what is set here or in the environment counts more
    #[arg(short, long, value_name = "FILE", env = "IFMATCH_CONFIG")]
    config: Option<PathBuf>,
    #[arg(skip)]
    config_file: Option<WatchedFile>,
    #[arg(skip)]
    rules: Vec<Rule>,
    #[arg(skip)]
    settings: Settings,
    /// The port; 0 takes any free one [default: 8080, or PORT from the environment]
    #[arg(short, long, env = "IFMATCH_PORT", value_parser = port)]
    port: Option<u16>,
    #[command(flatten)]
    listen: ListenArgs,
    /// Answer /__ifmatch__/health and /__ifmatch__/metrics at this address and port only, as plain HTTP
    #[arg(long, value_name = "ADDRESS:PORT", env = "IFMATCH_ADMIN_BIND", value_parser = address_and_port)]
    admin_bind: Option<SocketAddr>,
    /// The file that answers for its directory
    #[arg(long, value_name = "NAME", default_value = "index.html", env = "IFMATCH_INDEX_FILE")]
    index_file: String,
    /// Answer missing pages with the root's index file (single-page applications)
    #[arg(long, env = "IFMATCH_SPA", value_parser = FalseyValueParser::new())]
    spa: bool,
    /// Serve names that begin with a dot
    #[arg(long, env = "IFMATCH_HIDDEN", value_parser = FalseyValueParser::new())]
    hidden: bool,
    /// Which symbolic links are followed
    #[arg(long, value_enum, value_name = "WHICH", default_value_t, env = "IFMATCH_FOLLOW_SYMLINKS")]
    follow_symlinks: FollowSymlinks,
    /// Do not list directories without an index file
    #[arg(long, env = "IFMATCH_NO_LISTING", value_parser = FalseyValueParser::new())]
    no_listing: bool,
    /// Do not listen to file events; answers stay right, the first one after a change is slower
    #[arg(long, env = "IFMATCH_NO_WATCH", value_parser = FalseyValueParser::new())]
    no_watch: bool,
    /// How much memory the bytes of small files may take
    #[arg(long, value_name = "SIZE", default_value = config::DEFAULT_MEMORY, env = "IFMATCH_MEMORY", value_parser = size)]
    memory: u64,
    /// The hash behind entity tags: blake3 where uploaders do not trust each other
    #[arg(long, value_enum, default_value_t, env = "IFMATCH_ETAG_HASH")]
    etag_hash: EtagHash,
    /// Log more: -v requests, -vv decisions, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count, env = "IFMATCH_VERBOSE")]
    verbose: u8,
    /// Log errors only, and start silently
    #[arg(short, long, env = "IFMATCH_QUIET", value_parser = FalseyValueParser::new())]
    quiet: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, env = "IFMATCH_LOG_FORMAT")]
    log_format: LogFormatArg,
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    index: IndexArgs,
    #[command(flatten)]
    writes: WriteArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    process: ProcessArgs,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum EtagHash {
    #[default]
    Xxh3,
    Blake3,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FollowSymlinks {
    /// None
    Deny,
    /// Those that stay within the folder
    #[default]
    Within,
    /// All: the folder no longer confines
    All,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormatArg {
    #[default]
    Text,
    Json,
}

/// What is wrong with the command line or the environment, as a sentence.
#[derive(Debug)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl Cli {
    /// Understands arguments (the first is the program), the environment and the configuration file, and resolves them into what
    /// there is to do.
    ///
    /// # Errors
    /// [`Refused`]; asking for help is among them.
    pub fn resolve(arguments: &[OsString]) -> Result<Action, Refused> {
        resolve::resolve(arguments)
            .map_err(|error| if health::is_asked(arguments) { health::unknown(error) } else { error })?
            .lower()
    }

    fn serve_args(&mut self) -> Option<&mut ServeArgs> {
        match &mut self.command {
            None => Some(&mut self.serve),
            Some(Command::Check(serve)) => Some(serve),
            Some(_) => None,
        }
    }

    fn lower(self) -> Result<Action, Refused> {
        match self.command {
            Some(Command::Health(args)) => args.lower().map(Action::AskHealth),
            Some(Command::Completions(args)) => Ok(Action::Print(args.text())),
            Some(Command::Man(args)) => Ok(Action::Print(args.text()?)),
            Some(Command::Etag(args)) => Ok(Action::PrintTags(args.lower())),
            Some(Command::HashPassword(args)) => Ok(Action::HashPassword(args.lower()?)),
            Some(Command::Check(serve)) => Ok(Action::Check(Box::new(serve.lower()?))),
            None => Ok(Action::Serve(Box::new(self.serve.lower()?))),
        }
    }
}

impl ServeArgs {
    fn lower(self) -> Result<Config, UsageError> {
        let (settings, secrets) = (self.settings.clone(), self.secrets());
        let configured = self.configure().and_then(|config| {
            served::refuse(&secrets, &config.root)?;
            Ok(config)
        });
        configured.map_err(|error| resolve::placed(&settings, error))
    }

    /// The files that nobody may get to see, and their flags.
    fn secrets(&self) -> Vec<(&'static str, PathBuf)> {
        let config = self.config_file.as_ref().map(|file| file.path().to_owned());
        let (accounts, key) = (self.access.auth_file.clone(), self.tls.key());
        let all = [("--config", config), ("--auth-file", accounts), ("--tls-key", key)];
        all.into_iter().filter_map(|(flag, file)| Some((flag, file?))).collect()
    }

    fn configure(self) -> Result<Config, UsageError> {
        if self.quiet && self.verbose > 0 {
            return Err(UsageError(
                "--quiet and --verbose contradict each other; say one of them".to_owned(),
            ));
        }
        let log = self.log();
        let port = self.port.map_or_else(port_from_environment, Ok)?;
        if ResourcePath::ROOT.child(&self.index_file, Dotfiles::Served).is_none() {
            return Err(UsageError(format!(
                "--index-file {:?} is not the name of a file in a folder",
                self.index_file
            )));
        }
        let watched = self
            .config_file
            .into_iter()
            .chain(self.access.auth_file.clone().map(WatchedFile::looked_at))
            .collect();
        let access = self.access.lower(&self.rules)?;
        let process = self.process.lower()?;
        let (addresses, listening) = self.listen.lower(port)?;
        let interfaces = self.listen.interfaces()?;
        let (writes, trust, hosts) = self.writes.lower(&interfaces, &access)?;
        let (tls, redirect_from) = self.tls.lower()?;
        let headers = self.headers.lower(tls.is_some(), self.rules)?;
        Ok(Config {
            root: self.root,
            symlinks: self.follow_symlinks.into(),
            redirects: redirect_from.map_or_else(Vec::new, |port| config::addresses(&interfaces, port)),
            tls,
            admin: self.admin_bind,
            addresses,
            listening,
            store: StoreOptions {
                algorithm: self.etag_hash.into(),
                memory: self.memory,
                index: self.index.index,
            },
            index_cache: self.index.cache(process.user.as_ref()),
            site: SiteOptions {
                index_file: self.index_file,
                dotfiles: if self.hidden { Dotfiles::Served } else { Dotfiles::Hidden },
                listing: if self.no_listing { Listing::Off } else { Listing::Shown },
                fallback: if self.spa { Fallback::SinglePage } else { Fallback::NotFound },
                headers,
                own: if self.admin_bind.is_some() { OwnResources::Elsewhere } else { OwnResources::Here },
                writes,
                trust,
                hosts,
                access: Arc::new(access),
                limits: self.limits.lower(),
            },
            watch: if self.no_watch { Watch::Off } else { Watch::On },
            log,
            process,
            watched,
            settings: self.settings,
        })
    }

    fn log(&self) -> LogConfig {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => LevelFilter::Warn,
            (false, 1) => LevelFilter::Info,
            (false, 2) => LevelFilter::Debug,
            (false, _) => LevelFilter::Trace,
        };
        LogConfig {
            level,
            format: match self.log_format {
                LogFormatArg::Text => LogFormat::Text,
                LogFormatArg::Json => LogFormat::Json,
            },
            banner: if self.quiet { Banner::Silent } else { Banner::Shown },
        }
    }
}

impl From<EtagHash> for DigestAlgorithm {
    fn from(hash: EtagHash) -> Self {
        match hash {
            EtagHash::Xxh3 => Self::Xxh3,
            EtagHash::Blake3 => Self::Blake3,
        }
    }
}

impl From<FollowSymlinks> for SymlinkPolicy {
    fn from(which: FollowSymlinks) -> Self {
        match which {
            FollowSymlinks::Deny => Self::Deny,
            FollowSymlinks::Within => Self::Within,
            FollowSymlinks::All => Self::All,
        }
    }
}

/// `PORT` as platforms set it; 8080 without it.
fn port_from_environment() -> Result<u16, UsageError> {
    match std::env::var_os("PORT").filter(|value| !value.is_empty()) {
        None => Ok(DEFAULT_PORT),
        Some(value) => value
            .to_str()
            .and_then(|text| port(text).ok())
            .ok_or_else(|| UsageError(format!("PORT={value:?} in the environment: {PORT_FORM}"))),
    }
}

const PORT_FORM: &str = "a port is a number from 0 to 65535";

fn size(text: &str) -> Result<u64, &'static str> {
    config::size(text).ok_or("a size is a number of bytes, or one with K, M, G or T: 512K, 100M, 2G")
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| PORT_FORM)
}

fn address_and_port(text: &str) -> Result<SocketAddr, &'static str> {
    text.replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| "an address with its port is written 127.0.0.1:9090 or [::1]:9090")
}

/// An address, also as it stands in a URL: `[::1]`, `localhost`.
fn address(text: &str) -> Result<IpAddr, &'static str> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        _ => bare.parse().map_err(|_| {
            "an address is a number like 127.0.0.1 or ::1, without a port (that is --port); 0.0.0.0 is all of them"
        }),
    }
}

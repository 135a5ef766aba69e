//! The command line: flags as typed, lowered once into a [`Config`].

mod access;
mod etag;
mod file;
mod generate;
mod headers;
mod health;
mod hints;
mod index;
mod limits;
mod listen;
mod process;
mod resolve;
mod served;
mod tls;
mod values;
mod writes;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use log::LevelFilter;

use crate::config::{self, Banner, Config, HealthTarget, LogConfig, LogFormat, Settings, Watch};
use crate::http::{Encryption, Fallback, Listing, OwnResources, SiteOptions};
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
use values::{PORT_FORM, address, address_and_port, port, size};
use writes::WriteArgs;

const DEFAULT_PORT: u16 = 8080;

/// Headings of the help, beside those that stand in the modules of their options.
const OPTIONS: Option<&str> = None;
const LISTENING: &str = "Listening";
const FILES: &str = "Files";

/// A static file server whose ETags tell the truth.
///
/// Serves a folder with strong, content-derived entity tags that are checked against the disk on
/// every request, complete conditional requests and ranges.
#[derive(Debug, Parser)]
#[command(name = "ifmatch", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "All options (limits, sandbox, durability ...) and variables: ifmatch --help",
    after_long_help = "Every option can be set in the environment as well, and in a file (--config); RUST_LOG is honoured.\n\
                       Exit codes: 0 after a signal to stop, 1 if the server cannot start or fails, 2 if what was asked for makes no sense."
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
    /// Say whether the server could start with these options
    Check(Box<ServeArgs>),
    /// Make the hash of a password, for --auth and --auth-file
    HashPassword(HashArgs),
    /// Ask a running server whether it is well, for containers
    ///
    /// The exit code is 0 if it is, and 1 in every other case.
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
    /// A TOML file with options and rules
    ///
    /// Options have their long names there. What is set on the command line or in the environment counts more.
    #[arg(short, long, value_name = "FILE", env = "IFMATCH_CONFIG")]
    config: Option<PathBuf>,
    #[arg(skip)]
    config_file: Option<WatchedFile>,
    #[arg(skip)]
    rules: Vec<Rule>,
    #[arg(skip)]
    settings: Settings,
    /// The port; 0 takes any free one [default: 8080]
    ///
    /// Without this option the variable PORT counts, too.
    #[arg(short, long, env = "IFMATCH_PORT", value_parser = port, help_heading = LISTENING)]
    port: Option<u16>,
    #[command(flatten)]
    listen: ListenArgs,
    /// Tell health and metrics at this address and port only
    ///
    /// /__ifmatch__/health and /__ifmatch__/metrics are answered there, as plain HTTP, and no longer where files are.
    #[arg(long, value_name = "ADDRESS:PORT", env = "IFMATCH_ADMIN_BIND", value_parser = address_and_port)]
    #[arg(help_heading = LISTENING, hide_short_help = true)]
    admin_bind: Option<SocketAddr>,
    /// Answers for its folder
    #[arg(long, value_name = "NAME", default_value = "index.html", env = "IFMATCH_INDEX_FILE", help_heading = FILES)]
    index_file: String,
    /// Answer missing pages with /index.html
    ///
    /// This is for single-page applications, whose script knows what the path means.
    #[arg(long, env = "IFMATCH_SPA", value_parser = FalseyValueParser::new(), help_heading = FILES)]
    spa: bool,
    /// Serve names that begin with a dot
    #[arg(long, env = "IFMATCH_HIDDEN", value_parser = FalseyValueParser::new(), help_heading = FILES)]
    hidden: bool,
    /// Links: deny, within, all
    ///
    /// Which symbolic links are followed.
    #[arg(long, value_enum, value_name = "HOW", default_value_t, env = "IFMATCH_FOLLOW_SYMLINKS", help_heading = FILES)]
    follow_symlinks: FollowSymlinks,
    /// Do not list folders that have no index file
    #[arg(long, env = "IFMATCH_NO_LISTING", value_parser = FalseyValueParser::new(), help_heading = FILES)]
    no_listing: bool,
    /// Do not listen to file events; answers stay right, the first one after a change is slower
    #[arg(long, env = "IFMATCH_NO_WATCH", value_parser = FalseyValueParser::new())]
    #[arg(help_heading = FILES, hide_short_help = true)]
    no_watch: bool,
    /// How much memory the bytes of small files may take
    #[arg(long, value_name = "SIZE", default_value = config::DEFAULT_MEMORY, env = "IFMATCH_MEMORY", value_parser = size)]
    #[arg(help_heading = FILES, hide_short_help = true)]
    memory: u64,
    /// The hash behind entity tags: blake3 where uploaders do not trust each other
    #[arg(long, value_enum, default_value_t, env = "IFMATCH_ETAG_HASH")]
    #[arg(help_heading = FILES, hide_short_help = true)]
    etag_hash: EtagHash,
    /// Log more: -v requests, -vv decisions, -vvv all
    #[arg(short, long, action = clap::ArgAction::Count, env = "IFMATCH_VERBOSE", help_heading = OPTIONS)]
    verbose: u8,
    /// Log errors only, and start silently
    #[arg(short, long, env = "IFMATCH_QUIET", value_parser = FalseyValueParser::new(), help_heading = OPTIONS)]
    quiet: bool,
    /// How log lines look: text, json
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, env = "IFMATCH_LOG_FORMAT")]
    #[arg(help_heading = OPTIONS)]
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
    /// Those that stay within the folder and lead to nothing hidden
    #[default]
    Within,
    /// All, wherever they lead: the folder no longer confines
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
        let action = resolve::resolve(arguments).and_then(Self::lower);
        action.map_err(|refused| if health::is_asked(arguments) { health::unknown(refused) } else { refused })
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
                "--quiet and --verbose contradict each other; leave one of them out".to_owned(),
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
        let auth_file = self.access.auth_file.clone().map(WatchedFile::looked_at);
        let watched = self.config_file.into_iter().chain(auth_file).collect();
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
                encryption: if tls.is_some() { Encryption::Own } else { Encryption::Unknown },
                access: Arc::new(access),
                limits: self.limits.lower(),
            },
            tls,
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

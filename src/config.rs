//! The configuration once everything is resolved: no option is looked up again below this.

pub mod activation;
pub mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::http::SiteOptions;
use crate::root::sandbox::SandboxMode;
use crate::root::{SymlinkPolicy, WatchedFile, shown};
use crate::validator_store::StoreOptions;
use user::User;

/// How the server runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder to serve.
    pub root: PathBuf,
    /// Which symbolic links are followed.
    pub symlinks: SymlinkPolicy,
    /// The addresses to listen at.
    pub addresses: Vec<SocketAddr>,
    /// What else is listened at.
    pub listening: Listening,
    /// Whether connections are encrypted.
    pub tls: Option<TlsFiles>,
    /// The addresses at which clients that do not encrypt are sent to those where they must.
    pub redirects: Vec<SocketAddr>,
    /// The address at which the server tells of itself, if it does not where it serves.
    pub admin: Option<SocketAddr>,
    /// How tags are made and how much is kept.
    pub store: StoreOptions,
    /// Where the index is saved.
    pub index_cache: IndexCache,
    /// How the folder is presented.
    pub site: SiteOptions,
    /// Whether file events are listened to.
    pub watch: Watch,
    /// What is logged, and how.
    pub log: LogConfig,
    /// What the process may do.
    pub process: ProcessConfig,
    /// The files it came from, looked at before they were read.
    pub watched: Vec<WatchedFile>,
    /// What was set.
    pub settings: Settings,
}

/// What was set, by the long names of the options, as it was written: tells what a second reading found changed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, Vec<OsString>>,
    places: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Settings {
    /// From names and values, and from names and where they stand in the configuration file.
    pub fn of(
        values: impl IntoIterator<Item = (String, Vec<OsString>)>,
        places: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let (values, places) = (values.into_iter().collect(), places.into_iter().collect());
        Self { values, places, variables: BTreeMap::new() }
    }

    /// The same, with the variables of the options that were set in the environment.
    pub fn with_variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), ..self }
    }

    /// Returns the variable that set an option, if one did.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Returns `text` with the name of the variable in place of each option that was set in the environment.
    pub fn by_variables(&self, text: &str) -> String {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        self.variables.iter().fold(text.to_owned(), |text, (name, variable)| {
            let option = format!("--{name}");
            let mut said = String::with_capacity(text.len());
            let mut rest = text.as_str();
            while let Some(at) = rest.find(&option) {
                let end = at + option.len();
                let is_whole = !rest.as_bytes().get(end).is_some_and(|byte| is_of_name(*byte));
                said.push_str(&rest[..at]);
                said.push_str(if is_whole { variable } else { &option });
                rest = &rest[end..];
            }
            said + rest
        })
    }

    /// Where an option stands in the configuration file, as the beginning of a sentence.
    pub fn place(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(String::as_str)
    }

    /// Whether that is set.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The names that are set otherwise in `other`.
    pub fn changed<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names: BTreeSet<&str> =
            self.values.keys().chain(other.values.keys()).map(String::as_str).collect();
        names.into_iter().filter(|name| self.values.get(*name) != other.values.get(*name)).collect()
    }
}

/// A certificate with its chain, and its private key; both in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A server whose health is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthTarget {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Where it tells.
    pub path: String,
}

/// Where a server listens, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// HTTP.
    Plain(SocketAddr),
    /// HTTPS.
    Encrypted(SocketAddr),
    /// HTTP, by a socket of the same machine.
    Socket(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => write!(f, "http://{address}"),
            Self::Encrypted(address) => write!(f, "https://{address}"),
            Self::Socket(path) => write!(f, "unix:{}", shown(path)),
        }
    }
}

/// What is listened at besides addresses.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Who makes the listeners.
    pub origin: Origin,
    /// The paths of sockets.
    pub sockets: Vec<PathBuf>,
    /// Their permissions.
    pub mode: u32,
}

/// Who makes the listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The server.
    Own,
    /// They were handed over at start ([`activation`]).
    Given,
}

/// What the process may do besides serving.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Whether the kernel confines it.
    pub sandbox: SandboxMode,
    /// As whom it goes on once it listens.
    pub user: Option<User>,
}

/// The folder in which the index is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexCache {
    /// The one that was asked for.
    Named(PathBuf),
    /// Where caches usually are; not used if that is in the served folder.
    Usual(PathBuf),
}

/// Whether file events are listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Yes.
    On,
    /// No: every change is found when it is asked for.
    Off,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least important level that is written, unless `RUST_LOG` says otherwise.
    pub level: LevelFilter,
    /// How lines look.
    pub format: LogFormat,
    /// Whether the start is announced.
    pub banner: Banner,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether the start is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Banner {
    /// In a few lines on standard output.
    Shown,
    /// Not at all.
    Silent,
}

/// How much memory bodies of small files may take.
pub const DEFAULT_MEMORY: &str = "256M";

/// The addresses of a list of interfaces and one port.
pub fn addresses(interfaces: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    interfaces.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// A number of bytes: `4096`, `512K`, `100M`, `2G` (powers of 1024).
pub fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// A time: `500ms`, `10s`, `2m`, `1h`, or a number of seconds; more than nothing and at most a day.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let milliseconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=86_400_000).contains(&milliseconds).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests;

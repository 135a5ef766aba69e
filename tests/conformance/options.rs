//! The command line, and the list of misses that are accepted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// `--name value` pairs, and what stands between them.
pub(crate) struct Options {
    named: BTreeMap<String, String>,
    pub(crate) rest: Vec<String>,
}

impl Options {
    /// Takes the arguments after the command.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let (mut named, mut rest) = (BTreeMap::new(), Vec::new());
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = arguments.next().ok_or_else(|| format!("--{name}: its value is missing"))?;
                    named.insert(name.to_owned(), value);
                }
                None => rest.push(argument),
            }
        }
        Ok(Options { named, rest })
    }

    /// The value of an option that may be left out.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }

    /// The value of an option that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("--{name} is missing"))
    }

    /// A path that must be there.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf, String> {
        self.need(name).map(PathBuf::from)
    }

    /// Prints so many ports that are free now.
    pub(crate) fn ports(&self) -> Result<(), String> {
        let count = self.rest.first().and_then(|count| count.parse().ok()).ok_or("ports COUNT")?;
        let listeners: Vec<TcpListener> = (0..count)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        for listener in &listeners {
            println!("{}", listener.local_addr().map_err(|error| error.to_string())?.port());
        }
        Ok(())
    }
}

/// Reads a list of accepted misses: `name  why` on each line that is neither empty nor a comment.
pub(crate) fn accepted(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = read(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, why) =
                line.split_once(' ').ok_or_else(|| format!("{}: no reason for {line}", path.display()))?;
            Ok((name.to_owned(), why.trim().to_owned()))
        })
        .collect()
}

/// Reads a file as text.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

//! The flags about the index.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::IndexCache;
use crate::config::user::User;
use crate::validator_store::index::IndexMode;

#[derive(Debug, Args)]
#[command(next_help_heading = "Index")]
pub(super) struct IndexArgs {
    /// Which digests are kept for the next start: lazy (of what was read), eager (all files are read in the background) or off
    #[arg(hide_short_help = true, long, value_name = "MODE", default_value = "lazy", env = "IFMATCH_INDEX", value_parser = mode)]
    pub(super) index: IndexMode,
    /// The folder for the index, outside the served one [default: ifmatch in XDG_CACHE_HOME or ~/.cache, or
    /// /var/cache/ifmatch]
    #[arg(hide_short_help = true, long, value_name = "DIR", env = "IFMATCH_INDEX_CACHE")]
    index_cache: Option<PathBuf>,
}

impl IndexArgs {
    /// Where the index is saved by `user`.
    pub(super) fn cache(self, user: Option<&User>) -> IndexCache {
        match self.index_cache {
            Some(folder) => IndexCache::Named(folder),
            None => IndexCache::Usual(usual_folder(|name| match user {
                None => std::env::var_os(name),
                // The variables are about who starts the server.
                Some(user) => {
                    user.home().filter(|_| name == "HOME").map(|home| home.clone().into_os_string())
                }
            })),
        }
    }
}

/// Where caches usually are. The specification of XDG base directories says that a relative path is to be ignored.
fn usual_folder(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.as_deref().unwrap_or(Path::new("/var/cache")).join("ifmatch")
}

fn mode(text: &str) -> Result<IndexMode, &'static str> {
    match text {
        "eager" => Ok(IndexMode::Eager),
        "lazy" => Ok(IndexMode::Lazy),
        "off" => Ok(IndexMode::Off),
        _ => Err(
            "it is eager, lazy or off; the file that answers for its directory is named with --index-file",
        ),
    }
}

#[cfg(test)]
mod tests;

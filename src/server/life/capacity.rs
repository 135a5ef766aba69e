//! How many workers and connections the limit of open files allows. Limits for each address live in
//! `http`.

use actix_server::ServerBuilder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::root::processors;
use crate::server::ServerError;

/// The server needs at least this many open files to start.
const LEAST_FILES: usize = 128;

/// Open files that are kept back from connections, or half of all if that is less.
const OTHER_FILES: usize = 128;

/// The highest default limit of connections: each may hold a piece of a file in memory.
const MOST_BY_DEFAULT: usize = 20_000;

/// Logs a warning below this many connections: one or two browsers could use them all.
const WARN_BELOW: usize = 64;

/// Open files for each worker. A worker needs four for itself; the rest is for its connections.
const FILES_A_WORKER: usize = 32;

/// The most workers that actix starts.
const WORKERS: usize = 512;

/// The numbers that fit within the limit of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Capacity {
    pub(in crate::server) workers: usize,
    pub(in crate::server) connections: usize,
    /// Files that may be open for answers beyond one for each connection.
    pub(in crate::server) more_files: usize,
}

impl Capacity {
    /// Raises the limit of open files and divides it. `connections` is the limit that was set;
    /// `usize::MAX` stands for the default. Each accepted connection can be served: it has
    /// one open file besides its own descriptor.
    ///
    /// # Errors
    /// [`ServerError::TooFewFiles`].
    pub(in crate::server) fn make(connections: usize) -> Result<Self, ServerError> {
        let files = raise_descriptor_limit();
        let room = Self::within(files, connections).ok_or(ServerError::TooFewFiles(files, LEAST_FILES))?;
        let asked = connections < usize::MAX;
        if room.connections < if asked { connections } else { WARN_BELOW } {
            let flag = if asked { format!("--max-connections {connections}: ") } else { String::new() };
            log::warn!(
                "{flag}this process may open {files} files, which is enough for {} connections; for more raise the limit (ulimit -n, \
                 or LimitNOFILE= in a unit)",
                room.connections
            );
        }
        Ok(room)
    }

    fn within(files: usize, connections: usize) -> Option<Self> {
        if files < LEAST_FILES {
            return None;
        }
        let files_of_clients = files - OTHER_FILES.min(files / 2);
        let connections = match connections {
            // Some files are left over, because an HTTP/2 connection may have several open.
            usize::MAX => (files_of_clients / 5 * 2).min(MOST_BY_DEFAULT),
            asked => asked.min(files_of_clients / 2),
        };
        let workers = processors().min(WORKERS).min(files / FILES_A_WORKER).min(connections);
        let more_files = files_of_clients.saturating_sub(connections.saturating_mul(2));
        Some(Self { workers, connections, more_files })
    }

    /// Sets the limits of a server. Each worker accepts its share of the connections, rounded up.
    /// More wait until one closes.
    pub(in crate::server) fn give(self, builder: ServerBuilder) -> ServerBuilder {
        builder.workers(self.workers).max_concurrent_connections(self.connections.div_ceil(self.workers))
    }
}

/// Raises the soft limit of open files to the hard one and returns it. The soft limit is low only
/// for programs that use select(2).
fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            log::debug!("the limit of open files stays at {:?}: {error}", limit.current);
            limit.current
        }
    };
    raised.and_then(|files| files.try_into().ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;

//! How many files may be open, and for how many workers and connections there is room then.

use actix_server::ServerBuilder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::root::processors;
use crate::server::ServerError;

/// With fewer open files the parts of the server cannot be put together.
const LEAST_FILES: usize = 128;

/// Open files that are not for connections, or half of them if that is less.
const OTHER_FILES: usize = 128;

/// No more connections than this, unless they are asked for: each may hold a piece of a file in memory.
const MOST: usize = 20_000;

/// With fewer a browser or two have them all.
const FEW: usize = 64;

/// A worker has four for itself, and is given a part of what there is.
const FILES_A_WORKER: usize = 32;

/// The most workers that actix has.
const WORKERS: usize = 512;

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Capacity {
    pub(in crate::server) workers: usize,
    pub(in crate::server) connections: usize,
    /// Files that may be open for answers, besides one a connection.
    pub(in crate::server) more_files: usize,
}

impl Capacity {
    /// Makes room for so many connections, or for as many as can be; `usize::MAX` is the usual number. What is accepted can be served:
    /// each connection may have one file open besides its own descriptor.
    ///
    /// # Errors
    /// [`ServerError::TooFewFiles`].
    pub(in crate::server) fn make(connections: usize) -> Result<Self, ServerError> {
        let files = raise_descriptor_limit();
        let room = Self::within(files, connections).ok_or(ServerError::TooFewFiles(files, LEAST_FILES))?;
        let asked = connections < usize::MAX;
        if room.connections < if asked { connections } else { FEW } {
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
            // Not all for connections and one file each: those of HTTP/2 may have more.
            usize::MAX => (files_of_clients / 5 * 2).min(MOST),
            asked => asked.min(files_of_clients / 2),
        };
        let workers = processors().min(WORKERS).min(files / FILES_A_WORKER).min(connections);
        let more_files = files_of_clients.saturating_sub(connections.saturating_mul(2));
        Some(Self { workers, connections, more_files })
    }

    /// Lets more connections than that wait until one ends. A worker has its share of them, rounded up.
    pub(in crate::server) fn give(self, builder: ServerBuilder) -> ServerBuilder {
        builder.workers(self.workers).max_concurrent_connections(self.connections.div_ceil(self.workers))
    }
}

/// Connections, files being sent and displaced versions take descriptors; the soft limit is made for programs
/// that use select(2). Returns how many there may be.
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

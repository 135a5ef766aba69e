//! A fresh directory for one run: `root/` is served, the servers' logs stand beside it. It is removed at the end, and
//! kept when a promise was broken meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::{Rights, Server};
use crate::{Common, watch};

/// The directory.
#[derive(Debug)]
pub(crate) struct Place {
    base: TempDir,
    broken_before: usize,
}

impl Place {
    /// A fresh directory inside this one, which is made where it is missing.
    pub(crate) fn new(inside: &Path) -> Result<Place, String> {
        let failed = |error| format!("{}: {error}", inside.display());
        fs::create_dir_all(inside).map_err(failed)?;
        let inside = inside.canonicalize().map_err(failed)?;
        let base = tempfile::Builder::new().prefix("ifmatch-stress-").tempdir_in(&inside);
        let base = base.map_err(|error| format!("{}: {error}", inside.display()))?;
        fs::create_dir(base.path().join("root")).map_err(failed)?;
        Ok(Place { base, broken_before: watch::count() })
    }

    /// The served folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.base.path().join("root")
    }

    /// The path of a file in the served folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join("root").join(name)
    }

    /// Starts a server in the folder that allows every write.
    pub(crate) fn serve(&self, common: &Common) -> Result<Server, String> {
        Server::start(common, &self.root(), &self.base.path().join("server.log"), Rights::Write)
    }

    /// Starts a server in the folder that allows no write.
    pub(crate) fn serve_reading(&self, common: &Common) -> Result<Server, String> {
        Server::start(common, &self.root(), &self.base.path().join("server.log"), Rights::Read)
    }

    /// Starts so many servers in the same folder.
    pub(crate) fn serve_by(&self, count: usize, common: &Common) -> Result<Vec<Server>, String> {
        (0..count).map(|_| self.serve(common)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if watch::count() > self.broken_before {
            eprintln!("kept: {}", self.base.path().display());
            self.base.disable_cleanup(true);
        }
    }
}

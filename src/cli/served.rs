//! Files that a request must not reach: who reads a key or a list of accounts has a secret, and who writes one has the server.

use std::path::{Path, PathBuf};

use super::UsageError;
use crate::root::{WatchedFile, shown};

/// Refuses what lies in the served folder, under whatever name: there may be links that lead to it.
pub(super) fn refuse(files: &[(&'static str, PathBuf)], root: &Path) -> Result<(), UsageError> {
    match files.iter().find(|(_, file)| WatchedFile::new(file.clone()).is_in(root)) {
        None => Ok(()),
        Some((flag, file)) => Err(UsageError(format!(
            "{flag} {}: it lies in the served folder, where requests may reach it; move it out of {}",
            shown(file),
            shown(root)
        ))),
    }
}

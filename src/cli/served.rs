//! Files that a request must not reach: who reads a key or a list of accounts has a secret, and who writes one has the server.

use std::path::{Path, PathBuf};

use super::UsageError;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{WatchedFile, shown};

/// Refuses what would be served.
pub(super) fn refuse(
    files: &[(&'static str, PathBuf)],
    root: &Path,
    dotfiles: Dotfiles,
) -> Result<(), UsageError> {
    let is_served = |place: &Path| {
        place.to_str().is_some_and(|place| ResourcePath::from_names(place, dotfiles).is_some())
    };
    let served =
        |file: &Path| WatchedFile::new(file.to_owned()).places_in(root).iter().any(|place| is_served(place));
    match files.iter().find(|(_, file)| served(file)) {
        None => Ok(()),
        Some((flag, file)) => Err(UsageError(format!(
            "{flag} {}: it lies in the served folder, where everybody could ask for it; move it out of {}",
            shown(file),
            shown(root)
        ))),
    }
}

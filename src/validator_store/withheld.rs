//! Versions that are visible on disk but not confirmed yet: between a swap and its verification. No
//! answer is made from them, for they may be taken back.
//!
//! A version is named by its inode, so it does not matter by which path or link it is come upon. The path that is
//! written is withheld as well: while a swap is undone, what others have saved there may come and go.

use std::collections::HashSet;

use tokio::sync::watch;

use crate::resource_path::ResourcePath;
use crate::root::Stamp;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The versions that wait for their confirmation.
pub(super) struct Withheld {
    pending: Mutex<Pending>,
    /// How many versions were taken back so far.
    rejections: AtomicU64,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Pending {
    versions: HashSet<(u64, u64)>,
    /// Directories are locked, so a path is written once at a time; but several may lead to one place.
    paths: HashSet<ResourcePath<'static>>,
}

/// How many versions had been taken back when a reading began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// A version that is withheld. Dropped without [`confirm`](Self::confirm) it counts as taken back.
pub struct Withholding<'a> {
    withheld: &'a Withheld,
    version: (u64, u64),
    path: ResourcePath<'static>,
    confirmed: bool,
}

impl Default for Withheld {
    fn default() -> Self {
        Self { pending: Mutex::default(), rejections: AtomicU64::new(0), changes: watch::channel(()).0 }
    }
}

impl Withheld {
    /// Withholds the version with this stamp's inode, and `path`, where it is to be.
    pub(super) fn withhold(&self, path: &ResourcePath<'_>, stamp: &Stamp) -> Withholding<'_> {
        let (version, path) = ((stamp.device, stamp.inode), path.clone().into_owned());
        let mut pending = self.lock();
        pending.versions.insert(version);
        pending.paths.insert(path.clone());
        drop(pending);
        Withholding { withheld: self, version, path, confirmed: false }
    }

    /// For a reading that begins now.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.rejections.load(Ordering::Acquire))
    }

    /// Whether what was read at `path` since `mark` and has this stamp may be told: neither is withheld, and no version
    /// was taken back meanwhile.
    pub(super) fn may_tell(&self, path: &str, stamp: &Stamp, mark: Mark) -> bool {
        // In this order: a version that is taken back is counted before it ceases to be withheld.
        !self.holds(path, stamp) && self.mark() == mark
    }

    /// Whether `path`, or the version with this stamp's inode, is withheld.
    pub(super) fn holds(&self, path: &str, stamp: &Stamp) -> bool {
        let pending = self.lock();
        pending.versions.contains(&(stamp.device, stamp.inode)) || pending.paths.contains(path)
    }

    /// Waits until neither is withheld.
    pub(super) async fn until_decided(&self, path: &str, stamp: &Stamp) {
        let mut changes = self.changes.subscribe();
        while self.holds(path, stamp) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Withholding<'_> {
    /// The version stays: it may be told of.
    pub fn confirm(mut self) {
        self.confirmed = true;
    }
}

impl Drop for Withholding<'_> {
    fn drop(&mut self) {
        if !self.confirmed {
            self.withheld.rejections.fetch_add(1, Ordering::AcqRel);
        }
        let mut pending = self.withheld.lock();
        pending.versions.remove(&self.version);
        pending.paths.remove(&self.path);
        drop(pending);
        self.withheld.changes.send_replace(());
    }
}

#[cfg(test)]
mod tests;

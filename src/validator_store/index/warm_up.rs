//! The warm-up: every file that could be asked for gets a record, unless it has one. Files that do not hold still are
//! left for the request that asks for them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Index;
use crate::resource_path::Dotfiles;
use crate::root::{Filesystem, OpenError, Root, Stamping, Walk, Walked, WalkedFile, processors};
use crate::validator_store::ValidatorStore;
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::settle::{PIECE, settle_at_once};

/// How much less the threads of a warm-up want the processor than those that answer.
const NICENESS: i32 = 10;

/// What a warm-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WarmUp {
    pub(super) walked: Walked,
    /// How many files were come upon.
    pub(super) files: u64,
}

/// One thread of a warm-up.
struct Visitor<'a> {
    root: &'a Root,
    index: &'a Index,
    algorithm: DigestAlgorithm,
    stopping: &'a AtomicBool,
    files: &'a AtomicU64,
    /// Whether anything was known before.
    began: Began,
    /// The last file's mount and device, and what its filesystem can prove.
    filesystem: Option<((u64, u64), Filesystem)>,
    /// What is read; one for all files.
    buffer: Vec<u8>,
}

/// Whether anything was known before a warm-up: if not, asking for each file is in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Began {
    Empty,
    WithRecords,
}

/// Goes through all files below the root, on all processors and at a low priority, which the calling thread keeps. What
/// is gone is dropped from the index, unless `stopping` ends it early.
pub(super) fn warm_up<R: Send + Sync + 'static>(
    store: &ValidatorStore<R>,
    dotfiles: Dotfiles,
    stopping: &AtomicBool,
) -> Result<WarmUp, OpenError> {
    let Some(table) = store.index().table.get() else {
        return Ok(WarmUp { walked: Walked::Stopped, files: 0 });
    };
    // On Linux this concerns the calling thread and those it will start.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        log::debug!("the priority stays as it is: {error}");
    }
    let files = AtomicU64::new(0);
    let began = if table.len() == 0 { Began::Empty } else { Began::WithRecords };
    table.begin_walk();
    let walked = store.root().walk(Walk { dotfiles, threads: processors() }, || {
        let mut visitor = Visitor {
            root: store.root(),
            index: store.index(),
            algorithm: store.algorithm(),
            stopping,
            files: &files,
            began,
            filesystem: None,
            buffer: vec![0; PIECE],
        };
        move |file: &WalkedFile<'_>| visitor.visit(file)
    });
    match walked {
        Ok(Walked::All) => table.end_walk(),
        Ok(Walked::Stopped) | Err(_) => table.bound(),
    }
    Ok(WarmUp { walked: walked?, files: files.into_inner() })
}

impl Visitor<'_> {
    fn visit(&mut self, file: &WalkedFile<'_>) -> ControlFlow<()> {
        if self.stopping.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.look_at(file) {
            log::debug!("{} has no record: {error:?}", file.path());
        }
        ControlFlow::Continue(())
    }

    fn look_at(&mut self, walked: &WalkedFile<'_>) -> Result<(), OpenError> {
        let known = || walked.stamp().is_some_and(|stamp| self.index.has(&stamp));
        if self.began == Began::WithRecords && known() {
            return Ok(());
        }
        let file = walked.open()?;
        let stamp = file.stamp();
        let volume = (stamp.mount, stamp.device);
        let filesystem = match self.filesystem {
            Some((last, filesystem)) if last == volume => filesystem,
            _ => self.filesystem.insert((volume, self.root.filesystem(walked.path(), &file))).1,
        };
        if filesystem.stamping == Stamping::Every {
            let wanted = || !self.stopping.load(Ordering::Relaxed);
            let settled = settle_at_once(&file, &filesystem, self.algorithm, &mut self.buffer, wanted)?;
            if let Some(digest) = settled {
                self.index.add_read(&filesystem, &file.stamp(), &digest);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

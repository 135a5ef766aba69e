//! What a filesystem can prove about changes: how fine its timestamps are (proved by a probe, not
//! looked up in a table), whether other machines write to it, and how it is best read.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use rustix::fs::{AtFlags, fstatfs};

use super::Stamp;
use super::mounts::MountMark;
use super::stamp::stat;

/// How far timestamps tell two changes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// A change after a stamp was read always shows in the next stamp (Linux 6.13 and later on
    /// ext4, xfs, btrfs, tmpfs): proved by the probe.
    Multigrain,
    /// Not proved. Nanoseconds are written, but within one clock tick two changes may share them;
    /// or whole seconds only, which shows in the stamp itself.
    Coarse,
}

/// Whether changes can be made where this kernel does not see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// All writers pass through this kernel.
    Local,
    /// Network and FUSE filesystems.
    Remote,
}

/// How bodies are best read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStyle {
    /// `preadv2(RWF_NOWAIT)` in place, the blocking pool when the disk must be waited for.
    TryCached,
    /// Memory-backed: read in place.
    InPlace,
    /// The filesystem cannot tell whether it would wait: always the blocking pool.
    Pool,
}

/// Whether a ctime that nobody can set moves with every change of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamping {
    /// Yes: equal stamps, at any two times since the machine was started, are equal bytes.
    Every,
    /// Not known, or not so. A store through a mapping moves nothing on memory-backed and stacked filesystems.
    /// FAT and exFAT have no ctime of their own and show mtime, which anybody can set. Images (squashfs, erofs) have the
    /// times that their maker gave them: only the mount tells two of them apart.
    Partial,
}

/// Whether a version is stored once `fsync` and `close` have succeeded for the descriptor that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrors {
    /// Yes: the kernel itself writes to the disk or to memory, and reports every error.
    Reported,
    /// Not known. A server or a program stores the bytes, and may fail after it has said that it did not.
    Unknown,
}

/// What is known of one filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Its name, for people.
    pub name: &'static str,
    /// How far its timestamps tell two changes apart.
    pub timestamps: Timestamps,
    /// Whether other machines write to it.
    pub locality: Locality,
    /// How it is best read.
    pub read_style: ReadStyle,
    /// Whether its stamps tell of every change.
    pub stamping: Stamping,
}

/// How many filesystems are remembered. Mounts that come and go would otherwise add up.
const REMEMBERED: usize = 1024;

/// The filesystems met so far. What is known of one holds within one mount: another filesystem can be made on the
/// same device, with coarser timestamps.
#[derive(Debug, Default)]
pub(super) struct Filesystems {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    mark: MountMark,
    filesystems: HashMap<Volume, Filesystem>,
}

/// What one filesystem is known by. A mount can hold several devices (the subvolumes of btrfs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Volume {
    pub(super) mount: u64,
    pub(super) device: u64,
}

impl Timestamps {
    /// The kind as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multigrain => "multigrain",
            Self::Coarse => "coarse",
        }
    }
}

impl Filesystem {
    /// How old a ctime must be before a stamp can no longer hide a second change.
    pub fn settling_time(&self, stamp: &Stamp) -> Duration {
        let whole_seconds = stamp.changed.nanoseconds == 0 && stamp.modified.nanoseconds == 0;
        match (self.timestamps, whole_seconds) {
            (Timestamps::Multigrain, _) => Duration::ZERO,
            (Timestamps::Coarse, false) => Duration::from_millis(20),
            (Timestamps::Coarse, true) => Duration::from_millis(2100),
        }
    }
}

impl Filesystems {
    /// Returns what is known of `volume`, on which `fd` lies. A new one is probed with an unnamed file from
    /// `unnamed`. What was known before something was mounted is forgotten where `mark` tells that.
    pub(super) fn of(
        &self,
        volume: Volume,
        mark: MountMark,
        fd: BorrowedFd<'_>,
        unnamed: impl FnOnce() -> Option<OwnedFd>,
    ) -> Filesystem {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).find(volume, mark) {
            return known;
        }
        let device = volume.device;
        let magic = fstatfs(fd).map_or(0, |status| status.f_type as u64 & 0xffff_ffff);
        let (name, locality, read_style) = describe(magic);
        let stamping = stamping(magic);
        let timestamps = match locality {
            Locality::Local if unnamed().is_some_and(|file| is_multigrain(device, &file)) => {
                Timestamps::Multigrain
            }
            _ => Timestamps::Coarse,
        };
        let found = Filesystem { name, timestamps, locality, read_style, stamping };
        log::debug!("filesystem {device:x}: {found:?}");
        self.known.write().unwrap_or_else(PoisonError::into_inner).remember(volume, mark, found);
        found
    }
}

impl Known {
    fn find(&self, volume: Volume, mark: MountMark) -> Option<Filesystem> {
        self.filesystems.get(&volume).filter(|_| self.mark == mark).copied()
    }

    fn remember(&mut self, volume: Volume, mark: MountMark, found: Filesystem) {
        if self.mark != mark || self.filesystems.len() >= REMEMBERED {
            self.filesystems.clear();
            self.mark = mark;
        }
        self.filesystems.insert(volume, found);
    }
}

/// Names and kinds by `f_type` of statfs(2).
fn describe(magic: u64) -> (&'static str, Locality, ReadStyle) {
    use {Locality::*, ReadStyle::*};
    match magic {
        0xef53 => ("ext4", Local, TryCached),
        0x5846_5342 => ("xfs", Local, TryCached),
        0x9123_683e => ("btrfs", Local, TryCached),
        0xf2f5_2010 => ("f2fs", Local, TryCached),
        0xca45_1a4e => ("bcachefs", Local, TryCached),
        0x2fc1_2fc1 => ("zfs", Local, Pool),
        0x0102_1994 => ("tmpfs", Local, InPlace),
        0x8584_58f6 => ("ramfs", Local, InPlace),
        0x794c_7630 => ("overlay", Local, Pool),
        0x7371_7368 => ("squashfs", Local, TryCached),
        0xe0f5_e1e2 => ("erofs", Local, TryCached),
        0x4d44 => ("fat", Local, TryCached),
        0x2011_bab0 => ("exfat", Local, TryCached),
        0x6969 => ("nfs", Remote, Pool),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => ("smb", Remote, Pool),
        0x6573_5546 => ("fuse", Remote, Pool),
        0x0102_1997 => ("9p", Remote, Pool),
        0x00c3_6400 => ("ceph", Remote, Pool),
        0x5346_414f => ("afs", Remote, Pool),
        0x7461_636f => ("ocfs2", Remote, Pool),
        0x0116_1970 => ("gfs2", Remote, Pool),
        _ => ("unknown", Local, Pool),
    }
}

/// The filesystems that keep a ctime on disk, and move it when a page is first stored to through a mapping.
fn stamping(magic: u64) -> Stamping {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    const F2FS: u64 = 0xf2f5_2010;
    const BCACHEFS: u64 = 0xca45_1a4e;
    match magic {
        EXT4 | XFS | BTRFS | F2FS | BCACHEFS => Stamping::Every,
        _ => Stamping::Partial,
    }
}

/// Whether the filesystem on which `fd` lies reports all errors of storing bytes.
///
/// Overlayfs passes on what the filesystem below it reports; that one is taken to be local.
pub(super) fn store_errors(fd: impl AsFd) -> StoreErrors {
    const REPORTING: [&str; 11] =
        ["ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "tmpfs", "ramfs", "overlay", "fat", "exfat"];
    let name = fstatfs(fd).map_or("unknown", |status| describe(status.f_type as u64 & 0xffff_ffff).0);
    match REPORTING.contains(&name) {
        true => StoreErrors::Reported,
        false => StoreErrors::Unknown,
    }
}

/// Writes and stats in turn, as fast as can be: only where each write after a stat gets a ctime of
/// its own can a stamp never hide a change.
fn is_multigrain(device: u64, file: &OwnedFd) -> bool {
    const ROUNDS: u64 = 8;
    let mut stamps = Vec::new();
    for round in 0..ROUNDS {
        let written = rustix::io::pwrite(file, b"x", round % 2);
        let Ok(status) = stat(file, c"", AtFlags::EMPTY_PATH) else { return false };
        let stamp = Stamp::of(&status);
        if written.is_err() || stamp.device != device || stamps.contains(&stamp.changed) {
            return false;
        }
        stamps.push(stamp.changed);
    }
    true
}

//! [`Stamp`]: the cheap identity of bytes on disk. It says "unchanged since", never what the
//! bytes are; and equal stamps around a read prove a consistent read only together with a granted
//! lease ([`super::lease`]), because `write(2)` stamps first and copies afterwards.

use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;
use rustix::path::Arg;

/// `STATX_MNT_ID_UNIQUE`, which rustix 1.1 has no name for.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// Mount, device, inode, size, mtime and ctime of a regular file. ctime carries the weight: it moves with
/// every change and, unlike mtime, cannot be set.
///
/// The mount belongs to it because everything else can repeat: two images (squashfs, erofs) whose maker gave
/// them the same inodes, sizes and times differ in nothing but the mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The mount in which the file was found. Since Linux 6.8 no other mount gets the same number until the
    /// machine is started again; before that, `umount` frees a number for the next mount (`root::mounts`).
    pub mount: u64,
    /// The filesystem's device number, major and minor.
    pub device: u64,
    /// The inode number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// mtime: when the bytes were last changed, or what somebody set it to.
    pub modified: Timestamp,
    /// ctime: when anything about the file was last changed.
    pub changed: Timestamp,
}

/// A time of the filesystem: seconds since the epoch (negative before it) and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Stamp {
    pub(super) fn of(status: &Statx) -> Self {
        Self {
            mount: status.stx_mnt_id,
            device: device(status),
            inode: status.stx_ino,
            size: status.stx_size,
            modified: Timestamp::of(status.stx_mtime),
            changed: Timestamp::of(status.stx_ctime),
        }
    }

    /// Reports whether both name the same inode in the same mount.
    pub fn same_inode(&self, other: &Self) -> bool {
        (self.mount, self.device, self.inode) == (other.mount, other.device, other.inode)
    }

    /// Reports whether the file is longer than under an earlier stamp.
    pub fn has_grown_from(&self, earlier: &Self) -> bool {
        self.same_inode(earlier) && self.size > earlier.size
    }

    /// Reports whether both name the same inode with the same size and mtime: what stays the same when a
    /// file is only renamed, linked or unlinked.
    pub fn same_content_times(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }
}

impl Timestamp {
    fn of(time: rustix::fs::StatxTimestamp) -> Self {
        Self { seconds: time.tv_sec, nanoseconds: time.tv_nsec }
    }

    /// Milliseconds from this time until `now`; negative when it lies in the future.
    pub fn age_ms(self, now: SystemTime) -> i64 {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let then = self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanoseconds / 1_000_000));
        now.saturating_sub(then)
    }
}

/// Calls `statx` for what a stamp, a type and a link count need.
pub(super) fn stat(dir: impl AsFd, path: impl Arg, flags: AtFlags) -> Result<Statx, Errno> {
    // A kernel that knows the second bit for the mount answers it in place of the first.
    let wanted = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID).union(MNT_ID_UNIQUE);
    statx(dir, path, flags | AtFlags::NO_AUTOMOUNT, wanted)
}

/// Reports whether the kernel gives each mount a number that no other gets (Linux 6.8).
pub(super) fn has_unique_mount(status: &Statx) -> bool {
    status.stx_mask & MNT_ID_UNIQUE.bits() != 0
}

/// Returns what names a directory for as long as it is held open: mount, device and inode number.
pub(super) fn mounted_identity(status: &Statx) -> (u64, u64, u64) {
    (status.stx_mnt_id, device(status), status.stx_ino)
}

/// What names an inode: device and inode number.
pub(super) fn identity(status: &Statx) -> (u64, u64) {
    (device(status), status.stx_ino)
}

/// What kind of thing was found.
pub(super) fn file_type(status: &Statx) -> FileType {
    FileType::from_raw_mode(status.stx_mode.into())
}

/// Whether a directory was found.
pub(super) fn is_directory(status: &Statx) -> bool {
    file_type(status) == FileType::Directory
}

fn device(status: &Statx) -> u64 {
    (u64::from(status.stx_dev_major) << 32) | u64::from(status.stx_dev_minor)
}

//! What a reserved name stands for, as far as the name and its folder tell. Nothing is changed here.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::HasTag;
use crate::root::OpenFile;
use crate::root::lease::{self, LeaseProbe};
use crate::root::place::WriteError;
use crate::root::reserved::{Kind, Reserved, TargetName};
use crate::root::stamp::{file_type, stat};

/// What has a reserved name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing any more, or something that a live server looks after.
    Settled,
    /// Something that stays as it is, for this reason.
    Left(&'static str),
    /// An upload that nobody has seen.
    Unseen,
    /// The version that a write was to displace. The write stands.
    Displaced,
    /// A version that a write displaced although it was another one than expected.
    Swapped,
    /// A version that a deletion took away although it was another one than expected.
    TakenAway,
    /// A file of which nobody knows where it belongs.
    Stray,
}

/// Says what has the reserved name `name`. `reserved` is what the name tells, if it can be read; `target` is the name
/// of the file it belongs to, if that is known. The folder must be locked, unless an uploaded body is asked about.
pub(super) fn find(
    folder: &OwnedFd,
    name: &CStr,
    reserved: Option<&Reserved>,
    target: Option<&CStr>,
    has_tag: &HasTag<'_>,
) -> Finding {
    let Ok(status) = stat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return Finding::Settled };
    if is_sticky(folder) && status.stx_uid != geteuid().as_raw() {
        // Where everybody may make names, but not touch those of others, a name proves nothing.
        return Finding::Left("another user may have made it");
    }
    let is_file = file_type(&status) == FileType::RegularFile;
    let Some(reserved) = reserved else {
        return match is_file {
            false => Finding::Left("its name cannot be read, and it is no file"),
            true if is_in_use(folder, name) => Finding::Settled,
            true => Finding::Stray,
        };
    };
    let is_ours = status.stx_ino == reserved.inode;
    match reserved.kind {
        Kind::Temporary if is_in_use(folder, name) => Finding::Settled,
        Kind::Temporary => Finding::Unseen,
        // Between two attempts of a server that lives.
        Kind::Replace if is_ours && is_in_use(folder, name) => Finding::Settled,
        Kind::Replace if is_ours && is_as_staged(folder, name, reserved) => Finding::Unseen,
        Kind::Replace if !is_ours && is_file && is_expected(folder, name, reserved, has_tag) => {
            Finding::Displaced
        }
        Kind::Replace if !is_ours && target.is_some() => Finding::Swapped,
        Kind::Remove if is_file && is_expected(folder, name, reserved, has_tag) => Finding::Displaced,
        Kind::Remove if target.is_some() => Finding::TakenAway,
        // Ours, but somebody wrote to it while it was there to be seen; or nobody knows what belongs where.
        Kind::Replace | Kind::Remove => Finding::Stray,
    }
}

/// Returns the name of the file that a reserved name belongs to. A whole name is known even if nothing has it.
pub(super) fn find_target(folder: &OwnedFd, reserved: &Reserved) -> Result<Option<CString>, WriteError> {
    match &reserved.target {
        TargetName::Whole(name) => return Ok(Some(name.clone()).filter(|name| !name.is_empty())),
        TargetName::Checksum(_) => {}
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if reserved.target.is(entry.file_name()) {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}

/// Reports whether `name` is the new version, as it was staged.
pub(super) fn is_as_staged(folder: &OwnedFd, name: &CStr, reserved: &Reserved) -> bool {
    open_file(folder, name).is_some_and(|file| {
        let stamp = file.stamp();
        (stamp.inode, stamp.size, stamp.modified) == (reserved.inode, reserved.size, reserved.modified)
            && lease::probe(file.as_fd()) != LeaseProbe::Busy
    })
}

/// Reports whether only the owner of a name may take it away.
fn is_sticky(folder: &OwnedFd) -> bool {
    const STICKY: u16 = 0o1000;
    stat(folder, c"", AtFlags::EMPTY_PATH).is_ok_and(|status| status.stx_mode & STICKY != 0)
}

/// Reports whether `name` is a version of a live server: those are locked, from before they have a name.
fn is_in_use(folder: &OwnedFd, name: &CStr) -> bool {
    open_file(folder, name)
        .is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

/// Reports whether `name` is the version that was to be displaced.
fn is_expected(folder: &OwnedFd, name: &CStr, reserved: &Reserved, has_tag: &HasTag<'_>) -> bool {
    let Some(tag) = &reserved.expected else { return true };
    open_file(folder, name).is_some_and(|file| has_tag(&file, tag))
}

fn open_file(folder: &OwnedFd, name: &CStr) -> Option<OpenFile> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    OpenFile::new(openat(folder, name, flags, Mode::empty()).ok()?).ok()
}

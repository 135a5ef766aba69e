//! What a new version of a file takes over from the one it replaces: mode, owner, extended
//! attributes and access control lists. Not its times, and not its inode flags.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{
    AtFlags, Gid, Mode, Uid, XattrFlags, fchmod, fchown, fgetxattr_query, fremovexattr, fsetxattr, getxattr,
    getxattr_query, listxattr,
};
use rustix::io::Errno;

use super::Stamp;
use super::filesystem::{StoreErrors, store_errors};
use super::stage::descriptor;
use super::stamp::stat;

/// The largest value an attribute can have, and the largest list of names (xattr(7)).
const LARGEST: usize = 64 * 1024;

const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Makes `new` look like `old`, as far as this process may.
///
/// When the group cannot be taken over, what the old group might do is not granted to another one, which
/// may do what all others may. The set-id bits belong to the bytes that had them, as the kernel sees it too,
/// which takes them away when a file is written to. Returns the stamp of the old file.
pub(super) fn take_over(old: impl AsFd, new: impl AsFd) -> Result<Stamp, Errno> {
    let (from, to) = (stat(&old, c"", AtFlags::EMPTY_PATH)?, stat(&new, c"", AtFlags::EMPTY_PATH)?);
    let mut mode = u32::from(from.stx_mode) & 0o1777;
    if (from.stx_uid, from.stx_gid) != (to.stx_uid, to.stx_gid) {
        let (owner, group) = (Uid::from_raw(from.stx_uid), Gid::from_raw(from.stx_gid));
        if fchown(&new, Some(owner), Some(group)).is_err() {
            // Not allowed to give files away; the group alone may be possible.
            if from.stx_gid != to.stx_gid && fchown(&new, None, Some(group)).is_err() {
                mode = mode & !0o070 | (mode & 0o007) << 3;
            }
        }
    }
    let old = descriptor(&old);
    copy_attributes(&old, &new)?;
    drop_inherited_list(&old, &new)?;
    // Last: a change of owner clears bits, and a list grants the group what the old one had.
    if u32::from(stat(&new, c"", AtFlags::EMPTY_PATH)?.stx_mode) & 0o7777 != mode {
        fchmod(&new, Mode::from_raw_mode(mode))?;
    }
    Ok(Stamp::of(&from))
}

/// Reports whether both files belong to the same user and group.
pub(super) fn have_one_owner(one: impl AsFd, other: impl AsFd) -> Result<bool, Errno> {
    let (one, other) = (stat(&one, c"", AtFlags::EMPTY_PATH)?, stat(&other, c"", AtFlags::EMPTY_PATH)?);
    Ok((one.stx_uid, one.stx_gid) == (other.stx_uid, other.stx_gid))
}

/// The old file is named by its descriptor's path, since one that may not be read has no other use.
fn copy_attributes(old: &CStr, new: impl AsFd) -> Result<(), Errno> {
    let mut names = [0; 1024];
    let listed = match listxattr(old, &mut names) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(()),
        Ok(length) => names[..length].to_vec(),
        Err(Errno::RANGE) => {
            let mut names = vec![0; LARGEST];
            let length = listxattr(old, &mut names)?;
            names.truncate(length);
            names
        }
        // `rclone mount` has no attributes, and says so with EIO.
        Err(Errno::IO) if store_errors(&new) == StoreErrors::Unknown => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let mut value = vec![0; LARGEST];
    for name in listed.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if !is_kept(name.to_bytes()) {
            continue;
        }
        let Ok(length) = getxattr(old, name, &mut value) else { continue };
        match fsetxattr(&new, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A new file may have got an access control list from its folder; one whose predecessor had none
/// gets rid of it again.
fn drop_inherited_list(old: &CStr, new: impl AsFd) -> Result<(), Errno> {
    let inherited = fgetxattr_query(&new, ACCESS_LIST).is_ok();
    if inherited && getxattr_query(old, ACCESS_LIST).is_err() {
        fremovexattr(&new, ACCESS_LIST)?;
    }
    Ok(())
}

/// Users' attributes, access control lists and the SELinux label; never capabilities, which belong to
/// the bytes that had them.
fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name == ACCESS_LIST.to_bytes() || name == b"security.selinux"
}

#[cfg(test)]
mod tests;

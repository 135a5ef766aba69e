//! A look at what crashes have left, by a server that may not write: each reserved name is logged with what it means, and
//! the version that was accepted stands in for what is at its place.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::AtFlags;

use super::finding::{Finding, find, find_target, is_as_staged};
use super::{HasTag, Root, WriteError, below};
use crate::root::interrupted::{InsteadOf, StandIn};
use crate::root::reserved::Reserved;
use crate::root::stamp::stat;

/// A live server has a reserved name for a shorter time.
const PAUSE: Duration = Duration::from_millis(200);

/// What was found so far.
#[derive(Default)]
struct Survey {
    names: u64,
    stand_ins: HashMap<String, StandIn>,
}

impl Root {
    /// Goes through all folders of the root and takes note of every reserved name that no live server has. Nothing is
    /// changed. Returns the paths whose accepted version has a reserved name.
    ///
    /// # Errors
    /// [`WriteError`] when the root itself cannot be read.
    pub fn survey(&self, has_tag: &HasTag<'_>) -> Result<Vec<String>, WriteError> {
        let mut survey = Survey::default();
        self.visit_folders(|folder, path, names| {
            if !names.is_empty() {
                std::thread::sleep(PAUSE);
            }
            for name in names {
                if let Err(error) = survey.look(folder, path, &name, has_tag) {
                    log::warn!("an interrupted write could not be looked at: {name:?}: {error:?}");
                }
            }
        })?;
        let paths = survey.stand_ins.keys().cloned().collect();
        self.interrupted.note(survey.names, survey.stand_ins);
        Ok(paths)
    }
}

impl Survey {
    fn look(
        &mut self,
        folder: &OwnedFd,
        path: &[u8],
        name: &CStr,
        has_tag: &HasTag<'_>,
    ) -> Result<(), WriteError> {
        let reserved = Reserved::parse(name);
        let target = match &reserved {
            Some(reserved) => find_target(folder, reserved)?,
            None => Reserved::likely_target(name),
        };
        let finding = find(folder, name, reserved.as_ref(), target.as_deref(), has_tag);
        if finding == Finding::Settled {
            return Ok(());
        }
        self.names += 1;
        let place = String::from_utf8_lossy(&below(path, name)).into_owned();
        let meaning = match (finding, target) {
            (Finding::Unseen, _) => "it is an upload that nobody has seen".to_owned(),
            (Finding::Displaced, _) => "it was replaced or deleted, as was asked for".to_owned(),
            (Finding::Left(why), _) => format!("it is left alone: {why}"),
            (Finding::Swapped | Finding::TakenAway, Some(target)) => {
                let instead_of = match (&reserved, finding) {
                    (Some(reserved), Finding::Swapped) if is_as_staged(folder, &target, reserved) => {
                        Some(InsteadOf::Version(reserved.inode, reserved.size, reserved.modified))
                    }
                    _ if stat(folder, &target, AtFlags::SYMLINK_NOFOLLOW).is_err() => {
                        Some(InsteadOf::Nothing)
                    }
                    _ => None,
                };
                self.stand_in(folder, path, name, &target, instead_of)?
            }
            _ => "nobody knows where it belongs".to_owned(),
        };
        log::warn!(
            "a write was interrupted and has left {place:?}: {meaning}; start a server there that may write"
        );
        Ok(())
    }

    /// Lets the file `name` stand in for `target`, if what is there now is known. Returns what that means, in words.
    fn stand_in(
        &mut self,
        folder: &OwnedFd,
        path: &[u8],
        name: &CStr,
        target: &CString,
        instead_of: Option<InsteadOf>,
    ) -> Result<String, WriteError> {
        let inode = stat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.stx_ino;
        Ok(match (String::from_utf8(below(path, target)), instead_of) {
            (Ok(target), Some(instead_of)) => {
                let words = format!("it is what another program saved, and is served at /{target}");
                self.stand_ins.insert(target, StandIn { path: below(path, name), inode, instead_of });
                words
            }
            _ => format!("it is what another program saved at {target:?}, where a later version is now"),
        })
    }
}

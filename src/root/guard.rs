//! What a compare-and-swap can rest on here: tried out once, with files of our own.

use rustix::fs::{AtFlags, RenameFlags, renameat_with, unlinkat};

use super::naming::{StagedName, try_rename_to_new};
use super::place::WriteError;
use super::protection::Protection;
use super::reserved::{LONGEST_NAME, Reserved};
use super::stage::{Held, StagedFile};
use super::{Place, Root};
use crate::resource_path::{Dotfiles, ResourcePath};

/// What guards a swap against other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapGuard {
    /// Names can be exchanged, and leases tell of writers.
    Lease,
    /// Names can be exchanged; a writer shows only by comparing twice.
    Recheck,
    /// Names cannot be exchanged: looking, then renaming. Another program's save in that moment is lost.
    None,
}

/// What guards the creation of a file against other programs that create one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreationGuard {
    /// One call gives a name only if nothing has it.
    Exact,
    /// There is no such call: looking, then renaming. What another program creates in that moment is lost.
    Look,
}

impl CreationGuard {
    /// The guard as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Look => "look",
        }
    }
}

impl SwapGuard {
    /// The guard as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Recheck => "recheck",
            Self::None => "none",
        }
    }
}

impl Root {
    /// Tries out, in the root folder, how a file gets a name that nothing has.
    ///
    /// # Errors
    /// [`WriteError`] when nothing can be written there.
    pub fn try_creation(&self) -> Result<CreationGuard, WriteError> {
        let place = self.probe_place()?;
        let _lock = self.lock(&place);
        let mut version = StagedFile::at(&place)?.complete()?;
        // What has no name yet gets one by a link, which is exact.
        let Some(StagedName { directory, name }) = &version.name else { return Ok(CreationGuard::Exact) };
        let new = Reserved::temporary(std::process::id(), u64::MAX).encode(LONGEST_NAME);
        let _ = unlinkat(directory, &new, AtFlags::empty());
        let guard = try_rename_to_new(directory, name, directory, &new)?;
        let directory = directory.try_clone().map_err(|_| WriteError::Overloaded)?;
        version.name.replace(StagedName { directory, name: new }).into_iter().for_each(StagedName::forget);
        Ok(guard)
    }

    fn probe_place(&self) -> Result<Place, WriteError> {
        let path = ResourcePath::ROOT.child("probe", Dotfiles::Served).ok_or(WriteError::BadName)?;
        self.place_of_name(&path)
    }

    /// Tries out, in the root folder, what a swap can rest on.
    ///
    /// # Errors
    /// [`WriteError`] when nothing can be written there.
    pub fn try_swap(&self) -> Result<SwapGuard, WriteError> {
        let place = self.probe_place()?;
        // Another server may be trying it out too, under the same names if it is in another container.
        let _lock = self.lock(&place);
        let (mut one, mut other) = (StagedFile::at(&place)?.complete()?, StagedFile::at(&place)?.complete()?);
        let leased = matches!(one.held(), Held::Leased(_));
        if Protection::of(&place.directory)? == Protection::AppendOnly {
            // The names of the probe could not be removed. Nothing is exchanged in this folder; in the folders below it
            // names are exchanged as on any disk that knows append-only folders.
            return Ok(if leased { SwapGuard::Lease } else { SwapGuard::Recheck });
        }
        one.reserve_temporarily(&place, 0)?;
        other.reserve_temporarily(&place, 1)?;
        Ok(match (exchange(&place, &one.name, &other.name), leased) {
            (true, true) => SwapGuard::Lease,
            (true, false) => SwapGuard::Recheck,
            (false, _) => SwapGuard::None,
        })
    }
}

fn exchange(place: &Place, one: &Option<StagedName>, other: &Option<StagedName>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    let directory = &place.directory;
    renameat_with(directory, &one.name, directory, &other.name, RenameFlags::EXCHANGE).is_ok()
}

impl super::StagedVersion {
    /// Gives it a temporary name.
    fn reserve_temporarily(&mut self, place: &Place, number: u64) -> Result<(), WriteError> {
        if self.name.is_none() {
            let name = Reserved::temporary(std::process::id(), u64::MAX - number).encode(LONGEST_NAME);
            let _ = unlinkat(&place.directory, &name, AtFlags::empty());
            self.link(&place.directory, &name)?;
            let directory = place.directory.try_clone().map_err(|_| WriteError::Overloaded)?;
            self.name = Some(StagedName { directory, name });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

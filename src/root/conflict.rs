//! Conflict copies: what somebody wrote to a version that was replaced in the same instant is kept beside
//! the file, under a name that everybody sees.

use std::ffi::{CStr, CString};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::filesystem::StoreErrors;
use super::naming::rename_to_new;
use super::place::{Place, WriteError};
use super::stage::{Creation, StagedFile};
use super::{OpenFile, Root};
use crate::resource_path::CONFLICT_MARK;

/// How much is copied at once.
const PIECE: usize = 1 << 20;

/// The length of a name that is tried where a filesystem takes no longer one although it says so.
const SHORTEST_LIMIT: usize = 80;

/// How many names are tried.
const ATTEMPTS: u32 = 100;

impl Root {
    /// How many swaps were undone since the start.
    pub fn undone_swaps(&self) -> u64 {
        self.undone_swaps.load(Ordering::Relaxed)
    }

    /// How many conflict copies were made so far.
    pub fn conflict_copies(&self) -> u64 {
        self.conflict_copies.load(Ordering::Relaxed)
    }

    /// Gives a version that has a reserved name the name of a conflict copy.
    pub(super) fn keep_beside(&self, place: &Place, reserved: &CStr) -> Result<(), WriteError> {
        let mut longest = place.longest_name();
        for attempt in 0..ATTEMPTS {
            let name = conflict_name(&place.name, SystemTime::now(), attempt, longest);
            match rename_to_new(&place.directory, reserved, &place.directory, &name) {
                Err(Errno::EXIST) => {}
                Err(Errno::NAMETOOLONG) if longest > SHORTEST_LIMIT => longest = SHORTEST_LIMIT,
                other => {
                    other?;
                    self.tell_of(place, &name);
                    return Ok(());
                }
            }
        }
        Err(WriteError::Busy)
    }

    /// Writes the bytes of a file that has lost its name to a conflict copy beside `place`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn copy_beside(&self, place: &Place, file: &OpenFile) -> Result<(), WriteError> {
        let mut copy = StagedFile::at(place)?;
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        loop {
            match file.read_at(&mut piece, offset)? {
                0 => break,
                read => {
                    copy.write(&piece[..read])?;
                    offset += read as u64;
                }
            }
        }
        copy.sync()?;
        let mut copy = copy.complete()?;
        if copy.store_errors() == StoreErrors::Unknown && !have_the_same_bytes(copy.uncached(), file)? {
            return Err(WriteError::NotStored);
        }
        copy.take_over_file(file)?;
        copy.sync()?;
        let mut longest = place.longest_name();
        for attempt in 0..ATTEMPTS {
            let name = conflict_name(&place.name, SystemTime::now(), attempt, longest);
            let created = match copy.create(&place.beside(&name)?) {
                Err(WriteError::BadName) if longest > SHORTEST_LIMIT => {
                    longest = SHORTEST_LIMIT;
                    continue;
                }
                other => other?,
            };
            if created == Creation::Done {
                self.tell_of(place, &name);
                if let Err(error) = place.sync() {
                    log::warn!("{name:?} is stored, but a power failure now could lose it: {error:?}");
                }
                return Ok(());
            }
        }
        Err(WriteError::Busy)
    }

    fn tell_of(&self, place: &Place, name: &CStr) {
        self.conflict_copies.fetch_add(1, Ordering::Relaxed);
        log::warn!(
            "somebody wrote to {:?} while it was replaced; what they wrote is kept beside it as {name:?}",
            place.name
        );
    }
}

/// Reads both files and compares them.
fn have_the_same_bytes(one: &OpenFile, other: &OpenFile) -> Result<bool, Errno> {
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    loop {
        let (there, here) = (fill(one, &mut left, offset)?, fill(other, &mut right, offset)?);
        if left[..there] != right[..here] {
            return Ok(false);
        }
        if there == 0 {
            return Ok(true);
        }
        offset += there as u64;
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &OpenFile, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// `notes.txt` becomes `notes.conflict-20261122T151309Z-1a2b3c.txt`, cut so that it has at most `longest` bytes.
fn conflict_name(name: &CStr, now: SystemTime, attempt: u32, longest: usize) -> CString {
    let name = name.to_bytes();
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0 && name.len() - at <= 16);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let distinct = (since.subsec_micros() + attempt) & 0xff_ffff;
    let middle = format!("{CONFLICT_MARK}{}-{distinct:06x}", compact(since.as_secs()));
    let room = longest.saturating_sub(middle.len() + extension.len());
    let mut text = stem[..stem.len().min(room)].to_vec();
    // No character may be cut in two.
    while std::str::from_utf8(stem).is_ok() && std::str::from_utf8(&text).is_err() {
        text.pop();
    }
    text.extend_from_slice(middle.as_bytes());
    text.extend_from_slice(extension);
    CString::new(text).unwrap_or_default()
}

/// Seconds since the epoch as `yyyymmddThhmmssZ`.
fn compact(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, in eras of 400: leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests;

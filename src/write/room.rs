//! Room on the disk. Displaced versions are kept for a moment and take room all the while, but a disk that is full of them is
//! not full.

use std::time::Duration;

use super::quarantine::{Quarantine, Released};
use super::{Intent, LARGE, Refusal, Writer};
use crate::root::{Place, WriteError};

/// How often a step is tried again. Some filesystems take a moment until the room of a removed file counts as free.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The tries that a step has left for which there was no room.
pub(super) struct Tries<'a> {
    quarantine: &'a Quarantine,
    left: usize,
}

impl Tries<'_> {
    /// Releases displaced versions, and reports whether the step is worth another try. Blocks for a moment.
    pub(super) fn another(&mut self) -> bool {
        let worth = self.left > 0 && self.quarantine.make_room() == Released::Some;
        if worth {
            self.left -= 1;
            std::thread::sleep(PAUSE);
        }
        worth
    }
}

impl<R: Send + Sync + 'static> Writer<R> {
    pub(super) fn tries(&self) -> Tries<'_> {
        Tries { quarantine: &self.quarantine, left: TRIES }
    }

    /// Runs a step that takes room on the disk, and again if there was none but displaced versions could be released. Blocks.
    ///
    /// # Errors
    /// Those of the step.
    pub(super) fn with_room<T>(
        &self,
        mut step: impl FnMut() -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut tries = self.tries();
        loop {
            match step() {
                Err(WriteError::Full) if tries.another() => {}
                outcome => return outcome,
            }
        }
    }

    /// Reports whether a large body is worth receiving: whether there is room for it.
    pub(super) async fn check_room(&self, place: &Place, intent: Intent) -> Result<(), Refusal> {
        let Intent::Put(Some(length)) = intent else { return Ok(()) };
        for _ in 0..TRIES {
            if length <= LARGE || place.free_space()? >= length {
                return Ok(());
            }
            if self.quarantine.make_room() == Released::Nothing {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(WriteError::Full.into())
    }
}

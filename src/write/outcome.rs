//! What became of a write.

use std::sync::Arc;

use super::Refusal;
use crate::root::WriteError;
use crate::semantics::entity_tag::EntityTag;
use crate::validator_store::Entry;

/// What became of a write.
pub enum WriteOutcome<R> {
    /// There was nothing; now there is this.
    Created(Arc<Entry<R>>),
    /// What was there is replaced by this.
    Replaced(Arc<Entry<R>>),
    /// What was there is gone.
    Deleted,
    /// The bytes that were sent are there already.
    Replayed,
    /// The folder was changed, and then something failed.
    Unsettled(Unsettled),
    /// Nothing was changed.
    Refused(Refusal),
}

/// A write that has changed the folder, and of which a later step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// What is there now.
    pub state: UnsettledState,
    /// What failed.
    pub cause: WriteError,
}

/// What an unsettled write has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsettledState {
    /// The bytes that were sent, with this tag if it is that of this write. A power failure may take them away.
    Stored(Option<EntityTag<'static>>),
    /// Nothing. A power failure may bring the file back.
    Deleted,
    /// Not known: the write was to be taken back, and that failed.
    Unknown,
}

impl<R> WriteOutcome<R> {
    /// Says that a later step failed, for this reason, where this outcome has changed the folder.
    pub(super) fn unsettled(self, cause: WriteError) -> Self {
        let state = match self {
            Self::Created(entry) | Self::Replaced(entry) => {
                UnsettledState::Stored(entry.validators().entity_tag.clone())
            }
            Self::Replayed => UnsettledState::Stored(None),
            Self::Deleted => UnsettledState::Deleted,
            other @ (Self::Unsettled(_) | Self::Refused(_)) => return other,
        };
        Self::Unsettled(Unsettled { state, cause })
    }
}

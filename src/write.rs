//! The write path: compare-and-swap on the files of the folder, for PUT and DELETE.
//!
//! A write is judged twice: on what is there when its head has come ([`Writer::verdict`]), so that nobody
//! sends a body in vain, and on what is there when it is committed, under a lock and a lease.
//!
//! Nothing here knows of HTTP messages or status codes.

mod commit;
mod judge;
mod outcome;
mod prepare;
mod quarantine;
mod room;
mod shares;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use outcome::{Unsettled, UnsettledState, WriteOutcome};
pub use prepare::{prepare, survey};
pub use shares::{Client, Full, Share};
pub use upload::Upload;

use crate::resource_path::ResourcePath;
use crate::root::{CreationGuard, Occupant, OpenError, Parents, SwapGuard, WriteError};
use crate::semantics::integrity::IntegrityMismatch;
use crate::semantics::preconditions::{MethodClass, PreconditionField, Preconditions, Verdict};
use crate::semantics::validators::Validators;
use crate::validator_store::{Found, Patience, ValidatorStore};
use quarantine::Quarantine;
use shares::Shares;

/// Commits under way at once: each holds a thread that waits for the disk.
const COMMITS: usize = 32;

/// How many uploads may be under way at once, if nothing else is said.
pub const DEFAULT_MAX_UPLOADS: usize = 256;

/// How many may be allowed at most: each takes an open file, and half a megabyte of memory.
pub const LARGEST_MAX_UPLOADS: usize = 100_000;

/// Uploads above this size are not begun where there is no room for them.
const LARGE: u64 = 1 << 20;

/// What may be written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// PUT.
    pub uploads: Uploads,
    /// DELETE.
    pub deletes: Deletes,
    /// Writes of an existing file that name no version.
    pub unconditional: Unconditional,
    /// A write whose answer was lost, sent again.
    pub replay: Replay,
    /// What an answer of success means.
    pub durability: Durability,
    /// The most bytes an upload may have.
    pub limit: Option<u64>,
    /// How many uploads may be under way at once; the others are told to come back later.
    pub at_once: usize,
}

/// What PUT may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uploads {
    /// Nothing.
    #[default]
    Refused,
    /// Create what is not there.
    CreateOnly,
    /// Create and replace.
    Allowed,
}

/// What DELETE may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// Nothing.
    #[default]
    Refused,
    /// Delete files.
    Allowed,
}

/// Whether a write of an existing file must name a version (RFC 6585 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconditional {
    /// It need not: the last writer wins.
    #[default]
    Allowed,
    /// It must.
    Refused,
}

/// Whether a write that has happened already counts as done (RFC 9110 13.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// Its precondition fails, like any other's.
    #[default]
    Fails,
    /// It succeeds if the bytes that are there are those that were sent.
    Succeeds,
}

/// What has happened when a write is reported as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The bytes and the name are on disk.
    #[default]
    Full,
    /// The bytes are; the name will be.
    File,
    /// Both are in memory only: a power failure can leave an empty file.
    None,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// A precondition does not hold.
    Failed(PreconditionField),
    /// A precondition is missing.
    Unconditional,
    /// Something is there, and may not be replaced.
    Exists,
    /// There is nothing to delete.
    Nothing,
    /// The body is not what a digest field says.
    Mismatch(Box<IntegrityMismatch>),
    /// Too many uploads are under way.
    TooMany(Full),
    /// Somebody is writing to the file at the moment.
    Writers,
    /// The filesystem says no.
    Impossible(WriteError),
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy => Self::Writers,
            error => Self::Impossible(error),
        }
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        WriteError::from(error).into()
    }
}

/// What a write is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Store a body of this many bytes, if that is known.
    Put(Option<u64>),
    /// Delete the file.
    Delete,
}

/// Writes to the folder of a store.
pub struct Writer<R> {
    store: Arc<ValidatorStore<R>>,
    options: WriteOptions,
    guard: Option<SwapGuard>,
    creation: Option<CreationGuard>,
    commits: Shares,
    uploads: Shares,
    quarantine: Quarantine,
    unsettled: AtomicU64,
}

impl WriteOptions {
    /// Nothing may be written.
    pub const READ_ONLY: Self = Self {
        uploads: Uploads::Refused,
        deletes: Deletes::Refused,
        unconditional: Unconditional::Allowed,
        replay: Replay::Fails,
        durability: Durability::Full,
        limit: None,
        at_once: DEFAULT_MAX_UPLOADS,
    };

    /// Whether anything may be written.
    pub fn allow_writes(&self) -> bool {
        self.uploads != Uploads::Refused || self.deletes != Deletes::Refused
    }
}

impl<R: Send + Sync + 'static> Writer<R> {
    /// A writer to the folder of `store`. Where anything may be written, it first tries out what a swap can
    /// rest on.
    pub fn new(store: Arc<ValidatorStore<R>>, options: WriteOptions) -> Arc<Self> {
        let guard = options.allow_writes().then(|| store.root().try_swap());
        let guard = guard.and_then(|tried| {
            tried
                .inspect_err(|error| {
                    log::warn!(
                        "uploads will fail, because nothing can be written to the served folder: {error:?}"
                    )
                })
                .ok()
        });
        let creation = guard.and_then(|_| store.root().try_creation().ok());
        let quarantine = Quarantine::new(Arc::clone(&store));
        if options.allow_writes()
            && let Err(error) = quarantine.start()
        {
            log::warn!(
                "the thread that notices late writers could not be started, which is tried again: {error}"
            );
        }
        Arc::new(Self {
            creation,
            quarantine,
            store,
            options,
            guard,
            commits: Shares::new(COMMITS),
            uploads: Shares::new(options.at_once),
            unsettled: AtomicU64::new(0),
        })
    }

    /// What may be written, and how.
    pub fn options(&self) -> &WriteOptions {
        &self.options
    }

    /// What swaps rest on in the root folder; `None` where nothing can be written.
    pub fn guard(&self) -> Option<SwapGuard> {
        self.guard
    }

    /// What the creation of files rests on in the root folder; `None` where nothing can be written.
    pub fn creation_guard(&self) -> Option<CreationGuard> {
        self.creation
    }

    /// How many writes have changed the folder and were answered with an error.
    pub fn unsettled_writes(&self) -> u64 {
        self.unsettled.load(Ordering::Relaxed)
    }

    /// Checks that `client` could begin an upload now.
    ///
    /// # Errors
    /// [`Refusal::TooMany`].
    pub fn check_share(&self, client: &Client) -> Result<(), Refusal> {
        self.uploads.try_take(client).map(drop).map_err(Refusal::TooMany)
    }

    /// Judges a write by its head, before its body has come. What passes is judged again at the end.
    ///
    /// # Errors
    /// Why it would be refused.
    pub async fn verdict(
        &self,
        path: &ResourcePath<'_>,
        intent: Intent,
        preconditions: &Preconditions<'_>,
    ) -> Result<(), Refusal> {
        let place = match self.store.root().place(path, Parents::Existing) {
            Ok(place) => place,
            Err(WriteError::Missing) => {
                self.judge_nothing(intent, preconditions)?;
                return Ok(self.store.root().check_missing_parents(path)?);
            }
            Err(error) => return Err(error.into()),
        };
        let occupant = place.occupant()?;
        if matches!(occupant, Occupant::Nothing) {
            self.judge_nothing(intent, preconditions)?;
        } else {
            self.judge_version(path, intent, preconditions).await?;
        }
        place.check_writable(&occupant)?;
        self.check_room(&place, intent).await
    }

    /// Nothing is there: RFC 9110 13.2.1 has DELETE's 404 go before preconditions.
    fn judge_nothing(&self, intent: Intent, preconditions: &Preconditions<'_>) -> Result<(), Refusal> {
        match (intent, preconditions.evaluate(MethodClass::Write, None)) {
            (Intent::Delete, _) => Err(Refusal::Nothing),
            (Intent::Put(_), Verdict::Failed(field)) => Err(Refusal::Failed(field)),
            (Intent::Put(_), Verdict::Perform | Verdict::NotModified) => Ok(()),
        }
    }

    /// A file is there.
    async fn judge_version(
        &self,
        path: &ResourcePath<'_>,
        intent: Intent,
        preconditions: &Preconditions<'_>,
    ) -> Result<(), Refusal> {
        let current = match preconditions.name_a_version() {
            true => match self.validators_now(path).await {
                Ok(Some(validators)) => validators,
                // It has gone in this moment.
                Ok(None) => return self.judge_nothing(intent, preconditions),
                Err(refusal) => return Err(refusal),
            },
            false => Validators { entity_tag: None, last_modified: None },
        };
        match self.judge(intent, preconditions, &current) {
            // Whether it is a replay shows when the body is there.
            Err(Refusal::Failed(PreconditionField::IfMatch)) if self.may_be_replay(intent) => Ok(()),
            other => other,
        }
    }

    async fn validators_now(&self, path: &ResourcePath<'_>) -> Result<Option<Validators>, Refusal> {
        if let Some(entry) = self.store.hit(path.as_str()) {
            return Ok(Some(entry.validators().clone()));
        }
        match self.store.current(path, Patience::Full).await {
            Ok(Found::Hashed(entry)) => Ok(Some(entry.validators().clone())),
            Ok(Found::Unhashed(_)) => Err(Refusal::Writers),
            Ok(Found::Directory(_)) => Err(WriteError::Folder.into()),
            Err(OpenError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn may_be_replay(&self, intent: Intent) -> bool {
        self.options.replay == Replay::Succeeds && intent != Intent::Delete
    }

    /// The one order of reasons, for a file that is there.
    fn judge(
        &self,
        intent: Intent,
        preconditions: &Preconditions<'_>,
        current: &Validators,
    ) -> Result<(), Refusal> {
        if let Verdict::Failed(field) = preconditions.evaluate(MethodClass::Write, Some(current)) {
            return Err(Refusal::Failed(field));
        }
        if intent != Intent::Delete && self.options.uploads == Uploads::CreateOnly {
            return Err(Refusal::Exists);
        }
        if self.options.unconditional == Unconditional::Refused && !preconditions.guard_a_write() {
            return Err(Refusal::Unconditional);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

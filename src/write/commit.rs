//! Committing: the numbered steps of PUT and DELETE once the body is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::judge::{Displaced, Judgement, ReadBefore, Remains};
use super::upload::{Complete, Upload};
use super::{Client, Durability, Intent, Refusal, Replay, Unsettled, UnsettledState, WriteOutcome, Writer};
use crate::resource_path::ResourcePath;
use crate::root::{Creation, DirectoryLock, Held, Parents, Place, Stamp, Swap, WriteError};
use crate::semantics::preconditions::{PreconditionField, Preconditions};
use crate::validator_store::Entry;

/// How long somebody who has the file open for writing is waited for, and how often it is looked.
const WRITERS_PATIENCE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(5);

/// How often a commit begins again because others were faster.
const ATTEMPTS: usize = 64;

/// How often a commit reads a large file again because another one is there now.
const READINGS: usize = 8;

/// How one attempt ended.
enum Step<R> {
    /// With this outcome; what was displaced is looked after.
    Done(WriteOutcome<R>, Option<Remains>),
    /// Others were faster: judge again.
    Again,
    /// Somebody is writing: wait a moment.
    Wait,
    /// This file is large and has to be read first, without the lock: others write to the directory meanwhile.
    Read(Held),
}

/// A version that is ready to be published.
struct Ready {
    complete: Complete,
    /// The stamp of the file whose mode, owner and attributes it has.
    looks_like: Option<Stamp>,
}

impl<R: Send + Sync + 'static> Writer<R> {
    /// Publishes a body.
    pub async fn put(
        self: &Arc<Self>,
        upload: Upload<R>,
        preconditions: Preconditions<'static>,
    ) -> WriteOutcome<R> {
        let this = Arc::clone(self);
        let client = upload.client().clone();
        self.commit(&client, move || this.commit_put(upload, &preconditions)).await
    }

    /// Deletes the file at `path` for `client`.
    pub async fn delete(
        self: &Arc<Self>,
        client: &Client,
        path: ResourcePath<'static>,
        preconditions: Preconditions<'static>,
    ) -> WriteOutcome<R> {
        let this = Arc::clone(self);
        self.commit(client, move || this.commit_delete(&path, &preconditions)).await
    }

    /// Runs a commit for `client` to its end, whether or not anybody waits for it.
    async fn commit(
        &self,
        client: &Client,
        commit: impl FnOnce() -> Result<WriteOutcome<R>, Refusal> + Send + 'static,
    ) -> WriteOutcome<R> {
        let Some(turn) = self.commits.take(client).await else {
            return WriteOutcome::Refused(WriteError::Overloaded.into());
        };
        let outcome = crate::blocking::spawn_to_the_end(move || {
            // Its turn lasts as long as the work, also if nobody waits for it any more.
            let _turn = turn;
            catch_unwind(AssertUnwindSafe(commit)).unwrap_or_else(|_| {
                // How far it came is not known: nobody may be told that nothing was changed.
                let (state, cause) = (UnsettledState::Unknown, WriteError::Panicked);
                Ok(WriteOutcome::Unsettled(Unsettled { state, cause }))
            })
        });
        let outcome = outcome.await;
        let outcome = outcome.unwrap_or_else(|error| {
            log::error!("a write ended unexpectedly: {error}");
            Err(WriteError::Overloaded.into())
        });
        let outcome = outcome.unwrap_or_else(WriteOutcome::Refused);
        if let WriteOutcome::Unsettled(unsettled) = &outcome {
            self.unsettled.fetch_add(1, Ordering::Relaxed);
            log::error!("a write has changed the folder, and then a step failed: {unsettled:?}");
        }
        outcome
    }

    /// PUT:
    ///
    /// 1. bring the body to its end, in a file that nobody sees, with the mode of what is there, and on the disk;
    /// 2. give it the owner of what is there, if that is another one;
    /// 3. lock the directory; hold, read and judge what is there;
    /// 4. create, or exchange and verify; record what is there now;
    /// 5. unlock; write the change of names to the disk;
    /// 6. keep an eye on what was displaced.
    fn commit_put(
        &self,
        upload: Upload<R>,
        preconditions: &Preconditions<'_>,
    ) -> Result<WriteOutcome<R>, Refusal> {
        let path = upload.path().clone();
        let intent = Intent::Put(Some(upload.length()));
        let mut known_place = self.existing_place(&path)?;
        let complete = upload.complete(known_place.as_ref())?;
        let mut ready = Ready { looks_like: complete.looks_like, complete };
        if let Some(place) = &known_place
            && ready.looks_like.is_none()
        {
            self.take_over(&mut ready, place)?;
        }
        self.repeat(
            &path,
            || match known_place.take() {
                Some(place) => Ok(place),
                None => self.place_for_put(&path, intent, preconditions),
            },
            |lock, place, before| {
                let judgement = self.judge_place(&path, place, intent, preconditions, before)?;
                self.attempt_put(lock, place, &path, &mut ready, judgement)
            },
        )
    }

    /// DELETE: steps 3 to 6 of PUT, with a removal instead of an exchange.
    fn commit_delete(
        &self,
        path: &ResourcePath<'_>,
        preconditions: &Preconditions<'_>,
    ) -> Result<WriteOutcome<R>, Refusal> {
        self.repeat(
            path,
            || match self.store.root().place_of_name(path) {
                Err(WriteError::Missing) => Err(Refusal::Nothing),
                other => Ok(other?),
            },
            |lock, place, before| self.attempt_delete(lock, place, path, preconditions, before),
        )
    }

    /// Steps 3 to 6, again and again while others are faster.
    fn repeat(
        &self,
        path: &ResourcePath<'_>,
        mut find: impl FnMut() -> Result<Place, Refusal>,
        mut attempt: impl FnMut(&DirectoryLock<'_>, &Place, Option<ReadBefore<R>>) -> Result<Step<R>, Refusal>,
    ) -> Result<WriteOutcome<R>, Refusal> {
        let (mut began, mut tries) = (Instant::now(), self.tries());
        let (mut before, mut readings) = (None, 0);
        for _ in 0..ATTEMPTS {
            let mut may_pass = |refused: &Refusal| match refused {
                // A folder that was made for another write is removed again when that fails: it is made anew.
                Refusal::Impossible(WriteError::Missing) => true,
                Refusal::Impossible(WriteError::Full) => tries.another(),
                _ => false,
            };
            let place = match find() {
                Err(refused) if may_pass(&refused) => continue,
                other => other?,
            };
            let attempted = {
                let lock = self.store.root().lock(&place)?;
                attempt(&lock, &place, before.take())
            };
            let step = match attempted {
                Err(refused) if may_pass(&refused) => Step::Again,
                other => other?,
            };
            let step = match step {
                Step::Read(_) if readings == READINGS => return Err(Refusal::Writers),
                Step::Read(held) => {
                    before = self.read_before(path, held)?;
                    // Reading takes its time, which is not that of a writer.
                    (readings, began) = (readings + 1, Instant::now());
                    if before.is_some() { Step::Again } else { Step::Wait }
                }
                step => step,
            };
            match step {
                Step::Done(outcome, displaced) => return Ok(self.finish(place, outcome, displaced)),
                Step::Again | Step::Read(_) => {}
                Step::Wait if began.elapsed() >= WRITERS_PATIENCE => return Err(Refusal::Writers),
                Step::Wait => std::thread::sleep(PAUSE),
            }
        }
        Err(Refusal::Writers)
    }

    /// What remains to be done without the lock once the names are as they should be.
    fn finish(
        &self,
        mut place: Place,
        outcome: WriteOutcome<R>,
        displaced: Option<Remains>,
    ) -> WriteOutcome<R> {
        let synced = match self.options.durability {
            Durability::Full => place.sync(),
            Durability::File | Durability::None => Ok(()),
        };
        place.keep_directories();
        self.quarantine.keep(place, displaced);
        match synced {
            Ok(()) => outcome,
            Err(cause) => outcome.unsettled(cause),
        }
    }

    pub(super) fn existing_place(&self, path: &ResourcePath<'_>) -> Result<Option<Place>, Refusal> {
        match self.store.root().place(path, Parents::Existing) {
            Ok(place) => Ok(Some(place)),
            Err(WriteError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Folders are made only for a file that may be created.
    fn place_for_put(
        &self,
        path: &ResourcePath<'_>,
        intent: Intent,
        preconditions: &Preconditions<'_>,
    ) -> Result<Place, Refusal> {
        if let Some(place) = self.existing_place(path)? {
            return Ok(place);
        }
        self.judge_nothing(intent, preconditions)?;
        Ok(self.store.root().place(path, Parents::Create)?)
    }

    fn attempt_put(
        &self,
        lock: &DirectoryLock<'_>,
        place: &Place,
        path: &ResourcePath<'_>,
        ready: &mut Ready,
        judgement: Judgement<R>,
    ) -> Result<Step<R>, Refusal> {
        match judgement {
            Judgement::Writers => Ok(Step::Wait),
            Judgement::Unread(held) => Ok(Step::Read(held)),
            Judgement::Refuse(Refusal::Failed(PreconditionField::IfMatch), Some(entry))
                if self.options.replay == Replay::Succeeds && entry.digest() == ready.complete.digest =>
            {
                self.replay(place, &entry)
            }
            Judgement::Refuse(refusal, _) => Err(refusal),
            Judgement::Create => match ready.complete.version.create(place) {
                // `Missing`: the folder was removed meanwhile; see `repeat`.
                Ok(Creation::Exists) | Err(WriteError::Missing) => Ok(Step::Again),
                Err(error) => Err(error.into()),
                Ok(Creation::Done) => Ok(Step::Done(self.record(path, ready, WriteOutcome::Created), None)),
            },
            Judgement::Displace(displaced) => self.replace(lock, place, path, ready, displaced),
        }
    }

    /// The bytes are there already. Whoever wrote them may not have written them to the disk.
    fn replay(&self, place: &Place, entry: &Entry<R>) -> Result<Step<R>, Refusal> {
        if self.options.durability != Durability::None {
            match place.open()? {
                Some(file) if file.stamp() == entry.stamp() => file.sync().map_err(WriteError::for_good)?,
                _ => return Ok(Step::Again),
            }
        }
        Ok(Step::Done(WriteOutcome::Replayed, None))
    }

    fn replace(
        &self,
        lock: &DirectoryLock<'_>,
        place: &Place,
        path: &ResourcePath<'_>,
        ready: &mut Ready,
        displaced: Displaced,
    ) -> Result<Step<R>, Refusal> {
        if ready.looks_like.is_none() || ready.looks_like != displaced.stamp() {
            self.take_over(ready, place)?;
        }
        let version = &mut ready.complete.version;
        let withheld = self.store.withhold(path, version.stamp());
        match self.store.root().replace(lock, place, version, displaced.expected().as_ref())? {
            Swap::Done => {
                let outcome = self.record(path, ready, WriteOutcome::Replaced);
                withheld.confirm();
                Ok(Step::Done(outcome, displaced.into_remains()))
            }
            Swap::Unresolved(cause) => Ok(unresolved(cause, displaced)),
            Swap::Conflict | Swap::Vanished => Ok(Step::Again),
            Swap::Spent => Err(Refusal::Writers),
        }
    }

    fn attempt_delete(
        &self,
        lock: &DirectoryLock<'_>,
        place: &Place,
        path: &ResourcePath<'_>,
        preconditions: &Preconditions<'_>,
        before: Option<ReadBefore<R>>,
    ) -> Result<Step<R>, Refusal> {
        let displaced = match self.judge_place(path, place, Intent::Delete, preconditions, before)? {
            Judgement::Writers => return Ok(Step::Wait),
            Judgement::Unread(held) => return Ok(Step::Read(held)),
            Judgement::Refuse(refusal, _) => return Err(refusal),
            Judgement::Create => return Err(Refusal::Nothing),
            Judgement::Displace(displaced) => displaced,
        };
        match self.store.root().remove(lock, place, displaced.expected().as_ref())? {
            Swap::Done => Ok(Step::Done(WriteOutcome::Deleted, displaced.into_remains())),
            Swap::Unresolved(cause) => Ok(unresolved(cause, displaced)),
            Swap::Conflict | Swap::Vanished | Swap::Spent => Ok(Step::Again),
        }
    }

    /// Records a version that has its name now, with this outcome.
    fn record(
        &self,
        path: &ResourcePath<'_>,
        ready: &Ready,
        outcome: fn(Arc<Entry<R>>) -> WriteOutcome<R>,
    ) -> WriteOutcome<R> {
        let Complete { version, digest, body, .. } = &ready.complete;
        match self.store.record(path, version, *digest, body.clone()) {
            Ok(entry) => outcome(entry),
            Err(error) => {
                let state = UnsettledState::Stored(Some(digest.entity_tag()));
                WriteOutcome::Unsettled(Unsettled { state, cause: error.into() })
            }
        }
    }

    /// Gives a version mode, owner and attributes of what is at `place`, if anything is, and writes that to the disk.
    fn take_over(&self, ready: &mut Ready, place: &Place) -> Result<(), WriteError> {
        let looks_like = self.with_room(|| ready.complete.version.take_over(place))?;
        if looks_like.is_some() && self.options.durability != Durability::None {
            // The error is told once: a second try would succeed without having stored anything.
            ready.complete.version.sync().map_err(WriteError::for_good)?;
        }
        ready.looks_like = looks_like;
        Ok(())
    }
}

fn unresolved<R>(cause: WriteError, displaced: Displaced) -> Step<R> {
    let state = UnsettledState::Unknown;
    Step::Done(WriteOutcome::Unsettled(Unsettled { state, cause }), displaced.into_remains())
}

#[cfg(test)]
mod tests;

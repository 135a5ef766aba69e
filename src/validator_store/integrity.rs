//! The digests of RFC 9530, which a client asks for by name: computed when somebody first wants one, and kept beside
//! the entry.
//!
//! A computation is a task of its own, as a flight is: clients who ask and leave again do not start it again. What the
//! fields look like is not decided here.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tokio::sync::watch;

use super::ValidatorStore;
use super::digest::{Hasher, IntegrityState, integrity_digest_of};
use super::entry::Entry;
use super::settle::{ReadThrough, read_through};
use crate::root::OpenError;
use crate::semantics::integrity::{IntegrityAlgorithm, IntegrityDigest};

/// The computations that were begun for an entry, one for each algorithm at most. One that has ended well stays and
/// is the memory of its digest.
#[derive(Default)]
pub(super) struct Computations(Mutex<Vec<(IntegrityAlgorithm, Computation)>>);

/// `None` until it ends.
type Computation = watch::Receiver<Option<Outcome>>;

/// The digest; `None` when the file is no longer the entry's.
type Outcome = Result<Option<IntegrityDigest>, OpenError>;

impl Computations {
    fn forget(&self, algorithm: IntegrityAlgorithm) {
        self.lock().retain(|(of, _)| *of != algorithm);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(IntegrityAlgorithm, Computation)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Send + Sync + 'static> ValidatorStore<R> {
    /// The digest of the bytes that `entry` stands for; a large file is read for it, once.
    ///
    /// `None` when the file changed: what is at the path must be looked up again.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be read.
    pub async fn integrity_digest(
        self: &Arc<Self>,
        entry: &Arc<Entry<R>>,
        algorithm: IntegrityAlgorithm,
    ) -> Result<Option<IntegrityDigest>, OpenError> {
        let mut computation = self.join_computation(entry, algorithm);
        match computation.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.unwrap_or(Err(OpenError::Overloaded)),
            Err(_) => Err(OpenError::Overloaded),
        }
    }

    /// The computation that is under way or has ended well, or a new one.
    fn join_computation(
        self: &Arc<Self>,
        entry: &Arc<Entry<R>>,
        algorithm: IntegrityAlgorithm,
    ) -> Computation {
        let mut computations = entry.computations().lock();
        if let Some((_, computation)) = computations.iter().find(|(of, _)| *of == algorithm) {
            return computation.clone();
        }
        let (sender, computation) = watch::channel(None);
        computations.push((algorithm, computation.clone()));
        drop(computations);
        let (store, entry) = (Arc::clone(self), Arc::clone(entry));
        self.executor.spawn(async move {
            let outcome = store.compute(&entry, algorithm).await;
            if !matches!(outcome, Ok(Some(_))) {
                entry.computations().forget(algorithm);
            }
            sender.send_replace(Some(outcome));
        });
        computation
    }

    async fn compute(self: &Arc<Self>, entry: &Arc<Entry<R>>, algorithm: IntegrityAlgorithm) -> Outcome {
        let Some(_place) = self.computing.take(entry.stamp().size).await else {
            return Err(OpenError::Overloaded);
        };
        let (store, entry) = (Arc::clone(self), Arc::clone(entry));
        let computing = crate::blocking::spawn(move || store.compute_now(&entry, algorithm));
        computing.await.unwrap_or_else(|error| {
            log::error!("computing a digest failed unexpectedly: {error}");
            Err(OpenError::Io(Errno::IO))
        })
    }

    /// The whole blocking part. A large file is read under the entry's stamp, and its tag is computed again on the way:
    /// bytes that were changed through a mapping, which may move no stamp, do not get past both.
    fn compute_now(&self, entry: &Entry<R>, algorithm: IntegrityAlgorithm) -> Outcome {
        if let Some(body) = entry.body() {
            return Ok(Some(integrity_digest_of(algorithm, body)));
        }
        let Some(file) = self.open(entry)? else { return Ok(None) };
        let mut tag = Hasher::new(self.algorithm);
        let mut integrity = IntegrityState::new(algorithm);
        let read = read_through(&file, &entry.stamp(), |piece| {
            tag.update(piece);
            integrity.update(piece);
            ControlFlow::Continue(())
        })?;
        match read {
            ReadThrough::Moved | ReadThrough::Stopped => Ok(None),
            ReadThrough::All if entry.has_digest(&tag.finish()) => Ok(Some(integrity.finish())),
            ReadThrough::All => {
                entry.evict();
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests;

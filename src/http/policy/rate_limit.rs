//! How often an address may ask: as many requests as in ten seconds at once, and then one whenever its time has come.
//!
//! For each address only that moment is remembered at which it will have used nothing of its share (the "generic cell rate
//! algorithm"): a request moves it on by the time that one request is worth, and may not move it further than ten seconds
//! ahead. An address whose moment has passed is as good as one that was never seen.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Network;
use crate::http::policy::limits::Rate;

/// How much of its share an address may use at once.
const STRETCH: Duration = Duration::from_secs(10);

/// Addresses are remembered in so many parts, each under a lock of its own,
const PARTS: usize = 16;

/// and so many in each at most.
const REMEMBERED: usize = 8192;

/// When each address asked.
pub(in crate::http) struct Rates {
    began: Instant,
    /// What one request is worth.
    worth: Duration,
    stretch: Duration,
    parts: [Mutex<HashMap<Network, Duration>>; PARTS],
    hasher: RandomState,
}

impl Rates {
    pub(in crate::http) fn new(rate: Rate) -> Self {
        let worth = rate.period / rate.requests.get();
        Self {
            began: Instant::now(),
            worth,
            // One request is allowed however slow the rate.
            stretch: STRETCH.max(worth),
            parts: Default::default(),
            hasher: RandomState::new(),
        }
    }

    /// Counts a request that came at `now`.
    ///
    /// # Errors
    /// How long the address must wait; then it is not counted.
    pub(in crate::http) fn count(&self, from: Network, now: Instant) -> Result<(), Duration> {
        let now = now.saturating_duration_since(self.began);
        let at = usize::try_from(self.hasher.hash_one(from)).unwrap_or_default() % PARTS;
        let mut part = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
        if part.len() >= REMEMBERED && !part.contains_key(&from) {
            forget(&mut part, now);
        }
        let free = part.entry(from).or_default();
        let next = (*free).max(now) + self.worth;
        match next.checked_sub(now + self.stretch) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *free = next;
                Ok(())
            }
        }
    }
}

/// Makes room. Where as many addresses ask at once, a limit for each is no defence, and nobody is kept out by it.
fn forget(part: &mut HashMap<Network, Duration>, now: Duration) {
    part.retain(|_, free| *free > now);
    if part.len() > REMEMBERED / 2 {
        part.clear();
    }
}

#[cfg(test)]
mod tests;

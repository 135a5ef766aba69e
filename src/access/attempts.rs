//! What is remembered of attempts to prove something: the right ones, so that they are not computed again, and the wrong
//! ones, so that guessing becomes slow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::network::Network;

/// Wrong attempts that have no consequence.
const FREE: u32 = 5;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// After so long a wrong attempt is forgotten.
const MEMORY: Duration = Duration::from_secs(900);

/// How much is remembered at most, of each kind.
const LIMIT: usize = 10_000;

type Key = [u8; 32];

/// One who offers a password, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Stands for the name and the password.
    pub(super) what: Key,
    /// Stands for the name and the network.
    pub(super) who: Key,
    /// Where it comes from: an IPv4 address, or the network that one IPv6 subscriber has.
    pub(super) network: Vec<u8>,
}

/// What is remembered.
pub(super) struct Attempts {
    /// Makes what is remembered of passwords useless to anybody who reads it elsewhere.
    salt: Key,
    right: Mutex<HashMap<Key, usize>>,
    wrong: Mutex<HashMap<Key, Wrong>>,
}

struct Wrong {
    count: u32,
    last: Instant,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempts")
    }
}

impl Attempts {
    pub(super) fn new() -> Self {
        let mut salt = [0; 32];
        // Without random numbers it is only as good as the secrecy of this process's memory.
        let _ = getrandom::fill(&mut salt);
        Self { salt, right: Mutex::default(), wrong: Mutex::default() }
    }

    /// What stands for an offer.
    pub(super) fn of(&self, name: &str, password: &[u8], from: Option<IpAddr>) -> Attempt {
        let network = network(from);
        Attempt { what: self.key(b'p', name, password), who: self.key(b'n', name, &network), network }
    }

    /// The account that has proved itself by these before.
    pub(super) fn known(&self, attempt: &Attempt) -> Option<usize> {
        lock(&self.right).get(&attempt.what).copied()
    }

    /// How many seconds an attempt has to wait.
    pub(super) fn wait(&self, attempt: &Attempt) -> Option<u64> {
        let wrong = lock(&self.wrong);
        let Wrong { count, last } = wrong.get(&attempt.who)?;
        let until = *last + delay(*count);
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.as_secs() + 1)
    }

    /// How many different passwords may be looked at before one has to be found wrong: those that would have no consequence.
    pub(super) fn at_once(&self, attempt: &Attempt) -> usize {
        let wrong = lock(&self.wrong).get(&attempt.who).map_or(0, |wrong| wrong.count);
        FREE.saturating_sub(wrong).max(1) as usize
    }

    pub(super) fn succeeded(&self, attempt: &Attempt, account: usize) {
        let mut right = lock(&self.right);
        if right.len() >= LIMIT {
            right.clear();
        }
        right.insert(attempt.what, account);
        lock(&self.wrong).remove(&attempt.who);
    }

    pub(super) fn failed(&self, attempt: &Attempt) {
        let (key, now) = (attempt.who, Instant::now());
        let mut wrong = lock(&self.wrong);
        if wrong.len() >= LIMIT {
            wrong.retain(|_, wrong| now.duration_since(wrong.last) < MEMORY);
        }
        if wrong.len() >= LIMIT {
            wrong.clear();
        }
        let entry = wrong.entry(key).or_insert(Wrong { count: 0, last: now });
        if now.duration_since(entry.last) >= MEMORY {
            entry.count = 0;
        }
        (entry.count, entry.last) = (entry.count.saturating_add(1), now);
    }

    fn key(&self, kind: u8, name: &str, other: &[u8]) -> Key {
        let length = (name.len() as u64).to_le_bytes();
        Sha256::new()
            .chain_update(self.salt)
            .chain_update([kind])
            .chain_update(length)
            .chain_update(name)
            .chain_update(other)
            .finalize()
            .into()
    }
}

fn delay(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(beyond) => Duration::from_secs(1 << beyond.min(10)).min(LONGEST),
    }
}

/// Who counts as one.
fn network(from: Option<IpAddr>) -> Vec<u8> {
    from.map_or_else(Vec::new, |address| Network::of(address).bytes().to_vec())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

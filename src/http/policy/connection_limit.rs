//! How many connections there are, whose, and how often they ask. That there are not too many in all is the business of who accepts them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Network;
use crate::http::message::problem::Problem;
use crate::http::policy::limits::Limits;
use crate::http::policy::rate_limit::Rates;

/// How long a connection may idle while more than half of what may be are there.
const CROWDED_IDLE: Duration = Duration::from_secs(5);

/// The connections of a server.
pub(crate) struct Crowd {
    all: AtomicUsize,
    refused: AtomicU64,
    of: Mutex<HashMap<Network, usize>>,
    limits: Limits,
    rates: Option<Rates>,
    too_early: AtomicU64,
    /// Files that are open for answers, besides one a connection.
    open: AtomicUsize,
    /// Connections that have noted how many answers they have under way, and the sum of these.
    noted: AtomicUsize,
    noted_answers: AtomicUsize,
}

/// How many answers one connection has under way, as it noted when the server began to stop. Holds until it is dropped.
pub(crate) struct UnderWay {
    crowd: Arc<Crowd>,
    answers: usize,
}

/// The place of one more open file, until it is dropped.
pub(in crate::http) struct OpenPlace(Arc<Crowd>);

/// One connection's place among them, until it is dropped.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    network: Option<Network>,
}

impl Crowd {
    pub(in crate::http) fn new(limits: Limits) -> Self {
        Self {
            all: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            of: Mutex::default(),
            rates: limits.rate.map(Rates::new),
            too_early: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            noted: AtomicUsize::new(0),
            noted_answers: AtomicUsize::new(0),
            limits,
        }
    }

    /// What each may take and ask for.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A place for one more; `None` if its address has too many.
    pub(crate) fn enter(self: &Arc<Self>, peer: Option<SocketAddr>) -> Option<Place> {
        let (most, network) = (self.limits.of_address(), self.network_of(peer));
        if let Some(network) = network {
            let mut of = self.of();
            let count = of.entry(network).or_default();
            if *count >= most {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            *count += 1;
        }
        self.all.fetch_add(1, Ordering::Relaxed);
        Some(Place { crowd: Arc::clone(self), network })
    }

    /// Returns the network of a client that has a limit of its own. `None` on a Unix socket, and where the operator has set no limit for
    /// an address (a proxy, of which everybody has the address).
    pub(in crate::http) fn network_of(&self, peer: Option<SocketAddr>) -> Option<Network> {
        let limited = peer.filter(|_| self.limits.of_address() < usize::MAX);
        limited.map(|peer| Network::of(peer.ip()))
    }

    /// A place for a file more than one on a connection; `None` if there is none.
    pub(in crate::http) fn open_more(self: &Arc<Self>) -> Option<OpenPlace> {
        let place = OpenPlace(Arc::clone(self));
        // Taken first, and given back by the drop.
        (self.open.fetch_add(1, Ordering::Relaxed) < self.limits.more_files).then_some(place)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Notes that a connection has `answers` under way now that the server stops, for [`Self::under_way`].
    pub(crate) fn note_under_way(self: &Arc<Self>, answers: usize) -> UnderWay {
        self.noted.fetch_add(1, Ordering::Relaxed);
        self.noted_answers.fetch_add(answers, Ordering::Relaxed);
        UnderWay { crowd: Arc::clone(self), answers }
    }

    /// Returns how many answers and uploads the stopping server waits for. A connection that has noted nothing is in the midst
    /// of one: it would have been told to stop between two requests.
    pub(crate) fn under_way(&self) -> usize {
        let unnoted = self.count().saturating_sub(self.noted.load(Ordering::Relaxed));
        unnoted + self.noted_answers.load(Ordering::Relaxed)
    }

    /// How many were refused because of their address.
    pub(in crate::http) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How long a connection may idle now: who asks nothing makes room for who may.
    pub(crate) fn idle_limit(&self) -> Duration {
        match self.count() > self.limits.connections / 2 {
            true => self.limits.idle.min(CROWDED_IDLE),
            false => self.limits.idle,
        }
    }

    /// Counts a request. The caller sees to it that each is counted once.
    ///
    /// # Errors
    /// 429, if it came too early.
    pub(in crate::http) fn count_request(&self, peer: Option<SocketAddr>) -> Result<(), Problem> {
        let Some((rates, peer)) = self.rates.as_ref().zip(peer) else { return Ok(()) };
        rates.count(Network::of(peer.ip()), Instant::now()).map_err(|wait| {
            self.too_early.fetch_add(1, Ordering::Relaxed);
            Problem::too_early(wait)
        })
    }

    /// How many requests came too early.
    pub(in crate::http) fn too_early(&self) -> u64 {
        self.too_early.load(Ordering::Relaxed)
    }

    fn of(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.crowd.noted_answers.fetch_sub(self.answers, Ordering::Relaxed);
        self.crowd.noted.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.all.fetch_sub(1, Ordering::Relaxed);
        let Some(network) = self.network else { return };
        let mut of = self.crowd.of();
        if let Some(count) = of.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                of.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Places for work that is done for many clients, of which no client gets more than its share: a few connections cannot keep everybody
//! else from writing.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Network;

/// One client cannot have more than this part of all places.
const PART_OF_ONE: usize = 4;

/// Clients without an account cannot have more than this part of all places, where there are accounts.
const PART_OF_GUESTS: usize = 2;

/// By whom something is written, as far as places are shared out. `None` for an address that does not tell clients apart: a Unix
/// socket, or a proxy that everybody comes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// The account of this name, from wherever it comes.
    Account(String),
    /// An address, where nobody has an account.
    Address(Option<Network>),
    /// An address without an account, where others have one.
    Guest(Option<Network>),
}

/// Who has a share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Account(String),
    Address(Network),
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// What has no place left.
    pub share: Share,
    /// How many places that is.
    pub places: usize,
    /// How many there are for everybody.
    pub of: usize,
}

/// A part of all places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// What one account may have.
    Account,
    /// What one address may have.
    Address,
    /// What all clients without an account may have together.
    Guests,
    /// All places.
    Everybody,
}

/// The places.
pub(super) struct Shares {
    number: usize,
    all: Arc<Semaphore>,
    guests: Arc<Semaphore>,
    owners: Arc<Owners>,
}

/// The shares of which a place is taken or waited for.
#[derive(Default)]
struct Owners(Mutex<HashMap<Owner, OwnShare>>);

struct OwnShare {
    users: usize,
    places: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    _guests: Option<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
    // Dropped last: with the last of them the share goes.
    _user: Option<User>,
}

/// Somebody who takes a place of a share, or waits for one.
struct User {
    owners: Arc<Owners>,
    owner: Owner,
}

impl Client {
    fn owner(&self) -> Option<Owner> {
        match self {
            Self::Account(name) => Some(Owner::Account(name.clone())),
            Self::Address(network) | Self::Guest(network) => network.map(Owner::Address),
        }
    }
}

impl Shares {
    /// So many places.
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            all: Arc::new(Semaphore::new(number)),
            guests: Arc::new(Semaphore::new(part(number, PART_OF_GUESTS))),
            owners: Arc::default(),
        }
    }

    /// Takes a place if there is one.
    ///
    /// # Errors
    /// Which share is full.
    pub(super) fn try_take(&self, client: &Client) -> Result<Place, Full> {
        let user = self.user(client);
        let take = |places: &Arc<Semaphore>, share| {
            Arc::clone(places).try_acquire_owned().map_err(|_| self.full(share))
        };
        let own = match (&user, client) {
            (None, _) => None,
            (Some((_, places)), Client::Account(_)) => Some(take(places, Share::Account)?),
            (Some((_, places)), Client::Address(_) | Client::Guest(_)) => Some(take(places, Share::Address)?),
        };
        let guests = match client {
            Client::Guest(_) => Some(take(&self.guests, Share::Guests)?),
            Client::Account(_) | Client::Address(_) => None,
        };
        let all = take(&self.all, Share::Everybody)?;
        Ok(Place { _all: all, _guests: guests, _own: own, _user: user.map(|(user, _)| user) })
    }

    /// Takes a place once there is one, in the order of coming: first of the client's own share, so that it waits behind itself and
    /// not before others. `None` never happens: the semaphores are never closed.
    pub(super) async fn take(&self, client: &Client) -> Option<Place> {
        let user = self.user(client);
        let own = match &user {
            Some((_, places)) => Some(Arc::clone(places).acquire_owned().await.ok()?),
            None => None,
        };
        let guests = match client {
            Client::Guest(_) => Some(Arc::clone(&self.guests).acquire_owned().await.ok()?),
            Client::Account(_) | Client::Address(_) => None,
        };
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _all: all, _guests: guests, _own: own, _user: user.map(|(user, _)| user) })
    }

    /// How many places are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.all.available_permits()
    }

    fn user(&self, client: &Client) -> Option<(User, Arc<Semaphore>)> {
        let owner = client.owner()?;
        let mut owners = self.owners.lock();
        let share = owners.entry(owner.clone()).or_insert_with(|| OwnShare {
            users: 0,
            places: Arc::new(Semaphore::new(part(self.number, PART_OF_ONE))),
        });
        share.users += 1;
        Some((User { owners: Arc::clone(&self.owners), owner }, Arc::clone(&share.places)))
    }

    fn full(&self, share: Share) -> Full {
        let places = match share {
            Share::Account | Share::Address => part(self.number, PART_OF_ONE),
            Share::Guests => part(self.number, PART_OF_GUESTS),
            Share::Everybody => self.number,
        };
        Full { share, places, of: self.number }
    }
}

/// One place at least.
fn part(number: usize, of: usize) -> usize {
    (number / of).max(1)
}

impl Owners {
    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, OwnShare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut owners = self.owners.lock();
        if let Some(share) = owners.get_mut(&self.owner) {
            share.users -= 1;
            if share.users == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.fmt(f)
    }
}

#[cfg(test)]
mod tests;

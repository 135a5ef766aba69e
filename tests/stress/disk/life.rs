//! The server of a cell, whose life may be one, or many that each end by `kill -9`. What an operation without an answer
//! has done is settled when the next server is ready; until then the operation counts as in flight.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::random::Random;
use crate::server::Server;
use crate::watch;

use super::Cell;
use super::contest::count;
use super::story::Event;

/// Where the server is, as the clients see it.
#[derive(Debug)]
pub(crate) struct Life {
    now: Mutex<Now>,
    changed: Condvar,
}

/// One life.
#[derive(Debug, Clone, Copy)]
struct Now {
    number: u64,
    address: SocketAddr,
    killed: bool,
}

impl Life {
    /// The first life.
    pub(crate) fn new(address: SocketAddr) -> Life {
        let now = Now { number: 1, address, killed: false };
        Life { now: Mutex::new(now), changed: Condvar::new() }
    }

    /// The number of this life, and the server's address in it.
    pub(crate) fn now(&self) -> (u64, SocketAddr) {
        let now = self.now.lock().expect("no client panics");
        (now.number, now.address)
    }

    /// Waits for the life after this one; `None` when the server was not killed.
    pub(crate) fn after(&self, number: u64) -> Option<(u64, SocketAddr)> {
        let now = self.now.lock().expect("no client panics");
        if now.number == number && !now.killed {
            return None;
        }
        let next = self.changed.wait_while(now, |now| now.number == number).expect("no client panics");
        Some((next.number, next.address))
    }

    /// Kills the server again and again, each time so many milliseconds after its start at the latest, until all is
    /// over; gives back the last one, which is alive.
    pub(crate) fn end_again_and_again(
        &self,
        cell: &Cell,
        within: u64,
        mut server: Server,
        over: &AtomicBool,
        random: &mut Random,
    ) -> Server {
        let tell = |event| cell.contests.iter().for_each(|contest| contest.story.tell(event));
        loop {
            std::thread::sleep(Duration::from_micros(random.next() % (within * 1000 + 1)));
            if over.load(SeqCst) {
                return server;
            }
            self.now.lock().expect("no client panics").killed = true;
            tell(Event::Killed);
            drop(server);
            count(&cell.figures.kills);
            server = match cell.place.serve(cell.common) {
                Ok(server) => server,
                Err(why) => watch::end(&format!("no server after a kill: {why}")),
            };
            tell(Event::Ready);
            let mut now = self.now.lock().expect("no client panics");
            *now = Now { number: now.number + 1, address: server.address(), killed: false };
            self.changed.notify_all();
        }
    }
}

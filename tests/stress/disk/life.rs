//! The server of a cell, whose life may be one, or many that each end by `kill -9`. What an operation without an answer
//! has done is settled when the next server is ready; until then the operation counts as in flight.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::content::version_of;
use crate::random::Random;
use crate::server::Server;
use crate::watch;
use crate::wire::Wire;

use super::Cell;
use super::contest::{Version, count};
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
            if cell.options.read_only_start {
                look_without_writing(cell);
            }
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

/// Starts a server that allows no write, asks it for every file, and ends it. A save that was complete before the question
/// must not be hidden behind something older: a write that the killed server had no time to verify, say.
fn look_without_writing(cell: &Cell) {
    let server = match cell.place.serve_reading(cell.common) {
        Ok(server) => server,
        Err(why) => watch::end(&format!("no server without writes after a kill: {why}")),
    };
    let mut wire = Wire::new(server.address());
    for contest in &cell.contests {
        let least = contest.saved.load(SeqCst);
        let Ok(answer) = wire.get(&format!("/{}", contest.name)) else { continue };
        // A missing file may be a deletion in flight, and a file in motion is judged later.
        let version = version_of(&answer.body).filter(|_| answer.status == 200 && !answer.cut);
        let Some(version) = version.map(Version) else { continue };
        count(&cell.figures.read);
        if version.root() < least {
            count(&cell.figures.hidden);
            watch::broken(format!(
                "{}: {version} is answered by a server without writes, although save {least} was complete{}",
                contest.path.display(),
                contest.story
            ));
        }
    }
}

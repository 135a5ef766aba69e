//! A client of a server that is about to be killed. It has files of its own, which nobody else writes, so that every
//! answer is known beforehand; and it replaces the file that it shares with the others.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::content::{tag_of, version_bytes, version_of};
use crate::random::Random;
use crate::watch;
use crate::wire::{Condition, Silence, Wire};

use super::Figures;
use super::lane::{Knowledge, OwnFile, SHARED, SHARED_SIZE};

/// The client; it lives longer than the servers it asks.
#[derive(Debug)]
pub(super) struct Client<'a> {
    number: usize,
    pub(super) files: Vec<OwnFile>,
    figures: &'a Figures,
    random: Random,
    next: u64,
}

impl<'a> Client<'a> {
    /// A client with two small files and a large one, none of which is there yet.
    pub(super) fn new(number: usize, large: usize, figures: &'a Figures, random: Random) -> Client<'a> {
        let file = |kind: &str, size| OwnFile {
            name: format!("{kind}-{number}"),
            size,
            acknowledged: None,
            in_flight: None,
        };
        let files = vec![file("small", 100), file("other", 9000), file("large", large)];
        Client { number, files, figures, random, next: 1 }
    }

    /// Writes until the server is gone.
    pub(super) fn work(&mut self, address: SocketAddr, knowledge: &Knowledge) {
        let worker = watch::Worker::new(format!("client {} of {address}", self.number));
        let mut wire = Wire::new(address);
        loop {
            worker.begins("operation", self.next);
            let done = match self.random.below(8) {
                0..3 => self.replace_shared(&mut wire, knowledge),
                3 => self.write_own(2, &mut wire),
                other => self.write_own(other % 2, &mut wire),
            };
            match done {
                Ok(()) => {}
                // The kill came first; what the operation has done is for the judge to find out.
                Err(Failure::Silence(_)) if knowledge.killed.load(SeqCst) => return,
                Err(Failure::Silence(why)) => {
                    return watch::broken(format!("client {}, not killed: {why}", self.number));
                }
                Err(Failure::Wrong(why)) => return watch::broken(format!("client {}: {why}", self.number)),
            }
        }
    }

    /// Replaces the shared file; another client may be quicker.
    fn replace_shared(&mut self, wire: &mut Wire, knowledge: &Knowledge) -> Result<(), Failure> {
        let target = format!("/{SHARED}");
        let answer = wire.get(&target).map_err(|silence| Failure::Silence(silence.into()))?;
        if answer.cut {
            return Err(Failure::Silence(format!("GET {target} was cut off")));
        }
        let (200, Some(base), Some(tag)) = (answer.status, version_of(&answer.body), &answer.tag) else {
            return Err(Failure::Wrong(format!("GET {target} draws {answer:?}")));
        };
        let shared = &knowledge.shared;
        let version = shared.next.fetch_add(1, SeqCst);
        let in_flight = || shared.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight().push((base, version));
        let answer = wire.put(&target, Condition::Match(tag), &version_bytes(version, SHARED_SIZE));
        let answer = answer.map_err(|silence| self.silence(silence))?;
        match answer.status {
            204 => {
                shared.acknowledged.fetch_max(version, SeqCst);
                self.figures.acknowledged.fetch_add(1, Relaxed);
            }
            412 => {}
            status => return Err(Failure::Wrong(format!("PUT {target} draws {status}"))),
        }
        in_flight().retain(|(_, other)| *other != version);
        Ok(())
    }

    /// Creates, replaces or deletes a file of its own.
    fn write_own(&mut self, which: usize, wire: &mut Wire) -> Result<(), Failure> {
        let version = self.next;
        self.next += 1;
        let file = &mut self.files[which];
        let (target, length) = (format!("/{}", file.name), file.length(version));
        let tag = file.acknowledged.map(|old| tag_of(&version_bytes(old, file.length(old))));
        let condition = match &tag {
            _ if self.random.one_in(4) => Condition::None,
            Some(tag) => Condition::Match(tag),
            None => Condition::Absent,
        };
        let delete = tag.is_some() && self.random.one_in(3);
        let after = (!delete).then_some(version);
        file.in_flight = Some(after);
        let answer = if delete {
            wire.delete(&target, condition)
        } else {
            wire.put(&target, condition, &version_bytes(version, length))
        };
        let answer = answer.map_err(|silence| self.silence(silence))?;
        let expected = if tag.is_some() { 204 } else { 201 };
        if answer.status != expected {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(Failure::Wrong(format!(
                "{target}, {condition:?}, delete: {delete}: {} instead of {expected}: {body}",
                answer.status
            )));
        }
        let file = &mut self.files[which];
        (file.acknowledged, file.in_flight) = (after, None);
        self.figures.acknowledged.fetch_add(1, Relaxed);
        Ok(())
    }

    fn silence(&self, silence: Silence) -> Failure {
        self.figures.in_flight.fetch_add(1, Relaxed);
        Failure::Silence(silence.into())
    }
}

/// Why a client stops.
enum Failure {
    /// There was no answer.
    Silence(String),
    /// There was an answer that must not be.
    Wrong(String),
}

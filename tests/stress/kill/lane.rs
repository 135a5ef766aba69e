//! One folder, its server, and what is known of its files. A cycle is: start, look around, let the clients work, kill.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::content::{version_bytes, version_of};
use crate::place::Place;
use crate::random::Random;
use crate::{Common, watch};

use super::client::Client;
use super::{Figures, Options};

/// The file that all clients of a lane replace, and nobody deletes.
pub(super) const SHARED: &str = "shared";

/// Its size.
pub(super) const SHARED_SIZE: usize = 2500;

/// A file of one client, or the absence of it.
#[derive(Debug)]
pub(super) struct OwnFile {
    pub(super) name: String,
    /// The size of its first version; others are a little longer.
    pub(super) size: usize,
    pub(super) acknowledged: Option<u64>,
    /// What an operation without an answer would have made of it.
    pub(super) in_flight: Option<Option<u64>>,
}

/// The file that all clients replace. Later versions have higher numbers: a number is drawn after what it is derived
/// from has been read.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) next: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    /// The replacements without an answer: what was to be replaced, and by what.
    pub(super) in_flight: Mutex<Vec<(u64, u64)>>,
}

/// What the clients of a lane share.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) shared: Shared,
    /// From now on an operation may be without an answer.
    pub(super) killed: AtomicBool,
}

/// The folder.
pub(super) struct Lane<'a> {
    common: &'a Common,
    options: &'a Options,
    figures: &'a Figures,
    random: Random,
    worker: watch::Worker,
    place: Place,
    knowledge: Knowledge,
    clients: Vec<Client<'a>>,
    cycles: u64,
}

impl<'a> Lane<'a> {
    /// A fresh folder with the shared file in it.
    pub(super) fn new(
        number: usize,
        common: &'a Common,
        options: &'a Options,
        inside: &Path,
        figures: &'a Figures,
        random: &mut Random,
    ) -> Result<Lane<'a>, String> {
        let place = Place::new(inside)?;
        fs::write(place.path(SHARED), version_bytes(1, SHARED_SIZE)).map_err(|error| error.to_string())?;
        let shared =
            Shared { next: AtomicU64::new(2), acknowledged: AtomicU64::new(1), in_flight: Mutex::default() };
        let clients = (0..options.clients)
            .map(|client| Client::new(client, options.large, figures, random.split()))
            .collect();
        Ok(Lane {
            common,
            options,
            figures,
            random: random.split(),
            worker: watch::Worker::new(format!("lane {number}")),
            place,
            knowledge: Knowledge { shared, killed: AtomicBool::new(false) },
            clients,
            cycles: 0,
        })
    }

    /// Starts a server, looks what it has made of the folder, and kills it while the clients work.
    pub(super) fn cycle(&mut self) -> Result<(), String> {
        self.cycles += 1;
        self.worker.begins("starting for cycle", self.cycles);
        let server = self.place.serve(self.common)?;
        self.figures.slowest.fetch_max(server.started_in.as_millis() as u64, Relaxed);
        self.look_around();
        self.worker.begins("writing in cycle", self.cycles);
        self.knowledge.killed.store(false, SeqCst);
        let pause = Duration::from_micros(self.random.below(self.options.within * 1000 + 1) as u64);
        let (knowledge, address) = (&self.knowledge, server.address());
        std::thread::scope(|scope| {
            for client in &mut self.clients {
                scope.spawn(move || client.work(address, knowledge));
            }
            std::thread::sleep(pause);
            knowledge.killed.store(true, SeqCst);
            // The guard kills and waits.
            drop(server);
        });
        self.figures.kills.fetch_add(1, Relaxed);
        let left = self.names().iter().filter(|name| name.starts_with(".~ifmatch.")).count();
        self.figures.leftovers.fetch_add(left as u64, Relaxed);
        Ok(())
    }

    /// One more start, and a last look.
    pub(super) fn end(mut self) -> Result<(), String> {
        let server = self.place.serve(self.common)?;
        self.look_around();
        drop(server);
        Ok(())
    }

    /// Judges every file and every name of the folder; from then on what is there is what is known.
    fn look_around(&mut self) {
        self.judge_names();
        self.judge_shared();
        let mut own: Vec<&mut OwnFile> =
            self.clients.iter_mut().flat_map(|client| &mut client.files).collect();
        for file in &mut own {
            judge_own(file, &self.place, self.figures, self.cycles);
        }
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.place.root()).expect("the served folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    fn judge_names(&self) {
        let own = self.clients.iter().flat_map(|client| &client.files).map(|file| file.name.as_str());
        let known: BTreeSet<&str> = own.chain([SHARED]).collect();
        for name in self.names().iter().filter(|name| !known.contains(name.as_str())) {
            let cycle = self.cycles;
            watch::broken(format!(
                "cycle {cycle}: {name} is in {} after the start",
                self.place.root().display()
            ));
            // It is reported once; in the next cycle it would be found again.
            let _ = fs::remove_file(self.place.path(name));
        }
    }

    fn judge_shared(&mut self) {
        let shared = &self.knowledge.shared;
        let in_flight = std::mem::take(&mut *shared.in_flight.lock().unwrap_or_else(PoisonError::into_inner));
        let acknowledged = shared.acknowledged.load(SeqCst);
        // What was in flight may build upon what was in flight.
        let mut allowed = vec![acknowledged];
        let mut count = 0;
        while count < allowed.len() {
            let base = allowed[count];
            allowed.extend(in_flight.iter().filter(|(from, _)| *from == base).map(|(_, to)| *to));
            count += 1;
        }
        let bytes = fs::read(self.place.path(SHARED)).unwrap_or_default();
        let found = version_of(&bytes);
        let Some(version) = found.filter(|version| allowed.contains(version) && bytes.len() == SHARED_SIZE)
        else {
            let path = self.place.path(SHARED);
            watch::broken(format!(
                "cycle {}: {} holds {} bytes, version {found:?}; allowed are {allowed:?}; in flight were {in_flight:?}",
                self.cycles,
                path.display(),
                bytes.len(),
            ));
            let next = shared.next.fetch_add(1, SeqCst);
            fs::write(&path, version_bytes(next, SHARED_SIZE)).expect("the shared file");
            return shared.acknowledged.store(next, SeqCst);
        };
        self.figures.effective.fetch_add(u64::from(version != acknowledged), Relaxed);
        shared.acknowledged.store(version, SeqCst);
    }
}

/// Judges a file that only one client writes.
fn judge_own(file: &mut OwnFile, place: &Place, figures: &Figures, cycle: u64) {
    let path = place.path(&file.name);
    let in_flight = file.in_flight.take();
    let found = match fs::read(&path) {
        Err(_) => None,
        Ok(bytes) => {
            let version = version_of(&bytes);
            if version.is_none_or(|version| bytes.len() != file.length(version)) {
                watch::broken(format!(
                    "cycle {cycle}: {} is torn: {} bytes, version {version:?}; acknowledged was {:?}, in flight {in_flight:?}",
                    path.display(),
                    bytes.len(),
                    file.acknowledged,
                ));
                fs::remove_file(&path).expect("removing a torn file");
                file.acknowledged = None;
                return;
            }
            version
        }
    };
    if found == file.acknowledged {
        return;
    }
    if in_flight == Some(found) {
        figures.effective.fetch_add(1, Relaxed);
    } else {
        watch::broken(format!(
            "cycle {cycle}: {} is {found:?}; acknowledged was {:?}, in flight {in_flight:?}",
            path.display(),
            file.acknowledged,
        ));
    }
    file.acknowledged = found;
}

impl OwnFile {
    /// How long a version is.
    pub(super) fn length(&self, version: u64) -> usize {
        self.size + (version % 7) as usize * 501
    }
}

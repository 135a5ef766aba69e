//! Uploads to a folder that lies on a small disk behind SFTP. The disk is full again and again, and says so only when a file
//! is synced or closed. After each answer the disk itself is looked at: what was acknowledged is there whole, and what was
//! refused has changed nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use clap::Args;

use crate::content::{tag_of, version_bytes, version_of};
use crate::harness::mount::Mount;
use crate::place::Place;
use crate::random::Random;
use crate::table::{Table, cells};
use crate::wire::{Condition, Wire};
use crate::{Common, watch};

/// The size of the disk, in KiB.
const DISK: usize = 3072;

/// The longest body. Shorter ones never leave the server's memory before they are complete.
const LONGEST: usize = 700 << 10;

/// What others have on the disk, besides.
const FILLER: &str = "others";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many writes in all
    #[arg(long, default_value_t = 2000)]
    writes: u64,
    /// How many clients, each with three files of its own
    #[arg(long, default_value_t = 2)]
    clients: usize,
    /// Write without the server and without looking at errors; a run that finds no loss then has failed
    #[arg(long)]
    self_test: bool,
}

/// What happened.
#[derive(Debug, Default)]
struct Figures {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    deleted: AtomicU64,
    /// Writes that were acknowledged, and are not on the disk.
    lost: AtomicU64,
    /// Writes that were refused, and have changed the file all the same.
    changed: AtomicU64,
}

/// Runs the clients.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let mut random = Random::new("late");
    let figures = Figures::default();
    let begun = Instant::now();
    for folder in common.folders() {
        let place = Place::new(&folder)?;
        let disk = place.root().with_file_name("disk");
        fs::create_dir(&disk).map_err(|error| error.to_string())?;
        let size = format!("size={DISK}k");
        let Some(_disk) = Mount::tmpfs(&disk, &[&size]) else { return Err("no tmpfs".to_owned()) };
        let Some(_shown) = Mount::sshfs(&disk, &place.root(), &[]) else { return Err("no sshfs".to_owned()) };
        let server = if options.self_test { None } else { Some(place.serve(common)?) };
        let address = server.as_ref().map(|server| server.address());
        let share = options.writes.div_ceil(options.clients.max(1) as u64);
        std::thread::scope(|scope| {
            for number in 0..options.clients.max(1) {
                let wire = address.map(Wire::new);
                let (root, disk, figures, mut random) = (place.root(), &disk, &figures, random.split());
                scope.spawn(move || {
                    Client::new(number, wire, root, disk, figures).work(share, &mut random);
                });
            }
        });
    }
    let count = |figure: &AtomicU64| figure.load(Relaxed);
    let Figures { acknowledged, refused, deleted, lost, changed } = &figures;
    let mut table = Table::new(&["acknowledged", "refused", "deleted", "LOST", "CHANGED", "seconds"]);
    let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
    table.row(cells![
        count(acknowledged),
        count(refused),
        count(deleted),
        count(lost),
        count(changed),
        seconds
    ]);
    table.print();
    match options.self_test {
        true if count(lost) == 0 => Err("nothing was lost: this run could not have seen a loss".to_owned()),
        false if count(refused) == 0 => Err("nothing was refused: the disk was never full".to_owned()),
        _ => Ok(()),
    }
}

/// One client, and what its files are on the disk.
struct Client<'a> {
    number: usize,
    /// The server; without one the client writes by itself.
    wire: Option<Wire>,
    root: PathBuf,
    disk: &'a Path,
    figures: &'a Figures,
    files: [Option<Vec<u8>>; 3],
    next: u64,
}

impl<'a> Client<'a> {
    fn new(number: usize, wire: Option<Wire>, root: PathBuf, disk: &'a Path, figures: &'a Figures) -> Self {
        Client { number, wire, root, disk, figures, files: [None, None, None], next: 1 }
    }

    fn work(&mut self, writes: u64, random: &mut Random) {
        let worker = watch::Worker::new(format!("client {}", self.number));
        for number in 0..writes {
            worker.begins("write", number);
            if watch::enough() {
                return;
            }
            if random.one_in(8) {
                // Others need more room, or less. What does not fit is their loss.
                let _ = fs::write(self.disk.join(FILLER), vec![7; random.below(DISK << 10)]);
            }
            let file = random.below(self.files.len());
            let longest = if random.one_in(2) { LONGEST } else { 60_000 };
            let size = 16 + random.below(longest);
            if let Err(why) = self.write(file, size, random) {
                return watch::broken(format!("client {}: {why}", self.number));
            }
        }
    }

    /// Replaces, creates or deletes a file, and looks what is on the disk then.
    fn write(&mut self, file: usize, size: usize, random: &mut Random) -> Result<(), String> {
        let name = format!("file-{}-{file}", self.number);
        let old = self.files[file].take();
        let deletes = old.is_some() && random.one_in(6);
        let new = (!deletes).then(|| version_bytes(self.next, size));
        self.next += 1;
        let status = self.status(&name, old.as_deref(), new.as_deref(), random)?;
        let stored = fs::read(self.disk.join(&name)).ok();
        let lost = matches!(status, 201 | 204) && stored != new;
        // 500 may also say that the file is published, and not known to be on the disk.
        let may_be_published = status == 500 && stored == new;
        let changed = !matches!(status, 201 | 204) && stored != old && !may_be_published;
        let figure = match status {
            201 | 204 if deletes => &self.figures.deleted,
            201 | 204 => &self.figures.acknowledged,
            500 | 507 => &self.figures.refused,
            status => return Err(format!("{name}: an answer {status}")),
        };
        figure.fetch_add(1, Relaxed);
        if lost || changed {
            let figure = if lost { &self.figures.lost } else { &self.figures.changed };
            figure.fetch_add(1, Relaxed);
            let told = |bytes: &Option<Vec<u8>>| match bytes {
                Some(bytes) => format!("{} bytes of version {:?}", bytes.len(), version_of(bytes)),
                None => "nothing".to_owned(),
            };
            let text = format!(
                "{name}: {status} to a write of {}, where there was {}: there is {}",
                told(&new),
                told(&old),
                told(&stored)
            );
            match self.wire {
                Some(_) => watch::broken(text),
                None => eprintln!("as it should be: {text}"),
            }
        }
        self.files[file] = stored;
        Ok(())
    }

    /// Writes, and returns the status of the answer.
    fn status(
        &mut self,
        name: &str,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
        random: &mut Random,
    ) -> Result<u16, String> {
        let Some(wire) = &mut self.wire else {
            let path = self.root.join(name);
            // Nobody looks at the errors.
            let _ = match new {
                Some(bytes) => fs::write(path, bytes),
                None => fs::remove_file(path),
            };
            return Ok(204);
        };
        let tag = old.map(tag_of);
        let condition = match &tag {
            _ if random.one_in(3) => Condition::None,
            Some(tag) => Condition::Match(tag),
            None => Condition::Absent,
        };
        let target = format!("/{name}");
        let answer = match new {
            Some(bytes) => wire.put(&target, condition, bytes),
            None => wire.delete(&target, condition),
        };
        Ok(answer?.status)
    }
}

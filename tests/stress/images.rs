//! Images of filesystems take each other's place at a folder while clients read it. The files of all images have the same
//! inodes, sizes and times, on the same device: nothing but the mount tells them apart. No answer may be older than its
//! question.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::content::{tag_of, version_bytes, version_of};
use crate::harness::mount::Image;
use crate::place::Place;
use crate::random::Random;
use crate::table::{Table, cells};
use crate::wire::{Condition, Wire};
use crate::{Common, watch};

/// A small file, and one that is not kept in memory.
const FILES: [(&str, usize); 2] = [("small", 5000), ("large", 1_500_000)];

/// The time of every file of every image.
const TIME: u32 = 1_700_000_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often an image takes the place of another, for each kind
    #[arg(long, default_value_t = 200)]
    swaps: u64,
    /// The kinds of images [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// How many clients
    #[arg(long, default_value_t = 2)]
    clients: usize,
    /// The longest time that an image stays, in milliseconds
    #[arg(long, default_value_t = 30)]
    within: usize,
    /// Ask once, and take the answer for true from then on; a run that finds no stale answer then has failed
    #[arg(long)]
    self_test: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Squashfs,
    Erofs,
}

/// What happened to one kind.
#[derive(Debug, Default)]
struct Figures {
    answers: AtomicU64,
    /// Questions that were asked while no image was there, or that an image came or went under.
    between: AtomicU64,
    /// Answers 200 with old bytes, or with new bytes under an old tag.
    stale: AtomicU64,
    /// Answers 304 for what has changed.
    unmodified: AtomicU64,
}

/// The swaps that have begun, and those that are over. The image of swap `n` has version `n % 2 + 1`.
#[derive(Debug, Default)]
struct Swaps {
    begun: AtomicU64,
    over: AtomicU64,
    ended: AtomicBool,
}

impl Swaps {
    /// The version that is there for sure, if any is.
    fn version(&self) -> Option<(u64, u64)> {
        let over = self.over.load(SeqCst);
        (self.begun.load(SeqCst) == over).then_some((over, over % 2 + 1))
    }
}

/// Swaps images of each kind in each folder.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let mut random = Random::new("images");
    let kinds = if options.kinds.is_empty() { Kind::value_variants() } else { &options.kinds };
    let mut table =
        Table::new(&["folder", "kind", "swaps", "answers", "between", "STALE", "STALE 304", "seconds"]);
    let mut stale = 0;
    for folder in common.folders() {
        for kind in kinds {
            let (begun, figures, swaps) = (Instant::now(), Figures::default(), Swaps::default());
            let place = Place::new(&folder)?;
            swap(common, options, *kind, &place, &figures, &swaps, &mut random)?;
            let count = |figure: &AtomicU64| figure.load(Relaxed);
            stale += count(&figures.stale) + count(&figures.unmodified);
            let name = kind.to_possible_value().expect("no kind is hidden").get_name().to_owned();
            table.row(cells![
                folder.display(),
                name,
                count(&swaps.over),
                count(&figures.answers),
                count(&figures.between),
                count(&figures.stale),
                count(&figures.unmodified),
                format!("{:.1}", begun.elapsed().as_secs_f32()),
            ]);
        }
    }
    table.print();
    if options.self_test && stale == 0 {
        return Err("nothing was stale: this run could not have seen it".to_owned());
    }
    Ok(())
}

fn swap(
    common: &Common,
    options: &Options,
    kind: Kind,
    place: &Place,
    figures: &Figures,
    swaps: &Swaps,
    random: &mut Random,
) -> Result<(), String> {
    let Some(images) = images(kind, place) else { return Err("no such images here".to_owned()) };
    let bytes = images.each_ref().map(|image| fs::read(image.file()).expect("an image"));
    let at = place.path("image");
    fs::create_dir(&at).map_err(|error| error.to_string())?;
    let device = images[0].attach();
    let mut mount = device.mount(&at, &[]);
    let server = place.serve(common)?;
    std::thread::scope(|scope| {
        for number in 0..options.clients.max(1) {
            let wire = Wire::new(server.address());
            let remembering = if options.self_test { Remembering::Answers } else { Remembering::Nothing };
            scope.spawn(move || read(number, wire, remembering, figures, swaps));
        }
        let worker = watch::Worker::new("the swaps");
        for number in 1..=options.swaps {
            worker.begins("swap", number);
            std::thread::sleep(Duration::from_micros(random.below(options.within * 1000 + 1) as u64));
            if watch::enough() {
                break;
            }
            swaps.begun.store(number, SeqCst);
            while mount.try_unmount().is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            fs::write(images[0].file(), &bytes[number as usize % 2]).expect("the image's file");
            mount = device.mount(&at, &[]);
            swaps.over.store(number, SeqCst);
        }
        swaps.ended.store(true, SeqCst);
    });
    drop(server);
    drop(mount);
    Ok(())
}

/// Two images of the same files with other bytes, of equal length, so that either fits the device of the other.
fn images(kind: Kind, place: &Place) -> Option<[Image; 2]> {
    let source = place.root().with_file_name("source");
    fs::create_dir(&source).expect("a folder for what is in the images");
    let image = |version| {
        for (name, size) in FILES {
            fs::write(source.join(name), version_bytes(version, size)).expect("a file for an image");
        }
        match kind {
            Kind::Squashfs => Image::squashfs(&source, TIME),
            Kind::Erofs => Image::erofs(&source, TIME),
        }
    };
    let images = [image(1)?, image(2)?];
    let length = |path: &Path| fs::metadata(path).expect("an image").len();
    let longest = images.iter().map(|image| length(image.file())).max().expect("two images");
    for image in &images {
        let file = fs::File::options().write(true).open(image.file()).expect("an image");
        file.set_len(longest).expect("the length of an image");
    }
    Some(images)
}

/// Whether a client takes an old answer for true, as a server does that believes stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remembering {
    Nothing,
    Answers,
}

/// Asks until the swaps are over.
fn read(number: usize, mut wire: Wire, remembering: Remembering, figures: &Figures, swaps: &Swaps) {
    let worker = watch::Worker::new(format!("client {number}"));
    let (mut asked, mut remembered) = (0, None);
    while !swaps.ended.load(SeqCst) && !watch::enough() {
        if swaps.version().is_none() {
            // Whoever reads keeps the old image from going.
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        asked += 1;
        worker.begins("question", asked);
        let (name, size) = FILES[asked as usize % 2];
        let before = swaps.version();
        let old = tag_of(&version_bytes(before.map_or(1, |(_, version)| 3 - version), size));
        let conditional = asked % 3 == 0;
        let condition = if conditional { Condition::NoneMatch(&old) } else { Condition::None };
        let answer = match (&remembered, remembering) {
            (Some(answer), Remembering::Answers) if name == "small" => Ok(Clone::clone(answer)),
            _ => wire.ask("GET", &format!("/image/{name}"), condition, None),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(silence) => return watch::broken(format!("client {number}: {}", String::from(silence))),
        };
        let after = swaps.version();
        let Some((_, version)) = before.filter(|_| before == after && !answer.cut) else {
            figures.between.fetch_add(1, Relaxed);
            continue;
        };
        figures.answers.fetch_add(1, Relaxed);
        let right = version_bytes(version, size);
        let unknown = answer.tag.as_ref().is_none_or(|tag| tag.starts_with("W/"));
        let told = match answer.status {
            304 => {
                figures.unmodified.fetch_add(1, Relaxed);
                "304 to the tag of the image before".to_owned()
            }
            200 if answer.body == right && (unknown || answer.tag == Some(tag_of(&right))) => {
                if name == "small" {
                    remembered = remembered.or(Some(answer));
                }
                continue;
            }
            status => {
                figures.stale.fetch_add(1, Relaxed);
                let found = version_of(&answer.body);
                format!("{status} with version {found:?} under {:?}", answer.tag)
            }
        };
        let text = format!("{name}: while version {version} is there, {told}");
        match remembering {
            Remembering::Nothing => watch::broken(text),
            Remembering::Answers => {}
        }
    }
}

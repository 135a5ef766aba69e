//! The files that are served, and the lists of paths in the order in which they are asked for. The same ones every time:
//! the numbers behind them begin with a fixed seed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::settings::Settings;

const MIX_FILES: usize = 10_000;

/// Paths in a list; many more than files, so that the popular ones come often.
const LIST_LENGTH: usize = 200_000;

/// The sizes in the mix lie between these, evenly on a logarithmic scale.
const SMALLEST: f64 = 512.0;
const LARGEST: f64 = 65_536.0;

/// Files in one folder of the trees for `scaling`.
const IN_ONE_FOLDER: usize = 100;

/// Folders above the file in `scaling`; none is there always.
pub(crate) const DEPTHS: [usize; 5] = [1, 2, 4, 8, 16];

/// A generator of numbers (xorshift), good enough to make files.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Numbers {
        Numbers(0x9E37_79B9_7F4A_7C15 ^ seed.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// At least 0, below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Writes all files for `run`; with trees in the settings, those for `scaling`.
pub(crate) fn write(folder: &Path, settings: &Settings) -> Result<(), String> {
    let mut all: Vec<(String, usize)> = vec![("/1k.html".to_owned(), 1 << 10)];
    if settings.trees.is_empty() {
        let sizes = [("/10k.html", 10 << 10), ("/100k.html", 100 << 10), ("/1m.html", 1 << 20)];
        all.extend(sizes.map(|(path, size)| (path.to_owned(), size)));
        all.push(("/100m.bin".to_owned(), 100 << 20));
        let mut numbers = Numbers::new(1);
        let size = |fraction: f64| (SMALLEST * (LARGEST / SMALLEST).powf(fraction)) as usize;
        all.extend(mix_paths().map(|path| (path, size(numbers.fraction()))));
        write_list(folder, "mix", &zipf(mix_paths().collect()))?;
    }
    all.extend(
        DEPTHS.map(|depth| (deep_path(depth), 1 << 10)).into_iter().filter(|_| !settings.trees.is_empty()),
    );
    for count in &settings.trees {
        let paths: Vec<String> = tree_paths(*count).collect();
        write_list(folder, &format!("tree-{count}"), &evenly(&paths))?;
        all.extend(paths.into_iter().map(|path| (path, 1 << 10)));
    }
    for (number, (path, size)) in all.iter().enumerate() {
        write_file(&folder.join(path.trim_start_matches('/')), *size, number as u64)?;
    }
    drop_pages(folder, all.iter().map(|(path, _)| path.as_str()))
}

/// The paths of the mix, three folders deep.
pub(crate) fn mix_paths() -> impl Iterator<Item = String> {
    (0..MIX_FILES).map(|index| {
        format!("/mix/section-{}/year-{}/{}/page.html", index % 10, index / 10 % 10, index / 100)
    })
}

/// The paths of a tree of so many files.
pub(crate) fn tree_paths(count: usize) -> impl Iterator<Item = String> {
    let folders = count.div_ceil(IN_ONE_FOLDER);
    (0..count).map(move |index| format!("/tree-{count}/{}/{}.html", index % folders, index / folders))
}

/// A file below so many folders.
pub(crate) fn deep_path(depth: usize) -> String {
    format!("/depth-{depth}{}/1k.html", "/folder".repeat(depth - 1))
}

/// Where the list of that name is: beside the folder, so that nobody serves it.
pub(crate) fn list(folder: &Path, name: &str) -> PathBuf {
    folder.with_file_name(format!("{name}.list"))
}

/// A sequence in which the path of rank n comes with a probability in proportion to 1/n; which path has which rank is left to
/// chance.
fn zipf(mut paths: Vec<String>) -> Vec<String> {
    let mut numbers = Numbers::new(2);
    for last in (1..paths.len()).rev() {
        paths.swap(last, numbers.below(last + 1));
    }
    let mut sums = Vec::with_capacity(paths.len());
    let mut sum = 0.0;
    for rank in 1..=paths.len() {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let mut pick = || {
        let at = numbers.fraction() * sum;
        paths[sums.partition_point(|up_to| *up_to <= at).min(paths.len() - 1)].clone()
    };
    (0..LIST_LENGTH).map(|_| pick()).collect()
}

/// A sequence in which all paths are equally likely.
fn evenly(paths: &[String]) -> Vec<String> {
    let mut numbers = Numbers::new(3);
    (0..LIST_LENGTH.max(paths.len())).map(|_| paths[numbers.below(paths.len())].clone()).collect()
}

fn write_list(folder: &Path, name: &str, paths: &[String]) -> Result<(), String> {
    let text = paths.iter().fold(String::new(), |mut text, path| {
        let _ = writeln!(text, "{path}");
        text
    });
    fs::write(list(folder, name), text).map_err(|error| format!("{name}: {error}"))
}

/// Has the files leave the page cache, so that they come back as they do on any server, by being read. Pages that were just
/// written are of other sizes, which `sendfile` is sensitive to.
fn drop_pages<'p>(folder: &Path, paths: impl Iterator<Item = &'p str>) -> Result<(), String> {
    let drop = |path: &str| -> std::io::Result<()> {
        let file = fs::File::open(folder.join(path.trim_start_matches('/')))?;
        Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
    };
    let synced = fs::File::open(folder).and_then(|open| Ok(rustix::fs::syncfs(&open)?));
    synced.map_err(|error| format!("syncfs: {error}"))?;
    for path in paths {
        drop(path).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn write_file(path: &Path, size: usize, seed: u64) -> Result<(), String> {
    let mut numbers = Numbers::new(seed);
    let mut bytes: Vec<u8> = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&numbers.next().to_le_bytes());
    }
    bytes.truncate(size);
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, &bytes)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

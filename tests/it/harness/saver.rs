//! Another process that saves files, in each of the ways programs do: this test binary, run again with a variable set.
//! A thread would not do; what matters is that the server and the saver share nothing but the files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::content::version_bytes;

/// The variable that turns the test `saver_process` into a saver.
const ROLE: &str = "IFMATCH_TEST_SAVER";

/// The longest time a save may hold its file open before it counts as slow: the server waits 100 ms for a busy file and
/// then serves what is there. A saver that was not scheduled for so long has shown a half-written file by itself.
const BUSY_LIMIT: Duration = Duration::from_millis(60);

/// A way of saving a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// `pwrite` over the old bytes, in several calls.
    InPlace,
    /// `open` with `O_TRUNC`, then `write`: what a shell's `>` does.
    Truncate,
    /// A new file beside the old, renamed over it.
    Rename,
    /// Stores through a shared mapping, `msync`, `munmap`.
    Map,
    /// `unlink`, then `O_EXCL` and `write`: what git and tar do.
    Recreate,
}

impl How {
    /// Every way of saving.
    pub(crate) const ALL: [How; 5] = [How::InPlace, How::Truncate, How::Rename, How::Map, How::Recreate];

    /// The ways that show in every file's stamp on every filesystem. A store through a mapping does not on tmpfs once
    /// the page has been read; there the end of the mapping is announced to the watcher, and nothing else tells.
    pub(crate) const ON_TMPFS: [How; 4] = [How::InPlace, How::Truncate, How::Rename, How::Recreate];

    /// Its name in orders and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            How::InPlace => "in-place",
            How::Truncate => "truncate",
            How::Rename => "rename",
            How::Map => "map",
            How::Recreate => "recreate",
        }
    }

    fn named(name: &str) -> How {
        How::ALL
            .into_iter()
            .find(|how| how.name() == name)
            .unwrap_or_else(|| panic!("no way of saving: {name}"))
    }
}

/// Saves these bytes. When it returns the change is complete.
pub(crate) fn save(how: How, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match how {
        How::InPlace => {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            for (number, part) in bytes.chunks(65536).enumerate() {
                file.write_all_at(part, number as u64 * 65536)?;
            }
            if file.metadata()?.len() != bytes.len() as u64 {
                file.set_len(bytes.len() as u64)?;
            }
        }
        How::Truncate => fs::write(path, bytes)?,
        How::Rename => {
            let beside = path.with_extension("saved-beside");
            fs::write(&beside, bytes)?;
            fs::rename(&beside, path)?;
        }
        How::Map => {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            if file.metadata()?.len() != bytes.len() as u64 {
                file.set_len(bytes.len() as u64)?;
            }
            store_through_a_mapping(&file, bytes)?;
        }
        How::Recreate => {
            if path.exists() {
                fs::remove_file(path)?;
            }
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(bytes)?;
        }
    }
    Ok(())
}

/// Maps the whole file, stores the bytes, and unmaps it.
#[allow(unsafe_code)]
fn store_through_a_mapping(file: &File, bytes: &[u8]) -> io::Result<()> {
    let (length, protection) = (bytes.len(), libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: the mapping is as long as the file, which nobody shrinks while a saver runs; the copy stays within it; the
    // address is used between mmap and munmap only.
    unsafe {
        let address =
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0);
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast::<u8>(), length);
        let synced = libc::msync(address, length, libc::MS_SYNC);
        let unmapped = libc::munmap(address, length);
        if synced != 0 || unmapped != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Maps a file for good and gives a function that fills it with one byte.
#[expect(unsafe_code, reason = "mapping a file has no safe wrapper here")]
pub(crate) fn map(file: &File, length: usize) -> impl Fn(u8) + use<> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the mapping is as long as the file, which nobody shrinks, and stays until the process ends.
    let address = unsafe {
        libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    assert!(address != libc::MAP_FAILED, "{}", io::Error::last_os_error());
    // SAFETY: as above.
    move |byte| unsafe { std::ptr::write_bytes(address.cast::<u8>(), byte, length) }
}

/// The other process. It ends with the value.
#[derive(Debug)]
pub(crate) struct Saver {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a saver did by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// How many times it saved.
    pub(crate) saves: u64,
    /// How many of these held the file open for so long that the server may have given up waiting.
    pub(crate) slow: u64,
    /// And for how many milliseconds, together.
    pub(crate) slow_millis: u64,
}

impl Saver {
    /// Starts the process.
    pub(crate) fn start() -> Saver {
        let program = std::env::current_exe().expect("the path of the test binary");
        let mut command = Command::new(program);
        command.args(["--exact", "harness::saver::saver_process", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the saver process");
        let input = child.stdin.take().expect("the saver's input");
        let output = BufReader::new(child.stdout.take().expect("the saver's output"));
        let mut saver = Saver { child, input, output };
        assert_eq!(saver.answer(), "ready");
        saver
    }

    /// Saves a version of a file and returns when the change is complete.
    #[track_caller]
    pub(crate) fn save(&mut self, how: How, path: &Path, version: u64, size: usize) {
        self.tell(&format!("save {} {version} {size} {}", how.name(), path.display()));
        assert_eq!(self.answer(), "done");
    }

    /// The same, and then puts the file's modification time back to what it was, to the nanosecond.
    #[track_caller]
    pub(crate) fn save_and_restore_time(&mut self, how: How, path: &Path, version: u64, size: usize) {
        self.tell(&format!("restore {} {version} {size} {}", how.name(), path.display()));
        assert_eq!(self.answer(), "done");
    }

    /// Saves version after version, with this pause between two saves, until it is told to stop.
    pub(crate) fn keep_saving(&mut self, how: How, path: &Path, size: usize, pause: Duration) {
        self.tell(&format!("keep {} {} {size} {}", how.name(), pause.as_micros(), path.display()));
        assert_eq!(self.answer(), "begun");
    }

    /// Stops saving; the last save is complete.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Done {
        self.tell("stop");
        let answer = self.answer();
        let mut numbers = answer.split(' ').map(|number| number.parse().expect("a number of the saver"));
        let mut next = || numbers.next().expect("three numbers of the saver");
        Done { saves: next(), slow: next(), slow_millis: next() }
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.input, "{order}").expect("an order to the saver");
    }

    #[track_caller]
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let count = self.output.read_line(&mut line).expect("the saver's answer");
            assert!(count > 0, "the saver has ended");
            // The test harness of the child writes to the same stream.
            if let Some((_, answer)) = line.trim_end().split_once("saver: ") {
                return answer.to_owned();
            }
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The saver itself. In an ordinary test run it returns at once: there is nothing to test.
#[test]
fn saver_process() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    println!("saver: ready");
    let mut orders = io::stdin().lines();
    while let Some(Ok(order)) = orders.next() {
        let mut words = order.splitn(5, ' ');
        let mut word = || words.next().expect("a word of an order").to_owned();
        let (verb, how) = (word(), How::named(&word()));
        let (number, size, path) =
            (word().parse::<u64>().expect("a number"), word().parse().expect("a size"), word());
        let path = Path::new(&path);
        match verb.as_str() {
            "save" => save(how, path, &version_bytes(number, size)).expect("saving"),
            "restore" => {
                let before = super::folder::modified(path);
                save(how, path, &version_bytes(number, size)).expect("saving");
                super::folder::set_modified(path, before);
            }
            "keep" => {
                let stop = AtomicBool::new(false);
                let done = std::thread::scope(|scope| {
                    let saving =
                        scope.spawn(|| save_until(&stop, how, path, size, Duration::from_micros(number)));
                    println!("saver: begun");
                    orders.next();
                    stop.store(true, Ordering::Relaxed);
                    saving.join().expect("the saving thread")
                });
                println!("saver: {} {} {}", done.saves, done.slow, done.slow_millis);
                continue;
            }
            other => panic!("no such order: {other}"),
        }
        println!("saver: done");
    }
}

fn save_until(stop: &AtomicBool, how: How, path: &Path, size: usize, pause: Duration) -> Done {
    let mut done = Done { saves: 0, slow: 0, slow_millis: 0 };
    while !stop.load(Ordering::Relaxed) {
        done.saves += 1;
        // Where the size may change it does.
        let size = if how == How::Map || how == How::InPlace {
            size
        } else {
            size - (done.saves as usize * 64) % (size / 2)
        };
        let bytes = version_bytes(1_000 + done.saves, size);
        let begun = Instant::now();
        save(how, path, &bytes).expect("saving");
        let taken = begun.elapsed();
        if taken > BUSY_LIMIT {
            done.slow += 1;
            done.slow_millis += taken.as_millis() as u64;
        }
        std::thread::sleep(pause);
    }
    done
}

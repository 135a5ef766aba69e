//! Late writers: those who come, those who do not, and how long they have to wait.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Parents, Root, SymlinkPolicy};

/// Displaced files in a folder of their own.
struct Folder {
    folder: tempfile::TempDir,
    root: Root,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
        Self { folder, root }
    }

    /// A file that was just displaced, and the path by which a program that knew it still gets at it.
    fn displaced(&self, name: &str) -> (Place, LeasedFile, PathBuf) {
        let file = self.folder.path().join(name);
        fs::write(&file, "old").unwrap();
        let path = ResourcePath::ROOT.child(name, Dotfiles::Hidden).unwrap();
        let place = self.root.place(&path, Parents::Existing).unwrap();
        let leased = LeasedFile::take(place.open().unwrap().expect("a file")).expect("nobody writes");
        fs::remove_file(file).unwrap();
        let late = format!("/proc/self/fd/{}", leased.file().as_fd().as_raw_fd());
        (place, leased, PathBuf::from(late))
    }
}

type Copies = Receiver<Vec<u8>>;

/// A quarantine that calls this to copy.
fn quarantine(copy_beside: impl Fn(&OpenFile) + Send + Sync + 'static) -> Quarantine {
    Quarantine { shared: shared(copy_beside), started: Mutex::new(false) }
}

fn shared(copy_beside: impl Fn(&OpenFile) + Send + Sync + 'static) -> Arc<Shared> {
    let copy_beside = Box::new(move |_: &Place, file: &OpenFile| {
        copy_beside(file);
        Ok(())
    });
    Arc::new(Shared {
        kept: Mutex::default(),
        arrived: Condvar::new(),
        last_release: Mutex::default(),
        copy_beside,
    })
}

/// A quarantine that hands out what it would copy.
fn quarantine_and_copies() -> (Quarantine, Copies) {
    let (sender, copies) = channel();
    let sender = Mutex::new(sender);
    let quarantine = quarantine(move |file| {
        let mut bytes = vec![0; 100];
        let read = file.read_at(&mut bytes, 0).unwrap();
        let _ = sender.lock().unwrap().send(bytes[..read].to_vec());
    });
    (quarantine, copies)
}

/// The state of the thread, without the thread.
fn guard() -> Guard {
    Guard { shared: shared(|_| {}), written: Vec::new(), heard: disturbances() }
}

impl Guard {
    fn keep(&self, place: Place, file: LeasedFile, period: Duration) {
        let until = Instant::now() + period;
        self.shared.lock().push_back(Kept { place, file: Guarded::Leased(file), until });
    }

    /// How many are kept, and how many are written to.
    fn holds(&self) -> (usize, usize) {
        (self.shared.lock().len(), self.written.len())
    }
}

fn held(file: LeasedFile) -> Option<Remains> {
    Some(Remains::Held(Held::Leased(file)))
}

/// Opens a file as another program does: not in the thread that took the lease, which gets the signal of its end.
fn open_elsewhere(late: PathBuf) -> fs::File {
    std::thread::spawn(move || fs::File::options().write(true).open(late).unwrap()).join().unwrap()
}

/// Comes for a file that is held, and does not wait for it.
fn knock(late: &PathBuf) {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    fs::File::options().write(true).custom_flags(flags).open(late).expect_err("it is held");
}

/// Longer than anything should take, and less than the kernel lets a writer wait.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn what_a_late_writer_writes_is_copied_when_he_is_done() {
    let folder = Folder::new();
    let (quarantine, copies) = quarantine_and_copies();
    let (place, leased, late) = folder.displaced("f");
    quarantine.keep(place, held(leased));
    let mut writer = open_elsewhere(late);
    writer.write_all(b"too").unwrap();
    assert!(copies.recv_timeout(LOOK * 5).is_err(), "not before he is done");
    writer.write_all(b" late").unwrap();
    drop(writer);
    assert_eq!(copies.recv_timeout(LONG).unwrap(), b"too late");
}

#[test]
fn what_somebody_writes_who_was_there_before_is_copied_too() {
    let folder = Folder::new();
    let (quarantine, copies) = quarantine_and_copies();
    let (place, leased, late) = folder.displaced("f");
    let opened = leased.release();
    let mut writer = open_elsewhere(late);
    quarantine.keep(place, Some(Remains::Written(opened)));
    assert!(copies.recv_timeout(LOOK * 5).is_err());
    writer.write_all(b"log").unwrap();
    drop(writer);
    assert_eq!(copies.recv_timeout(LONG).unwrap(), b"log");
}

/// As `cp -p` and `rsync --times` do.
#[test]
fn a_late_writer_who_sets_mtime_back_is_noticed() {
    let folder = Folder::new();
    let (quarantine, copies) = quarantine_and_copies();
    let (place, leased, late) = folder.displaced("f");
    quarantine.keep(place, held(leased));
    let mut writer = open_elsewhere(late);
    let modified = writer.metadata().unwrap().modified().unwrap();
    writer.write_all(b"odd").unwrap();
    writer.set_modified(modified).unwrap();
    drop(writer);
    assert_eq!(copies.recv_timeout(LONG).unwrap(), b"odd");
}

#[test]
fn a_late_writer_who_writes_nothing_leaves_no_copy() {
    let folder = Folder::new();
    let (quarantine, copies) = quarantine_and_copies();
    let (place, leased, late) = folder.displaced("f");
    quarantine.keep(place, held(leased));
    drop(open_elsewhere(late));
    // Another one, who is looked at after him.
    let (place, leased, late) = folder.displaced("g");
    quarantine.keep(place, held(leased));
    open_elsewhere(late).write_all(b"the other").unwrap();
    assert_eq!(copies.recv_timeout(LONG).unwrap(), b"the other");
    assert!(copies.try_recv().is_err());
}

#[test]
fn a_late_writer_is_not_held_up_by_the_copying_of_another_ones_bytes() {
    let folder = Folder::new();
    let (copying, is_copying) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let (copying, may_go_on) = (Mutex::new(copying), Mutex::new(may_go_on));
    let quarantine = quarantine(move |_| {
        copying.lock().unwrap().send(()).unwrap();
        let _ = may_go_on.lock().unwrap().recv();
    });
    let (place, leased, late) = folder.displaced("f");
    quarantine.keep(place, held(leased));
    open_elsewhere(late).write_all(b"large").unwrap();
    is_copying.recv_timeout(LONG).unwrap();
    let (place, leased, late) = folder.displaced("g");
    quarantine.keep(place, held(leased));
    let (done, is_done) = channel();
    std::thread::spawn(move || done.send(fs::write(late, "next").is_ok()));
    assert_eq!(is_done.recv_timeout(LONG), Ok(true));
    drop(go_on);
}

#[test]
fn what_was_displaced_is_kept_until_its_time_is_over() {
    let folder = Folder::new();
    for (period, kept) in [(LONG, 1), (Duration::ZERO, 0)] {
        let mut guard = guard();
        let (place, file, _) = folder.displaced("f");
        guard.keep(place, file, period);
        guard.look();
        assert_eq!(guard.holds(), (kept, 0));
    }
}

#[test]
fn somebody_who_comes_is_let_in_and_watched() {
    // Before the time is over, and in the last moment.
    for period in [LONG, Duration::ZERO] {
        let folder = Folder::new();
        let mut guard = guard();
        let (place, file, late) = folder.displaced("f");
        guard.keep(place, file, period);
        knock(&late);
        for kept in guard.due(Instant::now()) {
            guard.dismiss(kept);
        }
        let _writer = open_elsewhere(late);
        guard.look();
        assert_eq!(guard.holds(), (0, 1));
    }
}

#[test]
fn somebody_who_came_before_it_was_kept_is_not_forgotten() {
    let folder = Folder::new();
    let (place, file, late) = folder.displaced("f");
    knock(&late);
    let mut guard = guard();
    let quarantine = Quarantine { shared: Arc::clone(&guard.shared), started: Mutex::new(false) };
    // No thread: the look is ours.
    *quarantine.started.lock().unwrap() = true;
    quarantine.keep(place, held(file));
    assert_eq!(guard.due(Instant::now()).len(), 1);
}

#[test]
fn two_quarantines_hear_of_each_others_signals() {
    let folder = Folder::new();
    let (mut one, mut other) = (guard(), guard());
    let (place, file, late) = folder.displaced("f");
    other.keep(place, file, LONG);
    knock(&late);
    one.look();
    assert_eq!(other.due(Instant::now()).len(), 1);
}

#[test]
fn more_than_can_be_kept_makes_the_oldest_go() {
    let folder = Folder::new();
    let mut guard = guard();
    for number in 0..CAPACITY + 3 {
        let (place, file, _) = folder.displaced(&format!("{number}"));
        guard.keep(place, file, LONG);
    }
    guard.look();
    assert_eq!(guard.holds(), (CAPACITY, 0), "nobody came");
}

#[test]
fn what_is_not_under_a_lease_is_not_kept() {
    let folder = Folder::new();
    let (quarantine, _copies) = quarantine_and_copies();
    let (place, leased, _) = folder.displaced("f");
    quarantine.keep(place, Some(Remains::Held(Held::Unleased(leased.release()))));
    let (place, ..) = folder.displaced("g");
    quarantine.keep(place, None);
    assert!(!*quarantine.started.lock().unwrap(), "no thread was needed");
}

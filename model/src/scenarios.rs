//! What is tried, and what has to hold in every order.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::thread;

use crate::site::{NAME, Site};

pub(crate) const SCENARIOS: [(&str, fn()); 4] = [
    ("an answer is not older than its question, and a file is read once at a time", no_answer_is_old),
    ("a version that may be taken back is never told", nothing_withheld_is_told),
    ("a change announced during a reading is not lost", no_taint_is_lost),
    ("who waits for a decision is woken", everybody_is_woken),
];

/// Versions that a writer has put in place, and has told so.
#[derive(Default)]
struct Complete(AtomicU64);

/// Files replaced by others, while several ask: each gets what was complete when it asked, or something newer. In
/// [`Site`] the readings of the file are counted, which are one at a time.
fn no_answer_is_old() {
    let site = Site::new();
    let complete = Arc::new(Complete::default());
    let mut threads = vec![];
    for _ in 0..3 {
        let (site, complete) = (Arc::clone(&site), Arc::clone(&complete));
        threads.push(thread::spawn(move || {
            for _ in 0..2 {
                let least = complete.0.load(Ordering::Relaxed);
                let version = site.ask();
                assert!(version >= least, "asked for when version {least} was complete, and got {version}");
            }
        }));
    }
    for version in 1..=3 {
        site.publish(site.staged(version));
        complete.0.store(version, Ordering::Relaxed);
        thread::yield_now();
    }
    join(threads);
}

/// Versions are put in place and taken back, one is put in place and stays: the odd ones are never told.
fn nothing_withheld_is_told() {
    const ACCEPTED: u64 = 6;
    let site = Site::new();
    let mut threads = vec![];
    for _ in 0..2 {
        let site = Arc::clone(&site);
        threads.push(thread::spawn(move || {
            for _ in 0..3 {
                let version = site.ask();
                assert_eq!(version % 2, 0, "version {version} was taken back");
                let known = site.store.hit(NAME);
                let known = known.and_then(|entry| entry.body().map(|body| crate::site::version(body)));
                assert!(
                    known.is_none_or(|version| version % 2 == 0),
                    "{known:?} is known, and was taken back"
                );
            }
        }));
    }
    for version in [1, 3, 5] {
        let old = site.place().with_file_name("old");
        fs::hard_link(site.place(), &old).expect("a link");
        let rejected = site.staged(version);
        let withholding = site.store.withhold(&site.path(), &site.stamp(&rejected));
        site.publish(rejected);
        thread::yield_now();
        site.publish(old);
        drop(withholding);
    }
    let accepted = site.staged(ACCEPTED);
    let withholding = site.store.withhold(&site.path(), &site.stamp(&accepted));
    site.publish(accepted);
    thread::yield_now();
    withholding.confirm();
    assert_eq!(site.ask(), ACCEPTED, "a version that was confirmed is told");
    join(threads);
}

/// The watcher says that something changed which the stamp may not show: no reading that began before is believed after.
fn no_taint_is_lost() {
    let site = Site::new();
    let asking = Arc::clone(&site);
    let asker = thread::spawn(move || {
        for _ in 0..3 {
            asking.ask();
        }
    });
    for _ in 0..3 {
        thread::yield_now();
        let next = site.next_ticket();
        site.store.evict(NAME);
        // At once, and while the reading goes on.
        for _ in 0..3 {
            let believed = site.store.hit(NAME).map(|entry| *entry.rendered());
            assert!(
                believed.is_none_or(|ticket| ticket >= next),
                "reading {believed:?} is believed, and {next} would be the next after the change"
            );
            thread::yield_now();
        }
    }
    join(vec![asker]);
    // Whatever was read when the last change was announced, it is over by now.
    let next = site.next_ticket();
    site.store.evict(NAME);
    assert!(site.store.hit(NAME).is_none_or(|entry| *entry.rendered() >= next));
}

/// Versions are decided one way and the other, while several wait: nobody waits for ever, which shuttle would tell as a
/// deadlock.
fn everybody_is_woken() {
    let site = Site::new();
    let mut threads = vec![];
    for _ in 0..2 {
        let site = Arc::clone(&site);
        threads.push(thread::spawn(move || {
            site.ask();
        }));
    }
    for version in 1..=2 {
        let staged = site.staged(version);
        let withholding = site.store.withhold(&site.path(), &site.stamp(&staged));
        site.publish(staged);
        thread::yield_now();
        withholding.confirm();
    }
    join(threads);
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a thread");
    }
}

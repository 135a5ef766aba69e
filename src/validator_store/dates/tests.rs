//! The dates of histories: a table of cases, and any history under a clock that jumps.

use proptest::prelude::*;

use super::*;
use crate::root::Timestamp;
use crate::validator_store::digest::DigestAlgorithm;

fn date(seconds: i64) -> HttpDate {
    HttpDate::from_unix(seconds).unwrap()
}

/// No two changes have the same stamp: ctime tells them apart by the nanosecond.
fn stamp(modified: i64, changed: i64, change: u32) -> Stamp {
    let time = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
    Stamp {
        mount: 1,
        device: 1,
        inode: 1,
        size: 5,
        modified: time(modified, 0),
        changed: time(changed, change),
    }
}

fn digest(bytes: u32) -> Digest {
    Digest::of(DigestAlgorithm::Xxh3, &bytes.to_le_bytes())
}

/// The dates of a history of (bytes, mtime, ctime), each of which is sent as soon as it may be while the clock shows
/// the ctime.
fn dates(history: &[(u32, i64, i64)]) -> Vec<Option<u64>> {
    let dates = Dates::default();
    let offer = |(change, &(bytes, modified, changed)): (usize, &(u32, i64, i64))| {
        let read = Version::Hashed(stamp(modified, changed, change as u32), digest(bytes));
        let offer = dates.offer("file", read, Instant::now(), date(changed))?;
        offer.take(date(changed));
        Some(offer.date().unix())
    };
    history.iter().enumerate().map(offer).collect()
}

#[test]
fn last_modified_is_mtime_where_mtime_can_be_believed() {
    for (modified, changed, expected) in [
        (1000, 1000, Some(1000)),
        (1000, 2000, Some(1000)),
        (9000, 2000, Some(2000)),
        (0, 2000, None),
        (1, 2000, None),
        (2, 2000, Some(2)),
        (-5, 2000, None),
        (i64::MAX, 2000, Some(2000)),
        (i64::MIN, 2000, None),
    ] {
        assert_eq!(dates(&[(1, modified, changed)]), [expected], "mtime {modified}, ctime {changed}");
    }
}

#[test]
fn a_date_that_was_given_to_other_bytes_is_never_given_again() {
    for (name, history, expected) in [
        ("mtime advances", vec![(1, 10, 10), (2, 20, 20)], vec![10, 20]),
        ("touch", vec![(1, 10, 10), (1, 30, 30)], vec![10, 30]),
        ("touched back", vec![(1, 10, 10), (1, 5, 30)], vec![10, 5]),
        ("cp -p of an older file", vec![(1, 10, 10), (2, 5, 20)], vec![10, 20]),
        ("same mtime", vec![(1, 10, 10), (2, 10, 20)], vec![10, 20]),
        ("two saves in one second", vec![(1, 10, 10), (2, 10, 10)], vec![10, 11]),
        // The date of the second was not sent: it had not come.
        ("three saves in one second", vec![(1, 10, 10), (2, 10, 10), (3, 10, 10)], vec![10, 11, 11]),
        ("rollback", vec![(1, 10, 10), (2, 20, 20), (1, 10, 30)], vec![10, 20, 30]),
        ("rollback, then chmod", vec![(1, 10, 10), (2, 5, 20), (2, 5, 40)], vec![10, 20, 20]),
        ("rollback, then touched back", vec![(2, 20, 20), (1, 5, 30), (1, 3, 40)], vec![20, 30, 30]),
        (
            "touched forth and back, then saved",
            vec![(1, 10, 10), (1, 30, 30), (1, 5, 31), (2, 20, 32)],
            vec![10, 30, 5, 32],
        ),
        ("the clock is set back", vec![(1, 100, 100), (2, 98, 98), (3, 98, 98)], vec![100, 101, 101]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(Some).collect();
        assert_eq!(dates(&history), expected, "{name}");
    }
}

#[test]
fn a_date_that_was_sent_is_not_given_again_when_the_clock_is_set_back() {
    let dates = Dates::default();
    let save = |bytes, clock: i64, change| {
        let read = Version::Hashed(stamp(clock, clock, change), digest(bytes));
        dates.offer("file", read, Instant::now(), date(clock)).unwrap()
    };
    save(1, 100, 1);
    let second = save(2, 100, 2);
    assert_eq!((second.date(), second.take(date(100))), (date(101), None), "it has not come");
    assert_eq!(second.take(date(101)), Some(date(101)));
    let third = save(3, 99, 3);
    assert!(third.date() > date(101), "{third:?}");
    assert_eq!(second.take(date(200)), Some(date(101)), "sent before, so it may be sent again");
}

#[test]
fn many_saves_in_one_second_do_not_move_the_date_ahead() {
    let history: Vec<_> = (0..100).map(|bytes| (bytes, 1000, 1000)).collect();
    let dates = dates(&history);
    assert_eq!((dates[0], dates[1], dates[99]), (Some(1000), Some(1001), Some(1001)));
}

#[test]
fn bytes_that_were_read_at_the_same_time_as_others_have_no_date() {
    let dates = Dates::default();
    let began = Instant::now();
    let read = |bytes, change| Version::Hashed(stamp(50, 50, change), digest(bytes));
    assert!(dates.offer("file", read(1, 1), Instant::now(), date(60)).is_some());
    assert!(dates.offer("file", read(2, 2), began, date(60)).is_none(), "which is newer?");
    assert!(dates.offer("file", read(1, 3), began, date(60)).is_some(), "the same bytes");
    assert!(dates.offer("file", read(2, 2), Instant::now(), date(60)).is_some());
}

/// What happens to a file, and to those who ask for it.
#[derive(Clone, Debug)]
enum Event {
    /// Bytes are saved; mtime is the clock's, or so much away from it.
    Save {
        bytes: u32,
        modified: i64,
    },
    Touch {
        modified: i64,
    },
    Chmod,
    /// The server reads the file.
    Hash,
    Still,
    Moving,
    /// An answer is sent from one of the last readings: the last for 0.
    Answer {
        readings_ago: usize,
    },
    /// The clock goes on, or is set.
    Clock(i64),
    /// Another path is read, which takes memory.
    Other(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let away = || prop_oneof![4 => Just(0), 1 => -4..4_i64];
    prop_oneof![
        3 => (0..3_u32, away()).prop_map(|(bytes, modified)| Event::Save { bytes, modified }),
        1 => away().prop_map(|modified| Event::Touch { modified }),
        1 => Just(Event::Chmod),
        4 => Just(Event::Hash),
        1 => Just(Event::Still),
        1 => Just(Event::Moving),
        4 => (0..3_usize).prop_map(|readings_ago| Event::Answer { readings_ago }),
        2 => Just(Event::Clock(1)),
        1 => (-4..4_i64).prop_map(Event::Clock),
        1 => (0..4_u32).prop_map(Event::Other),
    ]
}

/// A path, and all that was ever sent of it.
struct Model {
    dates: Dates,
    clock: i64,
    bytes: u32,
    modified: i64,
    changed: i64,
    change: u32,
    /// What was read: the bytes, as far as they can be told apart, and their date.
    readings: Vec<(u32, Option<Arc<Offer>>)>,
    sent: Vec<(HttpDate, u32)>,
}

impl Model {
    fn new() -> Self {
        let (clock, bytes, change) = (1000, 0, 0);
        let (dates, readings, sent) = (Dates::with_limit(4), Vec::new(), Vec::new());
        Self { dates, clock, bytes, modified: clock, changed: clock, change, readings, sent }
    }

    fn change(&mut self, modified: i64) {
        (self.modified, self.changed, self.change) = (modified, self.clock, self.change + 1);
    }

    fn meet(&mut self, event: &Event) {
        let stamp = stamp(self.modified, self.changed, self.change);
        match *event {
            Event::Save { bytes, modified } => {
                self.bytes = bytes;
                self.change(self.clock + modified);
            }
            Event::Touch { modified } => self.change(self.clock + modified),
            Event::Chmod => self.change(self.modified),
            Event::Hash => self.read(Version::Hashed(stamp, digest(self.bytes)), self.bytes),
            Event::Still => self.read(Version::Still(stamp), self.bytes),
            Event::Moving => self.read(Version::Moving(stamp), 1000 + self.readings.len() as u32),
            Event::Answer { readings_ago } => {
                let reading = self.readings.iter().rev().nth(readings_ago);
                let answered = reading.and_then(|(bytes, offer)| Some((*bytes, offer.clone()?)));
                if let Some((bytes, offer)) = answered
                    && let Some(sent) = offer.take(date(self.clock))
                {
                    self.sent.push((sent, bytes));
                }
            }
            Event::Clock(seconds) => self.clock += seconds,
            Event::Other(path) => {
                let read = Version::Hashed(stamp, digest(path));
                self.dates.offer(&format!("other {path}"), read, Instant::now(), date(self.clock));
            }
        }
    }

    /// What was sent with other bytes never counts as the date of these, nor as a later one.
    fn read(&mut self, read: Version, bytes: u32) {
        let offer = self.dates.offer("file", read, Instant::now(), date(self.clock));
        if let Some(offer) = &offer {
            for &(sent, of) in self.sent.iter().filter(|(_, of)| *of != bytes) {
                assert!(
                    offer.date() > sent,
                    "{sent:?} was sent with {of}, and {read:?} has {:?}",
                    offer.date()
                );
            }
        }
        self.readings.push((bytes, offer));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_date_is_that_of_other_bytes_whatever_the_clock_does(events in prop::collection::vec(event(), 1..60)) {
        let mut model = Model::new();
        for event in &events {
            model.meet(event);
        }
    }
}

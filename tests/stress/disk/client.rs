//! The client of a contest: it reads the file and replaces, deletes or creates it under the condition that nothing has
//! changed since. It is the only one who does, so it knows what it must never see.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::content::version_bytes;
use crate::random::Random;
use crate::watch;
use crate::wire::Condition;

use super::contest::{Contest, Figures, Version, count};
use super::means::{Means, Outcome, Seen};
use super::story::Event;

/// How long to wait after a read that was good for nothing.
const AGAIN: Duration = Duration::from_micros(100);

/// What a read was good for.
enum Use {
    Used,
    Unusable,
}

/// Works until the contest is over.
pub(crate) fn work(contest: &Contest, figures: &Figures, means: Means, deletes: usize, random: &mut Random) {
    let worker = watch::Worker::new(format!("client of {}", contest.name));
    let mut client = Client { contest, figures, means, number: 0, refused: None };
    loop {
        let delete = deletes > 0 && random.one_in(deletes);
        worker.begins("operation", client.number);
        match contest.operation(|| client.operate(delete)) {
            None => return,
            Some(Ok(Use::Used)) => {}
            // The saver needs the time to end what it is doing.
            Some(Ok(Use::Unusable)) => std::thread::sleep(AGAIN),
            Some(Err(why)) => {
                watch::broken(format!("{}, operation {}: {why}", contest.name, client.number));
                if watch::enough() {
                    return;
                }
            }
        }
    }
}

struct Client<'a> {
    contest: &'a Contest,
    figures: &'a Figures,
    means: Means<'a>,
    /// How many writes were tried.
    number: u64,
    /// The last write that was refused.
    refused: Option<Version>,
}

impl Client<'_> {
    /// One read, and one write of what was made of it.
    fn operate(&mut self, delete: bool) -> Result<Use, String> {
        let saved = self.contest.saved.load(SeqCst);
        match self.means.read()? {
            Seen::Version(version, tag) => {
                self.judge(version, saved)?;
                self.replace(version, &tag, delete)
            }
            Seen::Absent => self.create(),
            Seen::Unusable => {
                count(&self.figures.unusable);
                Ok(Use::Unusable)
            }
        }
    }

    fn judge(&self, version: Version, saved: u64) -> Result<(), String> {
        if version.root() < saved {
            count(&self.figures.stale);
        }
        if self.refused == Some(version) {
            return Err(format!("{version} was refused, and is read"));
        }
        Ok(())
    }

    fn replace(&mut self, read: Version, tag: &str, delete: bool) -> Result<Use, String> {
        self.number += 1;
        let version = Version::derived(read.root(), self.number);
        let version = if delete { version.deletion() } else { version };
        self.contest.story.tell(Event::Write(read, version));
        if delete {
            let outcome = self.means.delete(tag)?;
            self.record(version, &outcome);
            if matches!(outcome, Outcome::Done) {
                count(&self.figures.deleted);
            }
            return Ok(Use::Used);
        }
        let bytes = version_bytes(version.0, self.contest.size);
        let outcome = self.means.write(Condition::Match(tag), &bytes)?;
        self.record(version, &outcome);
        if matches!(outcome, Outcome::Done) {
            count(&self.figures.replaced);
        }
        Ok(Use::Used)
    }

    /// Makes the file anew, if it is this client who deleted it.
    fn create(&mut self) -> Result<Use, String> {
        let Some(before) = self.contest.deletion() else {
            count(&self.figures.unusable);
            return Ok(Use::Unusable);
        };
        self.number += 1;
        let version = Version::derived(before.root(), self.number);
        self.contest.story.tell(Event::Write(before, version));
        let bytes = version_bytes(version.0, self.contest.size);
        let outcome = self.means.write(Condition::Absent, &bytes)?;
        self.record(version, &outcome);
        if matches!(outcome, Outcome::Done) {
            count(&self.figures.created);
        }
        Ok(Use::Used)
    }

    fn record(&mut self, version: Version, outcome: &Outcome) {
        self.contest.story.tell(Event::Answer(outcome.name()));
        match outcome {
            Outcome::Done => self.contest.acknowledge(version),
            Outcome::Refused => {
                count(&self.figures.refused);
                self.refused = Some(version);
            }
            Outcome::Busy(why) => {
                self.figures.busy(why);
                self.refused = Some(version);
            }
            Outcome::Unanswered => {
                count(&self.figures.unanswered);
                if version.is_deletion() {
                    self.contest.leave_open(version);
                }
            }
        }
    }
}

//! The clients whose histories are checked. Each history has files of its own; the connections stay.

use std::net::SocketAddr;
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use crate::content::{tag_of, version_bytes, version_of};
use crate::random::Random;
use crate::watch;
use crate::wire::{Answer, Condition, Silence, Wire};

use super::Options;
use super::model::{Action, Answered, Event};

/// The size of the files.
const SIZE: usize = 600;

/// What the clients and the recorder share.
struct Session<'a> {
    options: &'a Options,
    /// The number of the next history; `None` at the end.
    number: Mutex<Option<u64>>,
    /// The events of the history, by file.
    events: Mutex<Vec<Vec<Event>>>,
    barrier: Barrier,
    began: Instant,
}

/// Records histories, and hands each over with its number.
pub(super) fn record(
    options: &Options,
    addresses: &[SocketAddr],
    random: &mut Random,
    mut judge: impl FnMut(u64, &[Vec<Event>]),
) {
    let session = Session {
        options,
        number: Mutex::new(None),
        events: Mutex::default(),
        barrier: Barrier::new(options.clients + 1),
        began: Instant::now(),
    };
    let worker = watch::Worker::new("the recorder");
    std::thread::scope(|scope| {
        for number in 0..options.clients {
            let address = addresses[number % addresses.len()];
            let (session, random) = (&session, random.split());
            let client =
                Client { session, number, wire: Wire::new(address), random, seen: Vec::new(), writes: 0 };
            scope.spawn(|| client.work());
        }
        for number in 0..options.histories {
            if watch::enough() {
                break;
            }
            worker.begins("history", number);
            *session.events.lock().expect("no client panics") = vec![Vec::new(); options.keys];
            *session.number.lock().expect("no client panics") = Some(number);
            session.barrier.wait();
            session.barrier.wait();
            judge(number, &session.events.lock().expect("no client panics"));
        }
        *session.number.lock().expect("no client panics") = None;
        session.barrier.wait();
    });
}

struct Client<'a> {
    session: &'a Session<'a>,
    number: usize,
    wire: Wire,
    random: Random,
    /// The last version of each file that it knows of.
    seen: Vec<Option<u64>>,
    writes: u64,
}

impl Client<'_> {
    fn work(mut self) {
        let worker = watch::Worker::new(format!("client {}", self.number));
        let options = self.session.options;
        loop {
            self.session.barrier.wait();
            let Some(history) = *self.session.number.lock().expect("no client panics") else { return };
            worker.begins("history", history);
            self.seen = vec![None; options.keys];
            let mut events = Vec::with_capacity(options.operations);
            for _ in 0..options.operations {
                let key = self.random.below(options.keys);
                events.push((key, self.operate(&format!("/history-{history}-{key}"), key)));
            }
            let mut all = self.session.events.lock().expect("no client panics");
            for (key, event) in events {
                all[key].push(event);
            }
            drop(all);
            self.session.barrier.wait();
        }
    }

    /// One request, with its times.
    fn operate(&mut self, target: &str, key: usize) -> Event {
        let action = self.choose(key);
        let time = || self.session.began.elapsed().as_nanos() as u64;
        let begun = time();
        let answer = ask(&mut self.wire, target, action);
        let ended = time();
        let answered = answer.map_err(String::from).and_then(|answer| read(action, &answer));
        let (answered, ended) = match answered {
            Ok(answered) => (answered, ended),
            Err(why) => {
                watch::broken(format!("client {}, {target}, {action:?}: {why}", self.number));
                (Answered::Nothing, u64::MAX)
            }
        };
        match (action, answered) {
            (_, Answered::Found(version)) => self.seen[key] = Some(version),
            (
                Action::Put(new) | Action::Replace(_, new) | Action::Create(new),
                Answered::Created | Answered::Done,
            ) => {
                self.seen[key] = Some(new);
            }
            _ => {}
        }
        Event { client: self.number, action, answered, begun, ended }
    }

    fn choose(&mut self, key: usize) -> Action {
        self.writes += 1;
        let new = (self.number as u64 + 1) << 40 | self.writes;
        match (self.random.below(12), self.seen[key]) {
            (0..4, _) => Action::Get,
            (4..8, Some(seen)) => Action::Replace(seen, new),
            (8, Some(seen)) => Action::Delete(seen),
            (9, _) => Action::Put(new),
            _ => Action::Create(new),
        }
    }
}

fn ask(wire: &mut Wire, target: &str, action: Action) -> Result<Answer, Silence> {
    let tag = |version| tag_of(&version_bytes(version, SIZE));
    let put =
        |wire: &mut Wire, condition: Condition, new| wire.put(target, condition, &version_bytes(new, SIZE));
    match action {
        Action::Get => wire.get(target),
        Action::Put(new) => put(wire, Condition::None, new),
        Action::Create(new) => put(wire, Condition::Absent, new),
        Action::Replace(named, new) => put(wire, Condition::Match(&tag(named)), new),
        Action::Delete(named) => wire.delete(target, Condition::Match(&tag(named))),
    }
}

/// What an answer says; an error where it says what no such request may draw.
fn read(action: Action, answer: &Answer) -> Result<Answered, String> {
    if let (Action::Put(new) | Action::Replace(_, new) | Action::Create(new), 201 | 204) =
        (action, answer.status)
        && answer.tag.as_deref() != Some(&tag_of(&version_bytes(new, SIZE)))
    {
        return Err(format!("the tag is not that of what was written: {answer:?}"));
    }
    match (action, answer.status) {
        (Action::Get, 200) => {
            let version = version_of(&answer.body).filter(|_| answer.body.len() == SIZE);
            let version = version.ok_or_else(|| format!("a torn body: {answer:?}"))?;
            match &answer.tag {
                Some(tag) if *tag == tag_of(&answer.body) => Ok(Answered::Found(version)),
                _ => Err(format!("a tag of other bytes: {answer:?}")),
            }
        }
        (Action::Get | Action::Delete(_), 404) => Ok(Answered::Missing),
        (Action::Put(_) | Action::Create(_), 201) => Ok(Answered::Created),
        (Action::Put(_) | Action::Replace(..) | Action::Delete(_), 204) => Ok(Answered::Done),
        (Action::Replace(..) | Action::Create(_) | Action::Delete(_), 412) => Ok(Answered::Failed),
        (Action::Put(_) | Action::Replace(..) | Action::Create(_) | Action::Delete(_), 409) => {
            Ok(Answered::Busy)
        }
        _ => Err(format!("the answer is {}: {}", answer.status, String::from_utf8_lossy(&answer.body))),
    }
}

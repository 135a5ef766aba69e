//! What happened to a file of late, for the report of a loss: the last saves, operations and kills with their times.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::sync::Mutex;
use std::time::Instant;

use super::contest::Version;

/// How many events are remembered.
const REMEMBERED: usize = 40;

/// An event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A save begins, in one of the ways.
    SaveBegins(u64, &'static str),
    SaveEnds(u64),
    /// The client has read a version, and writes another one.
    Write(Version, Version),
    /// The answer to that.
    Answer(&'static str),
    Killed,
    Ready,
}

/// The last events, oldest first.
#[derive(Debug)]
pub(crate) struct Story {
    began: Instant,
    events: Mutex<VecDeque<(Instant, Event)>>,
}

impl Story {
    /// Nothing has happened.
    pub(crate) fn new() -> Story {
        Story { began: Instant::now(), events: Mutex::new(VecDeque::with_capacity(REMEMBERED)) }
    }

    /// Adds an event.
    pub(crate) fn tell(&self, event: Event) {
        let mut events = self.events.lock().expect("no teller panics");
        if events.len() == REMEMBERED {
            events.pop_front();
        }
        events.push_back((Instant::now(), event));
    }
}

impl Display for Story {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (time, event) in self.events.lock().expect("no teller panics").iter() {
            write!(f, "\n  {:>12.3} ms  ", (*time - self.began).as_secs_f64() * 1000.0)?;
            match event {
                Event::SaveBegins(token, way) => write!(f, "save {token} begins: {way}")?,
                Event::SaveEnds(token) => write!(f, "save {token} ends")?,
                Event::Write(from, to) => write!(f, "client: reads {from}; sends {to}")?,
                Event::Answer(answer) => write!(f, "client: is told {answer}")?,
                Event::Killed => f.write_str("the server is killed")?,
                Event::Ready => f.write_str("the next server is ready")?,
            }
        }
        Ok(())
    }
}

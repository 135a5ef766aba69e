//! The checker after Wing and Gong: it takes, one by one, an operation that none of the others had ended before, and
//! goes back when an answer does not fit. What was tried once, the same operations done and the same state, is not tried
//! again (Lowe). It knows no server and no clock.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

use super::model::{Answered, Event, State};

/// The longest history: the operations done are one number's bits.
pub(super) const LONGEST: usize = 128;

/// The part of a history that has no order: its events, and the states that the file can have been in before them.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) before: Vec<State>,
    pub(super) events: Vec<Event>,
}

/// Accepts the history of one file, or tells the smallest part that cannot be: up to the first answer that is wrong in
/// every order, from the last moment before it at which nothing was in flight.
pub(super) fn check(events: &[Event], start: State) -> Result<(), Window> {
    if !ends(events, &[start]).is_empty() {
        return Ok(());
    }
    let mut answers: Vec<u64> = events.iter().map(|event| event.ended).collect();
    answers.sort_unstable();
    let offending = answers.into_iter().map(|time| until(events, time));
    let mut events =
        offending.into_iter().find(|prefix| ends(prefix, &[start]).is_empty()).expect("the whole history");
    let mut before = vec![start];
    for time in quiet_moments(&events) {
        let (past, rest): (Vec<Event>, Vec<Event>) = events.iter().partition(|event| event.ended < time);
        let states = ends(&past, &before);
        if !states.is_empty() {
            (before, events) = (states, rest);
        }
    }
    Err(Window { before, events })
}

/// The states that the file can be in after the events, in any order that fits; none if no order does.
pub(super) fn ends(events: &[Event], starts: &[State]) -> Vec<State> {
    assert!(events.len() <= LONGEST, "a history of {} operations", events.len());
    let mut search = Search { events, tried: HashSet::new(), ends: HashSet::new() };
    for start in starts {
        search.go_on(0, *start);
    }
    let mut ends: Vec<State> = search.ends.into_iter().collect();
    ends.sort_unstable();
    ends
}

struct Search<'a> {
    events: &'a [Event],
    tried: HashSet<(u128, State)>,
    ends: HashSet<State>,
}

impl Search<'_> {
    fn go_on(&mut self, done: u128, state: State) {
        if !self.tried.insert((done, state)) {
            return;
        }
        let events = self.events;
        let left = || events.iter().enumerate().filter(|(place, _)| done >> place & 1 == 0);
        // Nothing that began after this can be next.
        let first_end = left().map(|(_, event)| event.ended).min().unwrap_or(u64::MAX);
        if first_end == u64::MAX {
            // What is left has no answer, and may never be done.
            self.ends.insert(state);
        }
        for (place, event) in left() {
            if event.begun <= first_end
                && let Some(after) = event.apply(state)
            {
                self.go_on(done | 1 << place, after);
            }
        }
    }
}

/// What was known at a time: who was answered later had no answer yet.
fn until(events: &[Event], time: u64) -> Vec<Event> {
    let begun = events.iter().filter(|event| event.begun <= time);
    let known = |event: &Event| {
        if event.ended <= time {
            *event
        } else {
            Event { answered: Answered::Nothing, ended: u64::MAX, ..*event }
        }
    };
    begun.map(known).collect()
}

/// The times, ascending, at which an event begins and none is in flight.
fn quiet_moments(events: &[Event]) -> Vec<u64> {
    let quiet = |time: &u64| events.iter().all(|event| event.ended < *time || event.begun >= *time);
    let mut times: Vec<u64> = events.iter().map(|event| event.begun).filter(quiet).collect();
    times.sort_unstable();
    times
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let before: Vec<String> = self.before.iter().map(State::to_string).collect();
        writeln!(f, "  before: {}", before.join(", or "))?;
        let mut events = self.events.clone();
        events.sort_by_key(|event| event.begun);
        events.iter().try_for_each(|event| writeln!(f, "  {event}"))
    }
}

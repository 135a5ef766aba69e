//! Tests of the checker: histories whose verdict is known, and random ones whose verdict is found by trying every order.

use crate::random::Random;
use crate::table::{Table, cells};
use crate::watch;

use super::checker::{check, ends};
use super::model::{Action, Answered, Event, State};

use Action::{Create, Delete, Get, Put, Replace};
use Answered::{Busy, Created, Done, Failed, Found, Missing, Nothing};
use Verdict::{Accepted, Rejected};

/// How many random histories of each sort are tried.
const ROUNDS: usize = 5_000;

/// What the checker must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Rejected,
}

/// A request and its answer, from one time to another.
type Line = (u64, u64, Action, Answered);

const FOREVER: u64 = u64::MAX;

/// Histories of a file that is not there at first.
#[rustfmt::skip]
const CASES: &[(&str, Verdict, &[Line])] = &[
    ("nothing at all", Accepted, &[]),
    ("what was written is read", Accepted, &[(0, 1, Put(1), Created), (2, 3, Get, Found(1))]),
    ("an old version is read after a new one was acknowledged", Rejected,
        &[(0, 1, Put(1), Created), (2, 3, Put(2), Done), (4, 5, Get, Found(1))]),
    ("an old version is read while a new one is being written", Accepted,
        &[(0, 1, Put(1), Created), (2, 9, Put(2), Done), (3, 4, Get, Found(1))]),
    ("the new version is read first, and then the old one", Rejected,
        &[(0, 1, Put(1), Created), (2, 9, Put(2), Done), (3, 4, Get, Found(2)), (5, 6, Get, Found(1))]),
    ("a version is read before it was sent", Rejected, &[(0, 1, Get, Found(1)), (2, 3, Put(1), Created)]),
    ("two equal compare-and-swaps succeed", Rejected,
        &[(0, 1, Put(1), Created), (2, 9, Replace(1, 2), Done), (3, 8, Replace(1, 3), Done)]),
    ("one of two equal compare-and-swaps succeeds", Accepted,
        &[(0, 1, Put(1), Created), (2, 9, Replace(1, 2), Done), (3, 8, Replace(1, 3), Failed)]),
    ("both of two equal compare-and-swaps fail", Rejected,
        &[(0, 1, Put(1), Created), (2, 9, Replace(1, 2), Failed), (3, 8, Replace(1, 3), Failed)]),
    ("a compare-and-swap is overwritten by one that named the version before", Rejected,
        &[(0, 1, Put(1), Created), (2, 3, Replace(1, 2), Done), (4, 5, Replace(1, 3), Done), (6, 7, Get, Found(3))]),
    ("two creations succeed", Rejected, &[(0, 9, Create(1), Created), (1, 8, Create(2), Created)]),
    ("two creations succeed with a deletion between them", Accepted,
        &[(0, 9, Create(1), Created), (1, 8, Create(2), Created), (2, 7, Delete(1), Done)]),
    ("a creation fails where nothing is", Rejected, &[(0, 1, Create(1), Failed)]),
    ("a creation fails against one in flight", Accepted, &[(0, 9, Create(1), Created), (1, 2, Create(2), Failed)]),
    ("a deleted file is read", Rejected,
        &[(0, 1, Put(1), Created), (2, 3, Delete(1), Done), (4, 5, Get, Found(1))]),
    ("a file that nobody deleted is missing", Rejected, &[(0, 1, Put(1), Created), (2, 3, Get, Missing)]),
    ("a failed write is read", Rejected,
        &[(0, 1, Put(1), Created), (2, 3, Replace(9, 2), Failed), (4, 5, Get, Found(2))]),
    ("a busy write is read", Rejected,
        &[(0, 1, Put(1), Created), (2, 3, Replace(1, 2), Busy), (4, 5, Get, Found(2))]),
    ("a busy write is not done", Accepted,
        &[(0, 1, Put(1), Created), (2, 3, Replace(1, 2), Busy), (4, 5, Get, Found(1))]),
    ("a write without an answer is read", Accepted,
        &[(0, 1, Put(1), Created), (2, FOREVER, Put(2), Nothing), (4, 5, Get, Found(1)), (6, 7, Get, Found(2))]),
    ("a write without an answer is undone", Rejected,
        &[(0, 1, Put(1), Created), (2, FOREVER, Put(2), Nothing), (4, 5, Get, Found(2)), (6, 7, Get, Found(1))]),
    ("a write without an answer is done before it was sent", Rejected,
        &[(0, 1, Get, Found(1)), (2, FOREVER, Put(1), Nothing)]),
    ("201 where a file is", Rejected, &[(0, 1, Put(1), Created), (2, 3, Put(2), Created)]),
    ("a replacement of a missing file fails", Accepted, &[(0, 1, Replace(1, 2), Failed)]),
    ("a deletion of a missing file finds nothing", Accepted, &[(0, 1, Delete(1), Missing)]),
    ("a deletion of a missing file fails by its condition", Rejected, &[(0, 1, Delete(1), Failed)]),
];

/// Runs the tests and prints what they did.
pub(super) fn run() -> Result<(), String> {
    let mut table = Table::new(&["checker", "histories", "accepted", "rejected"]);
    let count = |verdict| CASES.iter().filter(|case| case.1 == verdict).count();
    for (name, expected, lines) in CASES {
        let events: Vec<Event> = lines.iter().enumerate().map(|(client, line)| event(client, line)).collect();
        if verdict(&events) != *expected {
            watch::broken(format!("the checker says {:?} to: {name}", verdict(&events)));
        }
    }
    table.row(cells!["named", CASES.len(), count(Accepted), count(Rejected)]);
    the_window_is_small();
    let mut random = Random::new("self-test");
    let accepted = (0..ROUNDS).filter(|_| agrees_with_trying_all(&mut random) == Accepted).count();
    table.row(cells!["against every order", ROUNDS, accepted, ROUNDS - accepted]);
    (0..ROUNDS).for_each(|_| accepts_what_a_file_does(&mut random));
    table.row(cells!["of a simulated file", ROUNDS, ROUNDS, 0]);
    table.print();
    Ok(())
}

fn event(client: usize, &(begun, ended, action, answered): &Line) -> Event {
    Event { client, action, answered, begun, ended }
}

fn verdict(events: &[Event]) -> Verdict {
    if check(events, State::Absent).is_ok() { Accepted } else { Rejected }
}

/// The events before a quiet moment, and those after the first wrong answer, are not part of what is printed.
fn the_window_is_small() {
    let lines: &[Line] = &[
        (0, 1, Put(1), Created),
        (2, 9, Put(2), Done),
        (3, 8, Put(3), Done),
        (10, 20, Put(4), Done),
        (11, 12, Get, Found(1)),
        (21, 22, Get, Found(4)),
    ];
    let events: Vec<Event> = lines.iter().enumerate().map(|(client, line)| event(client, line)).collect();
    let window = check(&events, State::Absent).expect_err("version 1 is long gone");
    let actions: Vec<Action> = window.events.iter().map(|event| event.action).collect();
    if window.before != [State::Version(2), State::Version(3)] || actions != [Put(4), Get] {
        watch::broken(format!("the window is wrong:\n{window}"));
    }
}

/// A history of few operations with times and answers out of a hat.
fn random_history(random: &mut Random) -> Vec<Event> {
    let version = |random: &mut Random| 1 + random.below(3) as u64;
    (0..1 + random.below(5))
        .map(|client| {
            let begun = random.below(12) as u64;
            let mut ended = begun + 1 + random.below(8) as u64;
            let (old, new) = (version(random), 1 + client as u64);
            let action = *random.pick(&[Get, Put(new), Replace(old, new), Create(new), Delete(old)]);
            let answered = match action {
                _ if random.one_in(12) => Nothing,
                Get => *random.pick(&[Found(old), Found(old), Missing]),
                Put(_) => *random.pick(&[Created, Done]),
                Replace(..) => *random.pick(&[Done, Failed, Busy]),
                Create(_) => *random.pick(&[Created, Created, Failed]),
                Delete(_) => *random.pick(&[Done, Failed, Missing]),
            };
            if answered == Nothing {
                ended = FOREVER;
            }
            Event { client, action, answered, begun, ended }
        })
        .collect()
}

/// The checker says what trying every order says.
fn agrees_with_trying_all(random: &mut Random) -> Verdict {
    let events = random_history(random);
    let mut found = Vec::new();
    try_all(&events, &mut Vec::new(), &mut found);
    found.sort_unstable();
    found.dedup();
    if found != ends(&events, &[State::Absent]) {
        watch::broken(format!(
            "the checker finds {:?}, not {found:?}, in {events:#?}",
            ends(&events, &[State::Absent])
        ));
    }
    if found.is_empty() { Rejected } else { Accepted }
}

/// Every order of every part that holds all answered events; the states at the ends of those that fit. It looks at a
/// whole order only when it stands, and so shares no idea with the checker.
fn try_all(events: &[Event], order: &mut Vec<usize>, found: &mut Vec<State>) {
    let complete = (0..events.len()).all(|place| order.contains(&place) || events[place].ended == FOREVER);
    if complete {
        let in_time = (0..order.len())
            .all(|late| (0..late).all(|early| events[order[late]].ended >= events[order[early]].begun));
        let end = order.iter().try_fold(State::Absent, |state, place| events[*place].apply(state));
        found.extend(end.filter(|_| in_time));
    }
    for place in 0..events.len() {
        if !order.contains(&place) {
            order.push(place);
            try_all(events, order, found);
            order.pop();
        }
    }
}

/// A file that does one request at a time, at a moment between its beginning and its end, is always accepted.
fn accepts_what_a_file_does(random: &mut Random) {
    let mut state = State::Absent;
    let mut events = Vec::new();
    for moment in 0..30_u64 {
        let (old, new) = (1 + random.below(30) as u64, moment + 1);
        let old = if let (State::Version(now), true) = (state, random.one_in(2)) { now } else { old };
        let action = *random.pick(&[Get, Get, Put(new), Replace(old, new), Create(new), Delete(old)]);
        let answers = [Found(old), Missing, Created, Done, Failed];
        let of = |answered| Event { client: 0, action, answered, begun: 0, ended: 0 };
        let (answered, after) = answers
            .into_iter()
            .find_map(|answered| Some((answered, of(answered).apply(state)?)))
            .unwrap_or(match state {
                State::Version(now) => (Found(now), state),
                State::Absent => (Missing, state),
            });
        let (before, behind) = (random.below(40) as u64, random.below(40) as u64);
        events.push(Event {
            begun: (moment * 10 + 100).saturating_sub(before),
            ended: moment * 10 + 100 + behind,
            ..of(answered)
        });
        state = after;
    }
    if let Err(window) = check(&events, State::Absent) {
        watch::broken(format!("the history of a file is rejected:\n{window}"));
    }
}

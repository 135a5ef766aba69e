//! What one file does with one request at a time: the sequential specification that a history is checked against.

use std::fmt::{self, Display, Formatter};

/// A file: there is none, or it holds this version. No version is written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum State {
    Absent,
    Version(u64),
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// GET
    Get,
    /// PUT of a version
    Put(u64),
    /// PUT with If-Match: the version it names, and the new one
    Replace(u64, u64),
    /// PUT with `If-None-Match: *`
    Create(u64),
    /// DELETE with If-Match
    Delete(u64),
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// 200
    Found(u64),
    /// 404
    Missing,
    /// 201
    Created,
    /// 204
    Done,
    /// 412
    Failed,
    /// 409: it has not been done, and nothing is said about the file.
    Busy,
    /// There was none: it has been done at some time, or will be, or never.
    Nothing,
}

/// A request with its answer, and when both were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) client: usize,
    pub(super) action: Action,
    pub(super) answered: Answered,
    /// In nanoseconds since any fixed time.
    pub(super) begun: u64,
    /// `u64::MAX` without an answer.
    pub(super) ended: u64,
}

impl Event {
    /// The state after the request, if its answer is right in this state.
    pub(super) fn apply(&self, state: State) -> Option<State> {
        let (answered, after) = step(self.action, state);
        match self.answered {
            Answered::Nothing => Some(after),
            Answered::Busy => Some(state),
            given => (given == answered).then_some(after),
        }
    }
}

/// RFC 9110, 9.3 and 13.1, for one file.
fn step(action: Action, state: State) -> (Answered, State) {
    match (action, state) {
        (Action::Get, State::Version(version)) => (Answered::Found(version), state),
        (Action::Get | Action::Delete(_), State::Absent) => (Answered::Missing, state),
        (Action::Put(new) | Action::Create(new), State::Absent) => (Answered::Created, State::Version(new)),
        (Action::Put(new), State::Version(_)) => (Answered::Done, State::Version(new)),
        (Action::Replace(named, new), State::Version(version)) if named == version => {
            (Answered::Done, State::Version(new))
        }
        (Action::Delete(named), State::Version(version)) if named == version => {
            (Answered::Done, State::Absent)
        }
        (Action::Replace(..) | Action::Create(_) | Action::Delete(_), _) => (Answered::Failed, state),
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            State::Absent => f.write_str("no file"),
            State::Version(version) => write!(f, "version {version}"),
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Get => "GET".to_owned(),
            Action::Put(new) => format!("PUT {new}"),
            Action::Replace(named, new) => format!("PUT {new} if {named} is there"),
            Action::Create(new) => format!("PUT {new} if nothing is there"),
            Action::Delete(named) => format!("DELETE if {named} is there"),
        };
        let (begun, ended) = (self.begun / 1000, self.ended / 1000);
        let until = if self.ended == u64::MAX { "...".to_owned() } else { ended.to_string() };
        write!(f, "{begun:>9}..{until:<9} us  client {}  {action:<32} {:?}", self.client, self.answered)
    }
}

//! What a case is: a sentence, where it comes from, how much it weighs, and what finds out. No case of its own.

use crate::site::Site;
use crate::wire::Response;

/// How much a case weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The RFC says MUST, or a miss is a hole: something outside the folder is read or written, the server dies or hangs.
    Must,
    /// The RFC says SHOULD.
    Should,
    /// A promise of ifmatch that goes beyond the RFC. Another server misses nothing that it has promised.
    Ours,
}

impl Level {
    /// The word for it, in tables and results.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::Ours => "ours",
        }
    }
}

/// What a server need not have. A case that needs what is not there is not offered, which is no miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Put,
    Delete,
    Ranges,
    Gzip,
    Listing,
}

impl Offer {
    /// All of them.
    pub(crate) const ALL: [Offer; 5] =
        [Offer::Put, Offer::Delete, Offer::Ranges, Offer::Gzip, Offer::Listing];

    /// What is missing where this is not offered.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Offer::Put => "PUT",
            Offer::Delete => "DELETE",
            Offer::Ranges => "byte ranges",
            Offer::Gzip => "the coding gzip",
            Offer::Listing => "a listing",
        }
    }
}

/// Why a case has not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The server did something else: what.
    Missed(String),
    /// The case says nothing about this server: why.
    NotOffered(String),
}

impl From<String> for Miss {
    fn from(what: String) -> Miss {
        Miss::Missed(what)
    }
}

/// What a case finds.
pub(crate) type Verdict = Result<(), Miss>;

/// How a case finds out.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// One request for a file (or for a name that is missing) with these field lines, in which `{tag}` and its like are
    /// filled in, is answered by one of these statuses; and what comes with it, or is on the disk, agrees with the status.
    Asks(Question),
    /// A program of its own.
    Runs(fn(&Site) -> Verdict),
    /// A program that several cases share, with what differs between them.
    Tries(fn(&Site, &str) -> Verdict, &'static str),
}

/// The request of [`Check::Asks`].
#[derive(Clone, Copy)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) on: On,
    pub(crate) fields: &'static [&'static str],
    pub(crate) answers: &'static [u16],
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    File,
    Missing,
}

/// A case.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    pub(crate) source: &'static str,
    pub(crate) sentence: &'static str,
    pub(crate) check: Check,
    pub(crate) needs: Option<Offer>,
}

/// A case that needs nothing but a server.
pub(crate) const fn case(
    id: &'static str,
    level: Level,
    source: &'static str,
    sentence: &'static str,
    check: Check,
) -> Case {
    Case { id, level, source, sentence, check, needs: None }
}

impl Case {
    /// The same, for servers that have this only.
    pub(crate) const fn needs(self, offer: Offer) -> Case {
        Case { needs: Some(offer), ..self }
    }

    /// What the server must offer: what was said, or the method of the question.
    pub(crate) fn needed(&self) -> Option<Offer> {
        match self.check {
            Check::Asks(Question { method: "PUT", .. }) => Some(Offer::Put),
            Check::Asks(Question { method: "DELETE", .. }) => Some(Offer::Delete),
            _ => self.needs,
        }
    }
}

/// A GET of the file with these field lines is answered by one of these statuses.
pub(crate) const fn get(fields: &'static [&'static str], answers: &'static [u16]) -> Check {
    asks("GET", On::File, fields, answers)
}

/// The same with another method, or for a name that is missing.
pub(crate) const fn asks(
    method: &'static str,
    on: On,
    fields: &'static [&'static str],
    answers: &'static [u16],
) -> Check {
    Check::Asks(Question { method, on, fields, answers })
}

/// A group of cases.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) cases: &'static [Case],
}

/// A miss, unless this holds.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Miss::Missed(otherwise())) }
}

/// A miss, unless the status is one of these.
pub(crate) fn expect(response: &Response, statuses: &[u16]) -> Verdict {
    ensure(statuses.contains(&response.status), || {
        let wanted: Vec<String> = statuses.iter().map(u16::to_string).collect();
        format!("{} instead of {}", response.status, wanted.join(" or "))
    })
}

/// The case says nothing about this server.
pub(crate) fn not_offered<T>(why: &str) -> Result<T, Miss> {
    Err(Miss::NotOffered(why.to_owned()))
}

//! How a client reads and replaces a file: by asking the server, or by itself in the way that programs without a
//! compare-and-swap do it, which shows that a loss would be seen.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::content::{tag_of, version_of};
use crate::wire::{Answer, Condition, Silence, Wire};

use super::contest::Version;
use super::life::Life;

/// The means.
#[derive(Debug)]
pub(crate) enum Means<'a> {
    Http(Http<'a>),
    Naive { path: PathBuf },
}

/// A connection to the server of a cell.
#[derive(Debug)]
pub(crate) struct Http<'a> {
    life: &'a Life,
    /// The life of the server that `wire` leads to.
    number: u64,
    wire: Wire,
    target: String,
}

impl Http<'_> {
    /// Asks; `None` when the server was killed meanwhile, and another one is ready.
    fn ask(
        &mut self,
        ask: impl FnOnce(&mut Wire, &str) -> Result<Answer, Silence>,
    ) -> Result<Option<Answer>, Silence> {
        match ask(&mut self.wire, &self.target) {
            Ok(answer) => Ok(Some(answer)),
            Err(why) => {
                let (number, address) = self.life.after(self.number).ok_or(why)?;
                (self.number, self.wire) = (number, Wire::new(address));
                Ok(None)
            }
        }
    }
}

/// What a read has found.
#[derive(Debug)]
pub(crate) enum Seen {
    Version(Version, String),
    Absent,
    /// Half a file, half a body, or one under a weak tag.
    Unusable,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// The precondition is false (412).
    Refused,
    /// Somebody has the file open for writing, or another such reason that the server gives (409).
    Busy(String),
    /// The server was killed.
    Unanswered,
}

impl Outcome {
    /// The word for it in a report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Outcome::Done => "that it is done",
            Outcome::Refused => "412",
            Outcome::Busy(_) => "409",
            Outcome::Unanswered => "nothing",
        }
    }
}

impl<'a> Means<'a> {
    /// Asks the server.
    pub(crate) fn http(life: &'a Life, name: &str) -> Means<'a> {
        let (number, address) = life.now();
        Means::Http(Http { life, number, wire: Wire::new(address), target: format!("/{name}") })
    }

    /// Compares, then renames.
    pub(crate) fn naive(path: &Path) -> Means<'a> {
        Means::Naive { path: path.to_owned() }
    }

    /// Reads the file.
    pub(crate) fn read(&mut self) -> Result<Seen, String> {
        let (tag, body) = match self {
            Means::Http(http) => {
                let answer = match http.ask(|wire, target| wire.get(target)) {
                    Ok(Some(answer)) => answer,
                    // A body that changes under the server's hands may be given up before the head was sent.
                    Ok(None) | Err(Silence::Closed(_)) => return Ok(Seen::Unusable),
                    Err(silence) => return Err(silence.into()),
                };
                match answer.status {
                    200 if answer.cut => return Ok(Seen::Unusable),
                    200 => (answer.tag.unwrap_or_default(), answer.body),
                    404 => return Ok(Seen::Absent),
                    // The file changed while it was being read.
                    503 => return Ok(Seen::Unusable),
                    _ => return Err(format!("GET {} draws {answer:?}", http.target)),
                }
            }
            Means::Naive { path } => match fs::read(path) {
                Ok(bytes) => (tag_of(&bytes), bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Absent),
                Err(error) => return Err(error.to_string()),
            },
        };
        if tag.starts_with("W/") {
            return Ok(Seen::Unusable);
        }
        if tag != tag_of(&body) {
            return Err(format!("a strong tag that is not that of the body: {tag}"));
        }
        Ok(version_of(&body).map_or(Seen::Unusable, |version| Seen::Version(Version(version), tag)))
    }

    /// Replaces the version of this tag, or creates the file.
    pub(crate) fn write(&mut self, condition: Condition, bytes: &[u8]) -> Result<Outcome, String> {
        match self {
            Means::Http(http) => {
                let answer = http.ask(|wire, target| wire.put(target, condition, bytes))?;
                let Some(answer) = answer else { return Ok(Outcome::Unanswered) };
                let success = if matches!(condition, Condition::Absent) { 201 } else { 204 };
                if answer.status == success && answer.tag.as_deref() != Some(&tag_of(bytes)) {
                    return Err(format!("PUT {} draws a tag of other bytes: {answer:?}", http.target));
                }
                outcome(&answer, success)
            }
            Means::Naive { path } => naive_write(path, condition, bytes).map_err(|error| error.to_string()),
        }
    }

    /// Deletes the version of this tag.
    pub(crate) fn delete(&mut self, tag: &str) -> Result<Outcome, String> {
        match self {
            Means::Http(http) => {
                let answer = http.ask(|wire, target| wire.delete(target, Condition::Match(tag)))?;
                let Some(answer) = answer else { return Ok(Outcome::Unanswered) };
                if answer.status == 404 { Ok(Outcome::Refused) } else { outcome(&answer, 204) }
            }
            Means::Naive { path } => {
                naive_if_unchanged(path, tag, |path| fs::remove_file(path)).map_err(|error| error.to_string())
            }
        }
    }
}

fn outcome(answer: &Answer, success: u16) -> Result<Outcome, String> {
    match answer.status {
        status if status == success => Ok(Outcome::Done),
        412 => Ok(Outcome::Refused),
        409 => Ok(Outcome::Busy(String::from_utf8_lossy(&answer.body).into_owned())),
        _ => {
            let body = String::from_utf8_lossy(&answer.body);
            Err(format!("a write draws {} instead of {success}, 409 or 412: {body}", answer.status))
        }
    }
}

fn naive_write(path: &Path, condition: Condition, bytes: &[u8]) -> io::Result<Outcome> {
    let beside = path.with_extension("naive");
    fs::write(&beside, bytes)?;
    match condition {
        Condition::Match(tag) => naive_if_unchanged(path, tag, |path| fs::rename(&beside, path)),
        _ => {
            let linked = fs::hard_link(&beside, path);
            fs::remove_file(&beside)?;
            match linked {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Outcome::Refused),
                linked => linked.map(|()| Outcome::Done),
            }
        }
    }
}

/// Acts when the file has this tag and did not change while it was read; what happens after that goes unseen.
fn naive_if_unchanged(
    path: &Path,
    tag: &str,
    act: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<Outcome> {
    let stamp = |found: Metadata| {
        (found.ino(), found.size(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
    };
    let checked = || -> io::Result<bool> {
        let before = stamp(fs::metadata(path)?);
        let bytes = fs::read(path)?;
        Ok(tag_of(&bytes) == tag && stamp(fs::metadata(path)?) == before)
    };
    match checked().and_then(|unchanged| if unchanged { act(path).map(|()| true) } else { Ok(false) }) {
        Ok(true) => Ok(Outcome::Done),
        Ok(false) => Ok(Outcome::Refused),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::Refused),
        Err(error) => Err(error),
    }
}

//! What is there when a write is committed: held so that it cannot change unnoticed, read, and judged.

use std::sync::Arc;

use super::{Intent, Refusal, Writer};
use crate::resource_path::ResourcePath;
use crate::root::lease::{LeaseProbe, LeasedFile};
use crate::root::{Expected, Held, Node, OpenError, OpenFile, Place, Stamp, WriteError};
use crate::semantics::preconditions::{MethodClass, Preconditions, Verdict};
use crate::semantics::validators::Validators;
use crate::validator_store::Entry;
use crate::validator_store::record::has_tag;

/// What a write will displace.
pub(super) enum Displaced {
    /// This version and no other.
    Version(Version),
    /// A link to this version, which stays.
    Link(Version),
    /// Whatever is there; the file, if it can be read.
    Anything(Option<Remains>),
}

/// The file that is displaced, which is looked after for a moment longer.
pub(super) enum Remains {
    /// Nobody writes to it; a lease tells of late writers.
    Held(Held),
    /// Somebody has it open for writing.
    Written(OpenFile),
}

impl Remains {
    fn file(&self) -> &OpenFile {
        match self {
            Self::Held(held) => held.file(),
            Self::Written(file) => file,
        }
    }
}

/// A version that is held.
pub(super) struct Version {
    held: Held,
    stamp: Stamp,
    tag: String,
}

/// A version that was read while its directory was not locked, and has been held since.
pub(super) struct ReadBefore<R> {
    held: Held,
    entry: Arc<Entry<R>>,
}

impl<R> ReadBefore<R> {
    /// Whether `file` is that version still. Without a lease that is only likely, and the swap looks again.
    fn is(&self, file: &OpenFile) -> bool {
        let same = |stamp: Stamp| stamp == file.stamp() && stamp == self.entry.stamp();
        self.held.file().stamp_now().is_ok_and(same) && self.held.is_undisturbed()
    }
}

/// What is to happen.
pub(super) enum Judgement<R> {
    /// There is nothing, and that is as it should be.
    Create,
    /// This may be displaced.
    Displace(Displaced),
    /// Nothing may; of the version that is there.
    Refuse(Refusal, Option<Arc<Entry<R>>>),
    /// Somebody is writing to it; it is worth waiting for a moment.
    Writers,
    /// That depends on what this large file is, which must not be read while the directory is locked.
    Unread(Held),
}

impl Displaced {
    /// As the swap wants it; `None` where anything may go.
    pub(super) fn expected(&self) -> Option<Expected<'_>> {
        match self {
            Self::Version(Version { held, stamp, tag }) | Self::Link(Version { held, stamp, tag }) => {
                Some(Expected { held, stamp: *stamp, tag, has_tag })
            }
            Self::Anything(_) => None,
        }
    }

    /// The stamp of what is there, if it is known.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Version(version) | Self::Link(version) => Some(version.stamp),
            Self::Anything(remains) => remains.as_ref().map(|remains| remains.file().stamp()),
        }
    }

    /// What is left of it.
    pub(super) fn into_remains(self) -> Option<Remains> {
        match self {
            Self::Version(version) => Some(Remains::Held(version.held)),
            Self::Link(_) => None,
            Self::Anything(remains) => remains,
        }
    }
}

impl<R: Send + Sync + 'static> Writer<R> {
    /// Judges what is at `place`, whose directory is locked: by what was read before, if that is still there.
    pub(super) fn judge_place(
        &self,
        path: &ResourcePath<'_>,
        place: &Place,
        intent: Intent,
        preconditions: &Preconditions<'_>,
        before: Option<ReadBefore<R>>,
    ) -> Result<Judgement<R>, WriteError> {
        if intent == Intent::Delete
            && let Some(link) = place.link_stamp()
        {
            return self.judge_link(path, link, preconditions, before);
        }
        let file = match place.open() {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(judge_absence(intent, preconditions)),
            // What may not be read may still be replaced by who does not ask what it is.
            Err(WriteError::Forbidden) if !preconditions.name_a_version() => {
                return Ok(self.judge_anything(intent, preconditions, None));
            }
            Err(error) => return Err(error),
        };
        if let Some(before) = before.filter(|before| before.is(&file)) {
            return Ok(self.judge_entry(intent, preconditions, before.held, before.entry));
        }
        let held = match LeasedFile::take(file) {
            Ok(leased) => Held::Leased(leased),
            Err((file, LeaseProbe::Unavailable)) => Held::Unleased(file),
            Err((file, _)) => return Ok(self.judge_written(intent, preconditions, file)),
        };
        if !preconditions.name_a_version() {
            return Ok(self.judge_anything(intent, preconditions, Some(Remains::Held(held))));
        }
        self.judge_version_held(path, intent, preconditions, held)
    }

    /// A link is deleted itself, as `rm` does it; it is judged by the file that it leads to, which is what its
    /// clients have seen.
    fn judge_link(
        &self,
        path: &ResourcePath<'_>,
        link: Stamp,
        preconditions: &Preconditions<'_>,
        before: Option<ReadBefore<R>>,
    ) -> Result<Judgement<R>, WriteError> {
        let file = match self.store.root().open_node(path) {
            Ok(Node::File(file)) => file,
            Ok(Node::Directory(_)) => return Err(WriteError::Folder),
            Err(OpenError::Missing) => return Ok(Judgement::Refuse(Refusal::Nothing, None)),
            Err(error) => return Err(error.into()),
        };
        if !preconditions.name_a_version() {
            return Ok(self.judge_anything(Intent::Delete, preconditions, None));
        }
        let judgement = match before.filter(|before| before.is(&file)) {
            Some(before) => self.judge_entry(Intent::Delete, preconditions, before.held, before.entry),
            None => match Held::hold(file) {
                Some(held) => self.judge_version_held(path, Intent::Delete, preconditions, held)?,
                None => return Ok(Judgement::Writers),
            },
        };
        Ok(match judgement {
            Judgement::Displace(Displaced::Version(version)) => {
                Judgement::Displace(Displaced::Link(Version { stamp: link, ..version }))
            }
            other => other,
        })
    }

    /// Somebody has it open for writing: what it is cannot be said, but for who does not ask.
    fn judge_written(
        &self,
        intent: Intent,
        preconditions: &Preconditions<'_>,
        file: OpenFile,
    ) -> Judgement<R> {
        match preconditions.name_a_version() {
            true => Judgement::Writers,
            false => self.judge_anything(intent, preconditions, Some(Remains::Written(file))),
        }
    }

    fn judge_anything(
        &self,
        intent: Intent,
        preconditions: &Preconditions<'_>,
        remains: Option<Remains>,
    ) -> Judgement<R> {
        let unknown = Validators { entity_tag: None, last_modified: None };
        match self.judge(intent, preconditions, &unknown) {
            Ok(()) => Judgement::Displace(Displaced::Anything(remains)),
            Err(refusal) => Judgement::Refuse(refusal, None),
        }
    }

    fn judge_version_held(
        &self,
        path: &ResourcePath<'_>,
        intent: Intent,
        preconditions: &Preconditions<'_>,
        held: Held,
    ) -> Result<Judgement<R>, WriteError> {
        match self.store.examine_at_once(path, &held) {
            Ok(Some(entry)) => Ok(self.judge_entry(intent, preconditions, held, entry)),
            Ok(None) => Ok(Judgement::Unread(held)),
            Err(OpenError::Busy) => Ok(Judgement::Writers),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a large file whose directory is not locked; `None` while somebody writes to it.
    pub(super) fn read_before(
        &self,
        path: &ResourcePath<'_>,
        held: Held,
    ) -> Result<Option<ReadBefore<R>>, WriteError> {
        match self.store.examine(path, &held) {
            Ok(entry) => Ok(Some(ReadBefore { held, entry })),
            Err(OpenError::Busy) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn judge_entry(
        &self,
        intent: Intent,
        preconditions: &Preconditions<'_>,
        held: Held,
        entry: Arc<Entry<R>>,
    ) -> Judgement<R> {
        if let Err(refusal) = self.judge(intent, preconditions, entry.validators()) {
            return Judgement::Refuse(refusal, Some(entry));
        }
        let tag = entry.validators().entity_tag.as_ref();
        let tag = tag.map(|tag| String::from_utf8_lossy(tag.opaque()).into_owned()).unwrap_or_default();
        let version = Version { stamp: entry.stamp(), tag, held };
        Judgement::Displace(Displaced::Version(version))
    }
}

fn judge_absence<R>(intent: Intent, preconditions: &Preconditions<'_>) -> Judgement<R> {
    match (intent, preconditions.evaluate(MethodClass::Write, None)) {
        (Intent::Delete, _) => Judgement::Refuse(Refusal::Nothing, None),
        (Intent::Put(_), Verdict::Failed(field)) => Judgement::Refuse(Refusal::Failed(field), None),
        (Intent::Put(_), Verdict::Perform | Verdict::NotModified) => Judgement::Create,
    }
}

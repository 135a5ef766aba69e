//! What a refused write is answered with: each reason has one status, and says what to do next.

use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::error::Problem;
use super::fields::RequestFields as _;
use super::origin::host;
use crate::resource_path::PathError;
use crate::root::WriteError;
use crate::semantics::preconditions::PreconditionField;
use crate::write::{Refusal, Unsettled, UnsettledState};

/// The type of problems of writes that have changed something (RFC 9457 3.1.1).
const UNSETTLED: &str = "urn:ifmatch:unsettled-write";

/// A refusal that needs no look at what is there; preconditions do, and are answered in [`super::write`].
pub(super) fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Failed(field) => nothing_matches(*field),
        Refusal::Unconditional => Problem::document(
            StatusCode::PRECONDITION_REQUIRED,
            "A file is there, and this server replaces or deletes none without If-Match: name the version you have seen.",
        ),
        Refusal::Exists => Problem::document(
            StatusCode::CONFLICT,
            "A file is there, and this server only creates new ones (--create-only); choose another name.",
        ),
        Refusal::Nothing => {
            Problem::document(StatusCode::NOT_FOUND, "There is no file at this path to delete.")
        }
        Refusal::Mismatch(mismatch) => Problem::document(
            StatusCode::BAD_REQUEST,
            format!(
                "{mismatch}; nothing was changed. The body was damaged on its way, or the field is that of another one: send it again."
            ),
        ),
        Refusal::TooMany => {
            later(StatusCode::SERVICE_UNAVAILABLE, "Too many uploads are under way; try again.")
        }
        Refusal::Writers => later(
            StatusCode::CONFLICT,
            "Somebody is writing to the file just now; nothing was changed. Try again.",
        ),
        Refusal::Impossible(error) => impossible(*error),
    }
}

/// 500 for a write that has changed the folder, and of which a later step failed: what is there now, and what is not sure.
pub(super) fn unsettled(unsettled: &Unsettled) -> Problem {
    let (detail, tag) = match &unsettled.state {
        UnsettledState::Stored(tag) => (
            "The file is stored and can be read, but it is not known to be on the disk: a step after storing it failed, and the              server's log says which. Until the disk is well, a power failure may bring the version before it back.",
            tag.as_ref(),
        ),
        UnsettledState::Deleted => (
            "The file is deleted, but that is not known to be on the disk: a step after deleting it failed, and the server's log              says which. Until the disk is well, a power failure may bring the file back.",
            None,
        ),
        UnsettledState::Unknown => (
            "Another program changed the file at the same moment, and putting its version back failed. Read the file again before              you go on; the server's log says where the other version is.",
            None,
        ),
    };
    let tag = tag.map_or(serde_json::Value::Null, |tag| tag.to_string().into());
    Problem::document(StatusCode::INTERNAL_SERVER_ERROR, detail).of_type(UNSETTLED).with_member("etag", tag)
}

/// 412 where nothing is there.
fn nothing_matches(field: PreconditionField) -> Problem {
    let detail = format!(
        "{} names a version, but nothing is at this path (any more). To create the file, send If-None-Match: * instead.",
        field.name()
    );
    Problem::document(StatusCode::PRECONDITION_FAILED, detail)
        .with_member("failed-field", field.name())
        .with_member("current-etag", serde_json::Value::Null)
}

fn later(status: StatusCode, detail: &str) -> Problem {
    Problem::document(status, detail).with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Each error of the filesystem once.
fn impossible(error: WriteError) -> Problem {
    let (status, detail) = match error {
        WriteError::Missing => (StatusCode::CONFLICT, "A folder on the way vanished meanwhile; try again."),
        WriteError::Forbidden => (
            StatusCode::FORBIDDEN,
            "The server's user may not write here; the owner or mode of the folder or the file must change.",
        ),
        WriteError::ReadOnly => {
            (StatusCode::FORBIDDEN, "The folder is on a filesystem that is mounted read-only.")
        }
        WriteError::Full => (
            StatusCode::INSUFFICIENT_STORAGE,
            "There is not enough room for the file (disk, quota, or a limit on the size of files); nothing was changed.",
        ),
        WriteError::BadName => (
            StatusCode::BAD_REQUEST,
            "A name in the path is too long for the filesystem, or none that it takes; choose another.",
        ),
        WriteError::ParentNotAFolder => {
            (StatusCode::CONFLICT, "A folder on the way is a file; choose another path.")
        }
        WriteError::Folder => (
            StatusCode::CONFLICT,
            "The path names a folder; only files are written and deleted. Name a file in it.",
        ),
        WriteError::NotAFile => (
            StatusCode::CONFLICT,
            "What is at the path is no regular file, or a link that leads nowhere or is not followed.",
        ),
        WriteError::MountPoint => (
            StatusCode::CONFLICT,
            "The file is a mount point of its own and cannot be swapped; mount the folder that holds it instead.",
        ),
        WriteError::Busy => return problem(&Refusal::Writers),
        WriteError::RootGone => {
            return later(
                StatusCode::SERVICE_UNAVAILABLE,
                "The served folder is not there at the moment; try again.",
            );
        }
        WriteError::Overloaded => {
            return later(StatusCode::SERVICE_UNAVAILABLE, "The server is short of resources; try again.");
        }
        WriteError::NotStored => {
            log::error!(
                "a file could not be written: the filesystem reported no error, and does not give back what was written"
            );
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The filesystem did not store what was sent, although it reported no error; nothing was changed. Its disk may be full.",
            )
        }
        WriteError::Io(errno) => {
            log::error!("a file could not be written: {errno}");
            (StatusCode::INTERNAL_SERVER_ERROR, "The file could not be written; the server's log says why.")
        }
    };
    Problem::document(status, detail)
}

/// Paths that name nothing to write.
pub(super) fn bad_path(error: PathError) -> Problem {
    match error {
        PathError::Hidden => Problem::document(
            StatusCode::FORBIDDEN,
            "The path is not served, so nothing is written there: names that begin with a dot need --hidden, \
             and some names are the server's own.",
        ),
        error => Problem::bad_path(error),
    }
}

/// 400 for tags that cannot be read, with a line to copy.
pub(super) fn malformed(field: PreconditionField, head: &RequestHead) -> Problem {
    let name = match field {
        PreconditionField::IfNoneMatch => IF_NONE_MATCH,
        PreconditionField::IfMatch | PreconditionField::IfUnmodifiedSince => IF_MATCH,
    };
    let given = head.headers.lines(name).next().unwrap_or_default();
    let bare = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b',' | b'\\');
    let tag = match std::str::from_utf8(given.trim_ascii()) {
        Ok(tag) if !tag.is_empty() && tag.bytes().all(|byte| bare(&byte)) => tag,
        _ => "TAG",
    };
    let path = head.uri.path();
    let host = host(head).unwrap_or_else(|| "HOST".to_owned());
    Problem::document(
        StatusCode::BAD_REQUEST,
        format!(
            "{} is not a list of entity tags; nothing was changed. Tags stand in double quotes, which a shell takes away \
             unless they are quoted themselves: curl -T FILE 'http://{host}{path}' -H '{}: \"{tag}\"'",
            field.name(),
            field.name()
        ),
    )
}

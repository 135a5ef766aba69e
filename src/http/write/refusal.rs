//! The answers to refused writes: each reason has one status and says what to do next.

use actix_web::dev::RequestHead;
use actix_web::http::header::{IF_MATCH, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};

use crate::http::message::fields::RequestFields as _;
use crate::http::message::problem::Problem;
use crate::http::policy::origin::host;
use crate::resource_path::PathError;
use crate::root::WriteError;
use crate::semantics::preconditions::PreconditionField;
use crate::write::{Full, Refusal, Share, Unsettled, UnsettledState};

/// The type of problems of writes that have changed something (RFC 9457 3.1.1).
const UNSETTLED: &str = "urn:ifmatch:unsettled-write";

/// The problem for a refused write. `head` is that of the request.
///
/// What is there now is not in it: [`crate::http::write::put`] answers the refusals that are about that.
pub(in crate::http) fn problem(refusal: &Refusal, head: &RequestHead) -> Problem {
    match refusal {
        Refusal::Failed(field) => nothing_matches(*field, &head.method),
        Refusal::Unconditional => Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "There is a file at this path, and this server replaces or deletes a file only for requests that name its version. \
             Send the entity tag of the version you know in If-Match.",
        ),
        Refusal::Exists => Problem::new(
            StatusCode::CONFLICT,
            "There is a file at this path, and this server only creates new ones (--create-only). Choose another name.",
        ),
        Refusal::Nothing => Problem::new(StatusCode::NOT_FOUND, "There is no file at this path to delete."),
        Refusal::Mismatch(mismatch) => Problem::new(
            StatusCode::BAD_REQUEST,
            format!(
                "{mismatch}. Nothing was changed. Either the body was damaged on its way, or the field belongs to another body. \
                 Send it again."
            ),
        ),
        Refusal::TooMany(full) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, too_many(full)).with_retry_after(1)
        }
        Refusal::Writers => impossible(WriteError::Busy, head),
        Refusal::Impossible(error) => impossible(*error, head),
    }
}

/// Whose share of the uploads is taken.
fn too_many(full: &Full) -> String {
    let (places, of) = (full.places, full.of);
    match full.share {
        Share::Account => format!(
            "This account has as many uploads under way as one may have ({places} of {of}); try again when one has ended."
        ),
        Share::Address => format!(
            "This address has as many uploads under way as one may have ({places} of {of}); try again when one has ended."
        ),
        Share::Guests => format!(
            "Clients without an account have as many uploads under way as they may have together ({places} of {of}); try again \
             when one has ended, or with an account."
        ),
        Share::Everybody => format!(
            "This server has as many uploads under way as it takes ({of}, --max-uploads); try again when one has ended."
        ),
    }
}

/// 500 for a write that has changed the folder, and of which a later step failed: what is there now, and what is not sure.
pub(in crate::http) fn unsettled(unsettled: &Unsettled) -> Problem {
    let (detail, tag) = match &unsettled.state {
        UnsettledState::Stored(tag) => (
            "The file is stored and can be read, but it may not be on the disk yet: a step after storing it failed, and the \
             server's log says which. Until the disk is well, a power failure may bring the version before it back.",
            tag.as_ref(),
        ),
        UnsettledState::Deleted => (
            "The file is deleted, but that may not be on the disk yet: a step after deleting it failed, and the server's log \
             says which. Until the disk is well, a power failure may bring the file back.",
            None,
        ),
        UnsettledState::Unknown => (
            "Another program changed the file at the same moment, and putting its version back failed. Read the file again \
             before you go on. The server's log says where the other version is.",
            None,
        ),
    };
    let tag = tag.map_or(serde_json::Value::Null, |tag| tag.to_string().into());
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).of_type(UNSETTLED).with_member("etag", tag)
}

/// 412 where there is no file (any more).
fn nothing_matches(field: PreconditionField, method: &Method) -> Problem {
    let name = field.name();
    let detail = match (field, method) {
        (PreconditionField::IfNoneMatch, _) => {
            "There was a file at this path when the request came, which If-None-Match rules out. \
             It has been deleted since: send the request again."
                .to_owned()
        }
        (_, &Method::DELETE) => {
            format!("{name} names a version of a file, but there is no file at this path to delete.")
        }
        _ => format!(
            "{name} names a version of a file, but there is no file at this path. To create one, send If-None-Match: * \
             instead of {name}."
        ),
    };
    Problem::failed(field, detail).with_member("current-etag", serde_json::Value::Null)
}

/// The problem for what the filesystem refused.
fn impossible(error: WriteError, head: &RequestHead) -> Problem {
    match error {
        WriteError::Io(errno) => log::error!("{:?} could not be written: {errno}", head.uri.path()),
        WriteError::NotStored => log::error!(
            "{:?} could not be written: the filesystem reported no error, and does not give back what was written",
            head.uri.path()
        ),
        _ => {}
    }
    let (status, detail) = in_words(error);
    let problem = Problem::new(status, detail);
    match error {
        WriteError::Busy | WriteError::Locked | WriteError::RootGone | WriteError::Overloaded => {
            problem.with_retry_after(1)
        }
        _ => problem,
    }
}

fn in_words(error: WriteError) -> (StatusCode, &'static str) {
    match error {
        WriteError::Missing => (
            StatusCode::CONFLICT,
            "A folder on the way to the file was removed while the request was answered. Nothing was changed. Try again.",
        ),
        WriteError::Forbidden | WriteError::ReadOnly | WriteError::AppendOnly | WriteError::Immutable => {
            (StatusCode::FORBIDDEN, forbidden(error))
        }
        WriteError::Full => (
            StatusCode::INSUFFICIENT_STORAGE,
            "There is not enough room for the file: the disk is full, or a quota or a limit on the size of files is reached. \
             Nothing was changed.",
        ),
        WriteError::BadName => (
            StatusCode::BAD_REQUEST,
            "A name in the path is too long for the filesystem, or has characters that it does not take. Choose another name.",
        ),
        WriteError::ParentNotAFolder => (
            StatusCode::CONFLICT,
            "The path leads through a file as if it were a folder. Choose another path.",
        ),
        WriteError::TooDeep => (
            StatusCode::CONFLICT,
            "More than 32 folders are missing on the way to the file, and one upload makes no more. Upload a file into one of \
             them first.",
        ),
        WriteError::Folder => (
            StatusCode::CONFLICT,
            "The path names a folder, and only files are written and deleted. Name a file in the folder.",
        ),
        WriteError::NotAFile => (
            StatusCode::CONFLICT,
            "What is at the path is not a regular file, or it is a symbolic link that is broken or not followed. Choose another name.",
        ),
        WriteError::MountPoint => (
            StatusCode::CONFLICT,
            "The file is a mount point and cannot be replaced. Mount the folder in which it lies instead.",
        ),
        WriteError::RootGone
        | WriteError::Overloaded
        | WriteError::NotStored
        | WriteError::Panicked
        | WriteError::Io(_) => of_the_machine(error),
        WriteError::Busy => (
            StatusCode::CONFLICT,
            "Another program is writing to the file at the moment, or others keep replacing it. Nothing was changed. Try again.",
        ),
        WriteError::Locked => (
            StatusCode::CONFLICT,
            "Another program on the server's machine holds a lock (flock) on the folder, and while it does nothing is written \
             there. Nothing was changed. Try again; the server's log names the process.",
        ),
    }
}

/// What is no fault of the request.
fn of_the_machine(error: WriteError) -> (StatusCode, &'static str) {
    match error {
        WriteError::RootGone => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The folder with the files of this server is not there at the moment. Try again.",
        ),
        WriteError::Overloaded => {
            (StatusCode::SERVICE_UNAVAILABLE, "The server is busy with other requests. Try again.")
        }
        WriteError::NotStored => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The filesystem did not store what was sent, although it reported no error. Nothing was changed. Its disk may be full.",
        ),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "The file could not be written. The server's log says why."),
    }
}

/// Why nothing may be written at a place.
fn forbidden(error: WriteError) -> &'static str {
    match error {
        WriteError::ReadOnly => "The folder is on a filesystem that is mounted read-only.",
        WriteError::AppendOnly => {
            "The folder is append-only (chattr +a): new files can be created directly in it, but no file can be replaced or \
             deleted, and no folder made."
        }
        WriteError::Immutable => {
            "The file or its folder must not be changed (chattr +i or +a). The operator has to take that attribute away first."
        }
        _ => {
            "The server's user may not write here. The owner or the permissions of the folder, or of the file, must change."
        }
    }
}

/// The problem for a path that names nothing to write.
pub(in crate::http) fn bad_path(error: PathError) -> Problem {
    match error {
        PathError::Hidden => Problem::new(
            StatusCode::FORBIDDEN,
            "Nothing is written to this path, because it is not served: a name that begins with a dot needs --hidden, \
             and some names are reserved for the server itself.",
        ),
        error => Problem::bad_path(error),
    }
}

/// 400 for tags that cannot be read, with a line to copy.
pub(in crate::http) fn malformed(field: PreconditionField, head: &RequestHead) -> Problem {
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
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!(
            "{} is not a list of entity tags. Nothing was changed. An entity tag stands in double quotes, which a shell takes away \
             unless they are quoted themselves: curl -T FILE 'http://{host}{path}' -H '{}: \"{tag}\"'",
            field.name(),
            field.name()
        ),
    )
}

#[cfg(test)]
mod tests;

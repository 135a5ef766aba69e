//! PUT and DELETE.
//!
//! What can be refused by the head of a request is refused before its body: for clients that wait for
//! `100 Continue` before that is sent, for the others at once.

use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::dev::{Payload, RequestHead};
use actix_web::error::PayloadError;
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_core::Stream;

use crate::http::Site;
use crate::http::message::fields::{self, RequestFields as _, preconditions};
use crate::http::message::problem::Problem;
use crate::http::policy::{auth, origin};
use crate::http::read::get::{entry_at, held_content_of};
use crate::http::representation::fields::{Fields, representation};
use crate::http::representation::respond;
use crate::http::write::content_fields::{
    Length, check_representation, check_trailers, check_upgrade, content_length,
};
use crate::http::write::{content_fields, refusal};
use crate::resource_path::{Form, ResourcePath, Target};
use crate::root::{OpenError, WriteError};
use crate::semantics::integrity::{ExpectedDigests, IntegrityField};
use crate::semantics::preconditions::Preconditions;
use crate::semantics::preferences::Return;
use crate::words::counted;
use crate::write::{Client, Deletes, Intent, Refusal, Upload, Uploads, WriteOutcome};

/// How many bytes a second a body must have on average, once it has taken a while.
const SLOWEST: u64 = 512;
const SLOW_START: Duration = Duration::from_secs(60);

/// How long the rest of a body is read that nobody waits for.
const REST_LIMIT: Duration = Duration::from_secs(30);

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// A write whose head has passed.
struct Checked<'a> {
    path: ResourcePath<'a>,
    intent: Intent,
    preconditions: Preconditions<'a>,
    expected: ExpectedDigests,
}

/// Answers PUT and DELETE:
///
/// 1. check the head, and, unless the body is there already, the client's share and the folder ([`check`]);
/// 2. receive the body;
/// 3. commit;
/// 4. respond.
///
/// `digest_in_trailer` returns the digest field of the trailer section, once the body has come.
pub(in crate::http) async fn answer(
    site: &Site,
    request: &HttpRequest,
    path: &str,
    payload: &mut Payload,
    digest_in_trailer: impl Fn() -> Option<IntegrityField>,
) -> HttpResponse {
    let client = auth::client(site, request.head(), auth::visitor(request));
    let checked = match worth_a_verdict(request.head()) {
        true => check(site, request.head(), path, &client).await,
        false => check_head(site, request.head(), path).map_err(|problem| problem.respond(request)),
    };
    let checked = match checked {
        Ok(checked) => checked,
        Err(response) => {
            skip_few(request.head(), payload).await;
            return response;
        }
    };
    let Checked { path, intent, preconditions, expected } = checked;
    let owned = preconditions.clone().into_owned();
    let outcome = match intent {
        Intent::Delete => {
            skip_few(request.head(), payload).await;
            site.writer.delete(&client, path.clone().into_owned(), owned).await
        }
        Intent::Put(length) => {
            let mut upload = match Upload::begin(&site.writer, client, &path, length, expected) {
                Ok(upload) => upload,
                Err(refused) => {
                    skip_few(request.head(), payload).await;
                    return refusal::problem(&refused, request.head()).respond(request);
                }
            };
            if let Err(problem) = receive(site, request.head(), &mut upload, payload).await {
                return problem.respond(request);
            }
            let trailer = digest_in_trailer();
            if let Err(problem) = content_fields::check_received(request.head(), upload.length(), trailer) {
                return problem.respond(request);
            }
            site.writer.put(upload, owned).await
        }
    };
    respond_outcome(site, request.head(), &path, &preconditions, outcome).await
}

/// Refuses what can be refused before the body:
///
/// 1. what may not be written at all (405);
/// 2. whom a browser speaks for (403);
/// 3. paths that name nothing to write;
/// 4. fields that cannot be read or are not supported, and a body that is too large;
/// 5. an upload of a client that has its share of the uploads already;
/// 6. what the folder says ([`crate::write::Writer::verdict`]).
pub(in crate::http) async fn refuse_early(
    site: &Site,
    head: &RequestHead,
    path: &str,
    client: &Client,
) -> Result<(), HttpResponse> {
    check(site, head, path, client).await.map(drop)
}

/// Bodies of up to so many bytes are on their way when the head has come.
const FEW: u64 = 64 * 1024;

/// Reads over a small body that means nothing, so that the connection can go on. A client that is slower than that loses the
/// connection, and nothing else.
pub(in crate::http) async fn skip_few(head: &RequestHead, payload: &mut Payload) -> Rest {
    let patience = match Length::of(head) {
        _ if head.expect() => return Rest::Unread,
        Length::Missing => return Rest::Unread,
        Length::Known(length) if length > FEW => return Rest::Unread,
        Length::Known(_) => Duration::from_secs(1),
        // It may be a large one.
        Length::Unknown => Duration::from_millis(100),
    };
    let skip = async {
        let mut skipped = 0;
        while skipped <= FEW {
            let Some(Ok(bytes)) = next_bytes(payload).await else { return Rest::Read };
            skipped += bytes.len() as u64;
        }
        Rest::Unread
    };
    tokio::time::timeout(patience, skip).await.unwrap_or(Rest::Unread)
}

/// Whether it spares anything to look at the folder before the body has come: not for a few bytes that are on their
/// way already, nor where the client has waited for `100 Continue` and got it. The commit looks in any case.
fn worth_a_verdict(head: &RequestHead) -> bool {
    head.method == Method::PUT && !head.expect() && content_length(head).is_none_or(|length| length > FEW)
}

async fn check<'a>(
    site: &Site,
    head: &'a RequestHead,
    path: &'a str,
    client: &Client,
) -> Result<Checked<'a>, HttpResponse> {
    let checked = check_head(site, head, path).map_err(|problem| problem.respond_to(head))?;
    if let Intent::Put(_) = checked.intent
        && let Err(refused) = site.writer.check_share(client)
    {
        return Err(refusal::problem(&refused, head).respond_to(head));
    }
    match site.writer.verdict(&checked.path, checked.intent, &checked.preconditions).await {
        Ok(()) => Ok(checked),
        Err(refused) => {
            Err(respond_refusal(site, head, &checked.path, &checked.preconditions, refused).await)
        }
    }
}

fn check_head<'a>(site: &Site, head: &'a RequestHead, path: &'a str) -> Result<Checked<'a>, Problem> {
    let options = site.writer.options();
    let allowed = match head.method {
        Method::PUT => options.uploads != Uploads::Refused,
        Method::DELETE => options.deletes != Deletes::Refused,
        _ => false,
    };
    if !allowed {
        return Err(Problem::method_not_allowed(&head.method, &site.allow));
    }
    origin::check_page(head, &site.extra_of_target(path).origins, site.options.encryption)?;
    let Target { path: resource, form } =
        ResourcePath::parse(path, site.options.dotfiles).map_err(refusal::bad_path)?;
    if form == Form::Slash {
        return Err(refusal::problem(&WriteError::Folder.into(), head));
    }
    let preconditions = preconditions(&head.headers);
    if let Some(field) = preconditions.malformed_field() {
        return Err(refusal::malformed(field, head));
    }
    if head.method == Method::DELETE {
        let expected = ExpectedDigests::default();
        return Ok(Checked { path: resource, intent: Intent::Delete, preconditions, expected });
    }
    check_upgrade(head)?;
    check_representation(head, site.coding_at(&resource).as_ref())?;
    check_trailers(head)?;
    let length = match Length::of(head) {
        Length::Missing => return Err(content_fields::length_required()),
        Length::Known(length) => Some(length),
        Length::Unknown => None,
    };
    let expected =
        ExpectedDigests::parse(|field| head.headers.get_all(field.name()).map(|value| value.as_bytes()))
            .map_err(|malformed| Problem::new(StatusCode::BAD_REQUEST, malformed.to_string()))?;
    match (length, options.limit) {
        (Some(length), Some(limit)) if length > limit => Err(too_large(limit)),
        _ => Ok(Checked { path: resource, intent: Intent::Put(length), preconditions, expected }),
    }
}

fn too_large(limit: u64) -> Problem {
    let detail = format!(
        "The file is larger than this server accepts: {} at most (--max-upload-size). Nothing was changed.",
        counted(limit, "byte")
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).with_member("max-upload-size", limit)
}

/// Receives a body to its end. A body that breaks off is an error and never the end.
async fn receive(
    site: &Site,
    head: &RequestHead,
    upload: &mut Upload<Fields>,
    payload: &mut Payload,
) -> Result<(), Problem> {
    let (began, limit) = (Instant::now(), site.writer.options().limit.unwrap_or(u64::MAX));
    loop {
        let patience = site.options.limits.body;
        let Ok(next) = tokio::time::timeout(patience, next_bytes(payload)).await else {
            return Err(too_slow(&format!("nothing of it came for {patience:?} (--body-timeout)")));
        };
        let bytes = match next {
            None => return Ok(()),
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => {
                log::info!("the upload to {:?} broke off: {error}", head.uri.path());
                // actix reports many a malformed chunk as if the connection had broken off.
                let detail = "The whole file did not come: the connection broke off, or the body is not in valid chunks, \
                              whose lines end with CR LF. Nothing was changed.";
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
        };
        if upload.length() + bytes.len() as u64 > limit {
            return Err(too_large(limit));
        }
        let elapsed = began.elapsed();
        if elapsed > SLOW_START && upload.length() < elapsed.as_secs() * SLOWEST {
            return Err(too_slow(&format!("it came at less than {SLOWEST} bytes a second")));
        }
        upload.push(&bytes).await.map_err(|refused| refusal::problem(&refused, head))?;
    }
}

/// How much of the body of a request was read when its answer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Rest {
    /// All of it.
    Read,
    /// The connection ends with the answer.
    Unread,
}

/// Takes care of a body that was not read to its end because the answer came first. Dropped, a chunked one would not be
/// read over but forgotten, and with it the connection (actix-http 3.20): kept, it has the connection closed once the
/// client has had time to read its answer.
pub(in crate::http) async fn read_over(head: &RequestHead, mut payload: Payload) -> Rest {
    if matches!(payload, Payload::None) {
        return Rest::Read;
    }
    // A body that was wanted has been read as far as it will be.
    if head.method != Method::PUT && skip_few(head, &mut payload).await == Rest::Read {
        return Rest::Read;
    }
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    if matches!(Pin::new(&mut payload).poll_next(&mut context), std::task::Poll::Ready(None | Some(Err(_)))) {
        return Rest::Read;
    }
    actix_web::rt::spawn(tokio::time::timeout(REST_LIMIT, async move {
        while let Some(Ok(_)) = next_bytes(&mut payload).await {}
    }));
    Rest::Unread
}

async fn next_bytes(payload: &mut Payload) -> Option<Result<Bytes, PayloadError>> {
    std::future::poll_fn(|context| Pin::new(&mut *payload).poll_next(context)).await
}

fn too_slow(why: &str) -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        format!("The upload was too slow and is given up: {why}. Nothing was changed."),
    )
}

/// The one place where the outcome of a write becomes a response.
async fn respond_outcome(
    site: &Site,
    head: &RequestHead,
    path: &ResourcePath<'_>,
    preconditions: &Preconditions<'_>,
    outcome: WriteOutcome<Fields>,
) -> HttpResponse {
    let (now, extra) = (fields::now(), site.extra(path));
    match outcome {
        WriteOutcome::Created(entry) => respond::created(&representation(&entry, &extra), path, now),
        WriteOutcome::Replaced(entry) => respond::replaced(&representation(&entry, &extra), now),
        // Without a tag: what is there need not have come from this request.
        WriteOutcome::Deleted | WriteOutcome::Replayed => respond::no_content(now),
        WriteOutcome::Unsettled(unsettled) => refusal::unsettled(&unsettled).respond_to(head),
        WriteOutcome::Refused(refused) => respond_refusal(site, head, path, preconditions, refused).await,
    }
}

/// A refusal, with what is there where it is about that.
async fn respond_refusal(
    site: &Site,
    head: &RequestHead,
    path: &ResourcePath<'_>,
    preconditions: &Preconditions<'_>,
    refused: Refusal,
) -> HttpResponse {
    let field = match refused {
        Refusal::Failed(field) => Some(field),
        Refusal::Unconditional => None,
        other => return refusal::problem(&other, head).respond_to(head),
    };
    let entry = match (entry_at(site, path).await, field) {
        (Ok(entry), _) => entry,
        (Err(OpenError::Missing), _) | (_, None) => return refusal::problem(&refused, head).respond_to(head),
        (Err(_), Some(field)) => return Problem::failed_in_motion(field).respond_to(head),
    };
    let extra = site.extra_of_file(path, entry.rendered());
    let current = representation(&entry, &extra);
    let Some(field) = field else {
        return refusal::problem(&refused, head).with_validators_of(&current).respond_to(head);
    };
    let wanted = Return::of(head.headers.lines(PREFER)) == Some(Return::Representation);
    if wanted && let Ok(Some(content)) = held_content_of(site, &entry) {
        return respond::failed_with_representation(&current, content, fields::now());
    }
    Problem::precondition_failed(field, preconditions, &current).respond_to(head)
}

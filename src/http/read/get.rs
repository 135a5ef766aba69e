//! GET and HEAD.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse};

use crate::http::listing::{self, Generated, NotListed};
use crate::http::message::fields::{self, Conditions};
use crate::http::message::media_types;
use crate::http::message::problem::Problem;
use crate::http::read::decide::{Outcome, decide};
use crate::http::read::missing::{not_found, not_found_page};
use crate::http::representation::body::{FileBody, Rechecking};
use crate::http::representation::fields::{Fields, Representation};
use crate::http::representation::respond::{self, Content};
use crate::http::{Listing, Site};
use crate::resource_path::{Dotfiles, Form, PathError, ResourcePath, Target, encode_segment};
use crate::root::{Node, OpenDirectory, OpenError, OpenFile};
use crate::semantics::integrity::{IntegrityAlgorithm, IntegrityDigest};
use crate::semantics::validators::Validators;
use crate::validator_store::text::Text;
use crate::validator_store::{Entry, Found, Patience, Steadiness, Unhashed};

/// What a request target stands for.
pub(super) enum Selected {
    /// A file whose digest is known.
    Entry(Arc<Entry<Fields>>),
    /// A file that answers for a missing one. It has no date: that of the file which may appear or
    /// have been here is another one's.
    Fallback(Arc<Entry<Fields>>),
    /// A large file whose digest is not known (yet).
    Unhashed(Unhashed, ResourcePath<'static>),
    /// A listing.
    Generated(Box<Generated>),
    /// A folder that is not listed now.
    NotListed(NotListed),
    /// A directory that was asked for without its slash.
    DirectoryWithoutSlash,
}

/// What can be told of the digest that a request wants (RFC 9530 4).
enum Told {
    /// Nothing: it is not known, and cannot be soon.
    Nothing,
    Digest(IntegrityDigest),
    /// The file was replaced meanwhile.
    Moved,
}

/// How often a file that is replaced between its `statx` and its opening is looked up again.
const LOOKUPS: usize = 8;

/// Answers GET and HEAD:
///
/// 1. parse the target;
/// 2. select what it stands for, as it is now;
/// 3. evaluate preconditions, then the range ([`decide`]);
/// 4. compute the digest that is wanted; if it is another file by now, begin again at 2;
/// 5. open what is not in memory; if it is another file by now, begin again at 2;
/// 6. respond.
pub(in crate::http) async fn answer(site: &Site, request: &HttpRequest, path: &str) -> HttpResponse {
    let target = match ResourcePath::parse(path, site.options.dotfiles) {
        Ok(target) => target,
        // The place of a site in an application, without its slash.
        Err(PathError::NotAPath) if path.is_empty() => {
            return respond::redirect(request.path().rsplit('/').next().unwrap_or_default(), request);
        }
        // Without the path, which is not the one that was judged if it has dot segments.
        Err(PathError::Hidden) => return not_found_page(site, request, "this path").await,
        Err(error) => return Problem::bad_path(error).respond(request),
    };
    let conditions = Conditions::of(request.headers());
    for _ in 0..LOOKUPS {
        let selected = match select(site, request, &target, conditions.patience()).await {
            Ok(selected) => selected,
            Err(OpenError::Missing) => return not_found(site, request, &target).await,
            Err(error) => return Problem::cannot_open(error, path).respond(request),
        };
        match respond_selected(site, request, &target, &conditions, selected).await {
            Ok(Some(response)) => return response,
            Ok(None) | Err(OpenError::Missing) => continue,
            Err(error) => return Problem::cannot_open(error, path).respond(request),
        }
    }
    Problem::cannot_open(OpenError::Overloaded, path).respond(request)
}

/// Steps 3 to 6; `None` when the file was replaced meanwhile.
pub(super) async fn respond_selected(
    site: &Site,
    request: &HttpRequest,
    target: &Target<'_>,
    conditions: &Conditions<'_>,
    selected: Selected,
) -> Result<Option<HttpResponse>, OpenError> {
    match selected {
        Selected::Entry(entry) => {
            respond_entry(site, request, conditions, &entry, entry.validators(), entry.rendered()).await
        }
        Selected::Fallback(entry) => {
            let validators = Validators { last_modified: None, ..entry.validators().clone() };
            let fields = Fields { last_modified: None, ..entry.rendered().clone() };
            respond_entry(site, request, conditions, &entry, &validators, &fields).await
        }
        Selected::Unhashed(file, path) => respond_unhashed(site, request, conditions, file, &path).await,
        Selected::Generated(generated) => {
            let representation = Representation {
                validators: &generated.validators,
                date: None,
                fields: &generated.fields,
                extra: &generated.extra,
                length: generated.body.len() as u64,
                repr_digest: None,
            };
            let digest = async |algorithm| generated.integrity_digest(algorithm).await.map(Told::Digest);
            let content = || Ok(Some(Content::Memory(generated.body.clone())));
            let response =
                respond_representation(request, conditions, representation, digest, content).await?;
            Ok(response.map(|response| generated.complete(response)))
        }
        Selected::NotListed(reason) => Ok(Some(reason.problem(request.path()).respond(request))),
        Selected::DirectoryWithoutSlash => {
            let name: String = encode_segment(target.path.name()).collect();
            Ok(Some(respond::redirect(&name, request)))
        }
    }
}

/// A file with these validators.
async fn respond_entry(
    site: &Site,
    request: &HttpRequest,
    conditions: &Conditions<'_>,
    entry: &Arc<Entry<Fields>>,
    validators: &Validators,
    fields: &Fields,
) -> Result<Option<HttpResponse>, OpenError> {
    let kept = site.kept(entry);
    let representation = Representation {
        validators,
        date: entry.date().filter(|_| validators.last_modified.is_some()),
        fields,
        extra: &kept.extra,
        length: entry.stamp().size,
        repr_digest: None,
    };
    let digest = async |algorithm| {
        let digest = site.store.integrity_digest(entry, algorithm).await?;
        Ok(digest.map_or(Told::Moved, Told::Digest))
    };
    let content = || held_content_of(site, entry);
    respond_representation(request, conditions, representation, digest, content).await
}

/// The bytes of a file; `None` when it was replaced meanwhile.
pub(in crate::http) fn content_of(
    site: &Site,
    entry: &Arc<Entry<Fields>>,
) -> Result<Option<Content>, OpenError> {
    match entry.body() {
        Some(body) => Ok(Some(Content::Memory(body.clone()))),
        None => Ok(site.store.open(entry)?.map(|file| Content::File(file_body(site, entry, file)))),
    }
}

/// The same for answers that clients may take slowly and many at a time: beyond a limit they are read from the file. Such an answer
/// keeps nothing of the entry, whose bytes it would hold; so it is cut off by a change that leaves the bytes as they are.
pub(in crate::http) fn held_content_of(
    site: &Site,
    entry: &Arc<Entry<Fields>>,
) -> Result<Option<Content>, OpenError> {
    let Some(body) = entry.body() else { return content_of(site, entry) };
    if entry.is_fleeting() {
        // The tag is that of these bytes: by now the file may have others under the same stamp.
        return Ok(Some(Content::Memory(body.clone())));
    }
    if let Some(body) = site.held.hold(body, site.store.memory()) {
        return Ok(Some(Content::Memory(body)));
    }
    Ok(site.store.open(entry)?.map(|file| {
        let style = site.store.root().filesystem(entry.path(), &file).read_style;
        Content::File(FileBody::new(file, entry.location().clone(), style))
    }))
}

/// The file at `path` as it is now.
///
/// # Errors
/// [`OpenError::Busy`] where its digest cannot be told.
pub(in crate::http) async fn entry_at(
    site: &Site,
    path: &ResourcePath<'_>,
) -> Result<Arc<Entry<Fields>>, OpenError> {
    match find(site, path, Patience::Full).await? {
        Ok(Selected::Entry(entry)) => Ok(entry),
        Ok(_) => Err(OpenError::Busy),
        Err(_directory) => Err(OpenError::Missing),
    }
}

/// The body of a large file, which goes on when the file was changed but not its bytes.
fn file_body(site: &Site, entry: &Arc<Entry<Fields>>, file: OpenFile) -> FileBody {
    let style = site.store.root().filesystem(entry.path(), &file).read_style;
    let (store, promised) = (Arc::clone(&site.store), Arc::clone(entry));
    let recheck = move || -> Rechecking {
        let (store, promised) = (Arc::clone(&store), Arc::clone(&promised));
        Box::pin(async move { store.stamp_of_same_bytes(&promised).await })
    };
    FileBody::new(file, entry.location().clone(), style).with_recheck(Box::new(recheck))
}

/// The one place where an outcome becomes a response. The digest is asked for only if it is wanted and bytes are sent:
/// it may take as long as reading all of them.
async fn respond_representation(
    request: &HttpRequest,
    conditions: &Conditions<'_>,
    mut representation: Representation<'_>,
    digest: impl AsyncFnOnce(IntegrityAlgorithm) -> Result<Told, OpenError>,
    content: impl FnOnce() -> Result<Option<Content>, OpenError>,
) -> Result<Option<HttpResponse>, OpenError> {
    let mut now = fields::now();
    let current = representation.validators;
    let outcome = decide(request.method(), conditions, current, representation.length, now);
    if let Some(algorithm) = conditions.wanted_digest.filter(|_| outcome.sends_bytes()) {
        match digest(algorithm).await? {
            Told::Nothing => {}
            Told::Digest(digest) => representation.repr_digest = repr_digest(&digest),
            Told::Moved => return Ok(None),
        }
        now = fields::now();
    }
    let representation = &representation;
    match outcome {
        Outcome::NotModified => Ok(Some(respond::not_modified(representation, now))),
        Outcome::Failed(field) => Ok(Some(
            Problem::precondition_failed(field, &conditions.preconditions, representation).respond(request),
        )),
        Outcome::Unsatisfiable => Ok(Some(respond::unsatisfiable(representation, now, request))),
        Outcome::Whole if *request.method() == Method::HEAD => Ok(Some(respond::head(representation, now))),
        Outcome::Whole => Ok(content()?.map(|content| respond::whole(representation, content, now))),
        Outcome::Part(range) => {
            Ok(content()?.map(|content| respond::part(representation, content, range, now)))
        }
        Outcome::Parts(ranges) => {
            Ok(content()?.map(|content| respond::parts(representation, content, &ranges, now)))
        }
    }
}

fn repr_digest(digest: &IntegrityDigest) -> Option<HeaderValue> {
    HeaderValue::from_str(&digest.repr_digest()).ok()
}

/// A large file whose digest is not known.
///
/// One that holds still has no tag yet, because one that will be another later is of no use, but the date that it keeps once it is
/// hashed. One that somebody writes to is what it was at this moment: it has a weak tag that no other answer has, and a date to
/// look at, and no condition holds for it.
async fn respond_unhashed(
    site: &Site,
    request: &HttpRequest,
    conditions: &Conditions<'_>,
    unhashed: Unhashed,
    path: &ResourcePath<'_>,
) -> Result<Option<HttpResponse>, OpenError> {
    let Unhashed { file, steadiness, date } = unhashed;
    let location = site.store.root().locate(path).ok_or(OpenError::Missing)?;
    let style = site.store.root().filesystem(path, &file).read_style;
    let (file, text) = match media_types::depends_on_bytes(path.name()) {
        true => look(file).await?,
        false => (file, Text::Other),
    };
    let known = Validators { entity_tag: None, last_modified: date.as_ref().map(|offer| offer.date()) };
    let mut fields = site.store.render(path, &known, text);
    let (length, body) = (file.stamp().size, FileBody::new(file, location, style));
    let (validators, body) = match steadiness {
        Steadiness::Still => (known, body),
        Steadiness::Moving => {
            fields.entity_tag = respond::weak_tag();
            (Validators { entity_tag: None, last_modified: None }, body.that_may_grow())
        }
    };
    let extra = site.extra_of_file(path, &fields);
    let representation = Representation {
        validators: &validators,
        date: date.as_deref(),
        fields: &fields,
        extra: &extra,
        length,
        repr_digest: None,
    };
    let content = || Ok(Some(Content::File(body)));
    respond_representation(request, conditions, representation, async |_| Ok(Told::Nothing), content).await
}

/// Reports whether a file is text. Reading it may wait for the disk.
async fn look(file: OpenFile) -> Result<(OpenFile, Text), OpenError> {
    let looking = crate::blocking::spawn(move || {
        let text = Text::of_file(&file, &file.stamp())?;
        Ok((file, text))
    });
    looking.await.unwrap_or(Err(OpenError::Overloaded))
}

/// What the target stands for now.
async fn select(
    site: &Site,
    request: &HttpRequest,
    target: &Target<'_>,
    patience: Patience,
) -> Result<Selected, OpenError> {
    if target.form == Form::Plain {
        return match find(site, &target.path, patience).await? {
            Ok(selected) => Ok(selected),
            Err(_directory) => Ok(Selected::DirectoryWithoutSlash),
        };
    }
    if let Some(index) = target.path.child(&site.options.index_file, Dotfiles::Served) {
        match find(site, &index, patience).await {
            Ok(Ok(selected)) => return Ok(selected),
            Ok(Err(_)) | Err(OpenError::Missing) => {}
            Err(error) => return Err(error),
        }
    }
    match site.store.root().open_node(&target.path)? {
        // It is opened again when it is read: those who wait for that hold no descriptor.
        Node::Directory(_) if site.options.listing == Listing::Shown => {
            match listing::generate(site, request, &target.path).await {
                Ok(generated) => Ok(Selected::Generated(Box::new(generated))),
                Err(NotListed::Open(error)) => Err(error),
                Err(reason) => Ok(Selected::NotListed(reason)),
            }
        }
        _ => Err(OpenError::Missing),
    }
}

/// The file at `path`, or the directory that is there instead.
pub(super) async fn find(
    site: &Site,
    path: &ResourcePath<'_>,
    patience: Patience,
) -> Result<Result<Selected, OpenDirectory>, OpenError> {
    if let Some(entry) = site.store.hit(path.as_str()) {
        return Ok(Ok(Selected::Entry(entry)));
    }
    Ok(match site.store.current(path, patience).await? {
        Found::Hashed(entry) => Ok(Selected::Entry(entry)),
        Found::Unhashed(file) => Ok(Selected::Unhashed(file, path.clone().into_owned())),
        Found::Directory(directory) => Err(directory),
    })
}

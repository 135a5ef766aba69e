//! The state of one served folder, and what a request target stands for there.

pub(in crate::http) mod options;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderValue};

use crate::access::{Right, Visitor, Writers};
use crate::http::listing::Listings;
use crate::http::message::media_types::{self, MediaType};
use crate::http::message::problem::Problem;
use crate::http::observation::metrics::Metrics;
use crate::http::policy::confinement::{Confinement, UploadTrust};
use crate::http::policy::header_rules::{self, Extra, Writable};
use crate::http::representation::cached_heads::CachedHeads;
use crate::http::representation::fields::Store;
use crate::http::representation::held;
use crate::http::{Crowd, Fields, Hosts};
use crate::resource_path::{Dotfiles, Form, ResourcePath};
use crate::root::Root;
use crate::validator_store::Entry;
use crate::validator_store::text::Text;
use crate::validator_store::watch::WatchStatus;
use crate::write::{Deletes, Uploads, WriteOptions, Writer};
use options::SiteOptions;

/// A folder presented over HTTP. Applications use [`crate::service`].
pub struct Site {
    pub(in crate::http) store: Arc<Store>,
    pub(in crate::http) writer: Arc<Writer<Fields>>,
    pub(in crate::http) options: SiteOptions,
    pub(in crate::http) watch: Arc<WatchStatus>,
    pub(in crate::http) metrics: Arc<Metrics>,
    pub(in crate::http) crowd: Arc<Crowd>,
    pub(in crate::http) listings: Arc<Listings>,
    pub(in crate::http) held: Arc<held::Held>,
    /// Tells this site from the ones before it, whose options were others.
    pub(in crate::http) edition: u64,
    /// The methods that are answered.
    pub(in crate::http) allow: HeaderValue,
    /// What the folder may have to say to who asks for what is not there.
    pub(in crate::http) not_found_page: ResourcePath<'static>,
    /// The fields of a 404 for a program, rendered once.
    not_found_fields: OnceLock<Vec<u8>>,
}

/// What a request target stands for, as far as its spelling tells; one that names nothing, for the root.
pub(in crate::http) struct Meant<'a> {
    pub(in crate::http) path: ResourcePath<'a>,
    /// The file that answers for the path, if that is a folder's.
    pub(in crate::http) index: Option<ResourcePath<'static>>,
}

impl Meant<'_> {
    /// What answers.
    pub(in crate::http) fn file(&self) -> &ResourcePath<'_> {
        self.index.as_ref().unwrap_or(&self.path)
    }

    pub(in crate::http) fn all(&self, holds: impl Fn(&ResourcePath<'_>) -> bool) -> bool {
        holds(&self.path) && self.index.as_ref().is_none_or(holds)
    }
}

impl Site {
    /// Presents `store`.
    pub fn new(store: Arc<Store>, options: SiteOptions, watch: Arc<WatchStatus>) -> Self {
        store.root().let_links_lead_to(options.dotfiles);
        let allow = HeaderValue::from_static(allow(&options.writes));
        let writer = Writer::new(Arc::clone(&store), options.writes);
        let crowd = Arc::new(Crowd::new(options.limits.clone()));
        let not_found_page =
            ResourcePath::ROOT.child("404.html", Dotfiles::Hidden).unwrap_or(ResourcePath::ROOT);
        Self {
            store,
            writer,
            options,
            watch,
            metrics: Arc::default(),
            crowd,
            listings: Arc::default(),
            held: Arc::default(),
            edition: next_edition(),
            allow,
            not_found_page,
            not_found_fields: OnceLock::new(),
        }
    }

    /// The same site with other options. What may be written stays as it was: it was made sure of at start. So do the limits, on which
    /// connections rest, and where the server tells of itself: listeners stay, too.
    pub(in crate::http) fn with_options(&self, options: SiteOptions) -> Self {
        self.store.root().let_links_lead_to(options.dotfiles);
        Self {
            store: Arc::clone(&self.store),
            writer: Arc::clone(&self.writer),
            watch: Arc::clone(&self.watch),
            metrics: Arc::clone(&self.metrics),
            crowd: Arc::clone(&self.crowd),
            listings: Arc::clone(&self.listings),
            held: Arc::clone(&self.held),
            edition: next_edition(),
            allow: self.allow.clone(),
            not_found_page: self.not_found_page.clone(),
            not_found_fields: OnceLock::new(),
            options: SiteOptions {
                writes: self.options.writes,
                encryption: self.options.encryption,
                own: self.options.own,
                limits: self.options.limits.clone(),
                ..options
            },
        }
    }

    /// What is sent with answers about `path` besides what describes them.
    pub(in crate::http) fn extra(&self, path: &ResourcePath<'_>) -> Arc<Extra> {
        let options = &self.options;
        let writable = || {
            let put = options.writes.uploads != Uploads::Refused && options.access.lets_anybody_write(path);
            if put { Writable::Yes } else { Writable::No }
        };
        let extra = options.headers.at(path, writable);
        match options.access.allows(Visitor::ANYBODY, path, Right::Read) {
            true => extra,
            false => Arc::new(extra.for_few()),
        }
    }

    /// The same for what a request target stands for.
    pub(in crate::http) fn extra_of_target(&self, path: &str) -> Arc<Extra> {
        self.extra(self.meant_by(path).file())
    }

    /// What a request target stands for.
    pub(in crate::http) fn meant_by<'a>(&self, path: &'a str) -> Meant<'a> {
        let Ok(target) = ResourcePath::parse(path, self.options.dotfiles) else {
            return Meant { path: ResourcePath::ROOT, index: None };
        };
        let index = match target.form {
            Form::Plain => None,
            Form::Slash => {
                let index = target.path.child(&self.options.index_file, Dotfiles::Served);
                index.map(ResourcePath::into_owned)
            }
        };
        Meant { path: target.path, index }
    }

    /// The same for an entry, of whose answers more is kept.
    pub(in crate::http) fn kept(&self, entry: &Entry<Fields>) -> Arc<CachedHeads> {
        entry.rendered().head_slot.get(self.edition, || self.extra_of_file(entry.path(), entry.rendered()))
    }

    /// The fields of a 404 for a program, where they are the same for everybody.
    pub(in crate::http) fn not_found_fields(&self, path: &ResourcePath<'_>) -> Option<&Vec<u8>> {
        let extra = self.extra(path);
        let common = self.options.headers.is_common(&extra) && !extra.origins.are_listed();
        common.then(|| {
            self.not_found_fields.get_or_init(|| {
                let mut fields = Vec::new();
                Problem::not_found(path).describe(&mut fields);
                extra.describe(&mut fields);
                fields
            })
        })
    }

    /// Adds what is sent with every answer about a path, where it is not there yet. Whatever is said of what not everybody may read is not
    /// for caches that serve many.
    pub(in crate::http) fn accompany(&self, path: &str, head: &RequestHead, response: &mut HttpResponse) {
        let meant = self.meant_by(path);
        let extra = self.extra(meant.file());
        let headers = response.headers_mut();
        extra.complete(headers);
        if !meant.all(|path| self.options.access.allows(Visitor::ANYBODY, path, Right::Read))
            && let Some(value) = headers.get(header::CACHE_CONTROL).map(header_rules::private)
        {
            headers.insert(header::CACHE_CONTROL, value);
        }
        extra.origins.allow(&head.headers, headers);
    }

    /// The content coding under which a file at `path` is sent.
    pub(in crate::http) fn coding_at(&self, path: &ResourcePath<'_>) -> Option<HeaderValue> {
        let ruled = self.extra(path).content_encoding.clone();
        ruled.or_else(|| MediaType::of(path.name(), Text::Other).coding)
    }

    /// Finds out what is sent with a file at `path` besides `fields`, which describe it.
    pub(in crate::http) fn extra_of_file(&self, path: &ResourcePath<'_>, fields: &Fields) -> Arc<Extra> {
        let mut extra = self.extra(path);
        let confinement = self.confinement(path, fields, &extra);
        if extra.confinement != confinement {
            Arc::make_mut(&mut extra).confinement = confinement;
        }
        extra
    }

    /// What browsers may do with the file at `path`, which is described by `fields` and `extra`.
    fn confinement(&self, path: &ResourcePath<'_>, fields: &Fields, extra: &Extra) -> Confinement {
        let media_type = extra.content_type.as_ref().unwrap_or(&fields.content_type);
        match media_types::is_active(media_type) && !self.trusts_writers_of(path) {
            true => Confinement::Sandbox,
            false => Confinement::None,
        }
    }

    fn trusts_writers_of(&self, path: &ResourcePath<'_>) -> bool {
        let options = &self.options;
        if options.writes.uploads == Uploads::Refused || options.trust == UploadTrust::All {
            return true;
        }
        match options.access.writers(path) {
            Writers::Nobody | Writers::Editors => true,
            Writers::Others => {
                let names = match &options.hosts {
                    Hosts::Loopback(names) => Some(names),
                    Hosts::Any => None,
                };
                options.access.is_empty() && names.is_some_and(Vec::is_empty)
            }
        }
    }

    /// The served folder.
    pub fn root(&self) -> &Root {
        self.store.root()
    }

    /// What writes to the folder.
    pub fn writer(&self) -> &Writer<Fields> {
        &self.writer
    }
}

fn next_edition() -> u64 {
    static EDITIONS: AtomicU64 = AtomicU64::new(1);
    EDITIONS.fetch_add(1, Ordering::Relaxed)
}

/// The methods that are answered, as `Allow` lists them.
fn allow(options: &WriteOptions) -> &'static str {
    match (options.uploads, options.deletes) {
        (Uploads::Refused, Deletes::Refused) => "GET, HEAD, OPTIONS",
        (Uploads::Refused, Deletes::Allowed) => "GET, HEAD, OPTIONS, DELETE",
        (_, Deletes::Refused) => "GET, HEAD, OPTIONS, PUT",
        (_, Deletes::Allowed) => "GET, HEAD, OPTIONS, PUT, DELETE",
    }
}

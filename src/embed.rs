//! The front for applications: a folder as a service of `actix_web::App`.
//!
//! ```no_run
//! use actix_web::{App, HttpServer};
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let public = ifmatch::open("public")?;
//!     let notes = ifmatch::FolderOptions::new().allow_uploads().require_preconditions().open("notes")?;
//!     let app = move || {
//!         App::new()
//!             .service(ifmatch::service("/assets", &public))
//!             .service(ifmatch::service("/notes", &notes))
//!     };
//!     HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
//!     Ok(())
//! }
//! ```
//!
//! Open a folder once, outside of the closure: it keeps the digests and the bytes of small files, and all workers share it.
//! `examples/embed.rs` has a whole application, with routes of its own and a password before what may be written.
//!
//! # What an application gets
//!
//! All that is decided about a request: entity tags that are checked against the disk, preconditions, ranges, listings, uploads
//! that lose no update, and that nothing outside of the folder is served. Pages of other sites may not write (`Origin`,
//! `Sec-Fetch-Site`). `Location` is relative to what the client asked for, so scopes and prefixes do not matter to it. `..` in a
//! path never leads above the folder's place in the application. A target that is not ASCII is refused by actix (400).
//!
//! Who may read and write is the business of the application, and so are its log, metrics and header fields: wrap
//! [`service`] in a scope with its middleware. Without that, whoever reaches a folder that takes uploads may write.
//!
//! # With middleware
//!
//! - `Compress` leaves files and listings as they are: a strong entity tag belongs to these bytes, and other bytes
//!   under it would be a lie. To that end an answer with a tag says `Content-Encoding: identity` to who sends `Accept-Encoding`.
//! - `NormalizePath` has to be told `TrailingSlash::MergeOnly`. `Trim`, its default, takes away the slash to which `/assets/docs` is
//!   redirected, for ever; `Always` makes folders of files.
//! - A middleware that changes the body of an answer has to take away its `ETag`, or make it weak.
//!
//! # What an application does not get
//!
//! What the program does on the connection is below `actix_web::HttpServer`, and not part of a service:
//!
//! - A refusal before `100 Continue`: actix asks for the body of each upload. It is read and thrown away, and nothing changes. A client
//!   that sends without waiting may lose the answer if the server has closed the connection by then:
//!   `HttpServer::client_disconnect_timeout` (1 second; the program waits for 30) says how long it is given.
//! - Pipelined requests in step: actix-http 3.20 frames an answer by the request that it read last, so that a HEAD behind a GET can take
//!   away the body of the answer to the GET. Browsers and proxies do not pipeline.
//! - The end of a connection whose client takes nothing of an answer for a minute, and the limit of answers under way on an HTTP/2 connection.
//! - The fast path on the connection: each request takes the long way through actix, which costs about twice the instructions.
//! - Accounts, rules, the index on disk and a raised limit of open files (RLIMIT_NOFILE).
//!
//! Who needs these runs the program itself, or [`crate::server::run`] on a thread, and lets a proxy divide the paths.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;

use crate::access::Access;
use crate::http::policy::header_rules::{Extra, Fingerprints, HeaderRules};
use crate::http::{
    self, Encryption, Fallback, Hosts, Limits, Listing, MountedSite, OwnResources, Site, SiteOptions,
    UploadTrust,
};
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Root, RootError, SymlinkPolicy};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::index::IndexMode;
use crate::validator_store::watch::{self, WatchStatus};
use crate::validator_store::{StoreOptions, ValidatorStore};
use crate::write::{self, Deletes, Durability, LARGEST_MAX_UPLOADS, Unconditional, Uploads, WriteOptions};

/// How much memory the bytes of small files take at most, if nothing else is said: 64 MiB for each folder.
const MEMORY: u64 = 64 << 20;

/// An open folder. A copy is the same folder, and costs next to nothing.
///
/// It stays open, and its watcher stays at work, until the process ends.
#[derive(Clone)]
pub struct Folder {
    site: Arc<Site>,
}

/// How a folder is opened, as `std::fs::OpenOptions` is for a file. As it comes it can only be read, and nothing is served whose
/// name begins with a dot.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `open` is called"]
pub struct FolderOptions {
    symlinks: SymlinkPolicy,
    algorithm: DigestAlgorithm,
    memory: u64,
    watch: Watch,
    index_file: String,
    dotfiles: Dotfiles,
    listing: Listing,
    fallback: Fallback,
    cache_control: String,
    writes: WriteOptions,
    trust: UploadTrust,
    hosts: Hosts,
    own: OwnResources,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    On,
    Off,
}

/// Why a folder was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum FolderError {
    /// It is not there, or cannot be served.
    Root(RootError),
    /// This cannot stand in `Cache-Control`.
    CacheControl(String),
    /// This cannot be the name of a file.
    IndexFile(String),
    /// There is no runtime of tokio (or actix) in which files could be read later.
    NoRuntime,
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(error) => error.fmt(f),
            Self::CacheControl(value) => write!(f, "Cache-Control {value:?} cannot stand in a header field"),
            Self::IndexFile(name) => {
                write!(f, "the index file {name:?} is not the name of a file in a folder")
            }
            Self::NoRuntime => {
                f.write_str("open folders inside of the runtime, in a function below #[actix_web::main]")
            }
        }
    }
}

impl std::error::Error for FolderError {}

/// Opens a folder for reading: [`FolderOptions`] as they come.
///
/// # Errors
/// [`FolderError`].
pub fn open(path: impl AsRef<Path>) -> Result<Folder, FolderError> {
    FolderOptions::new().open(path)
}

/// A folder as a service of an application: `App::new().service(ifmatch::service("/assets", &folder))`, in a scope as well, or
/// `default_service(ifmatch::service("", &folder))` for all that nobody else answers.
///
/// `prefix` is that of `actix_web::Scope`: it ends where a segment ends, slashes at its ends mean nothing, and braces are patterns.
/// It may be written with percent-encoding. `""` and `"/"` are all paths: then put the application's own routes before.
///
/// # Panics
/// actix does, when it makes the application, if a pattern is malformed.
pub fn service(prefix: &str, folder: &Folder) -> MountedSite {
    MountedSite::new(Arc::clone(&folder.site), prefix)
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.site.root().path()).finish()
    }
}

impl Default for FolderOptions {
    fn default() -> Self {
        Self {
            symlinks: SymlinkPolicy::default(),
            algorithm: DigestAlgorithm::Xxh3,
            memory: MEMORY,
            watch: Watch::On,
            index_file: "index.html".to_owned(),
            dotfiles: Dotfiles::Hidden,
            listing: Listing::Shown,
            fallback: Fallback::NotFound,
            cache_control: "no-cache".to_owned(),
            writes: WriteOptions::READ_ONLY,
            trust: UploadTrust::Editors,
            hosts: Hosts::Any,
            own: OwnResources::Elsewhere,
        }
    }
}

/// How it is read.
impl FolderOptions {
    /// Only reading.
    pub fn new() -> Self {
        Self::default()
    }

    /// `Cache-Control` of every answer that has a file in it, instead of `no-cache`.
    pub fn cache_control(self, value: impl Into<String>) -> Self {
        Self { cache_control: value.into(), ..self }
    }

    /// The file that answers for its folder, instead of `index.html`.
    pub fn index_file(self, name: impl Into<String>) -> Self {
        Self { index_file: name.into(), ..self }
    }

    /// Folders without an index file are not found instead of listed.
    pub fn without_listing(self) -> Self {
        Self { listing: Listing::Off, ..self }
    }

    /// Serves names that begin with a dot.
    pub fn hidden(self) -> Self {
        Self { dotfiles: Dotfiles::Served, ..self }
    }

    /// Missing pages are answered with the index file of the folder, for applications that make their pages in the browser.
    pub fn single_page(self) -> Self {
        Self { fallback: Fallback::SinglePage, ..self }
    }

    /// Which symbolic links are followed; those that stay within the folder, if nothing else is said.
    pub fn follow_symlinks(self, which: SymlinkPolicy) -> Self {
        Self { symlinks: which, ..self }
    }

    /// Makes entity tags with BLAKE3 instead of XXH3: for uploaders who do not trust each other.
    pub fn blake3(self) -> Self {
        Self { algorithm: DigestAlgorithm::Blake3, ..self }
    }

    /// How many bytes of small files are kept in memory, instead of 64 MiB.
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// Does not listen to file events. Answers stay right; the first one after a change is slower.
    pub fn without_watcher(self) -> Self {
        Self { watch: Watch::Off, ..self }
    }

    /// Answers `__ifmatch__/health` and `__ifmatch__/metrics` below the prefix. They tell everybody who may ask there of the version,
    /// the filesystem and what was counted, and nothing of names.
    pub fn with_health(self) -> Self {
        Self { own: OwnResources::Here, ..self }
    }
}

/// How it is written.
impl FolderOptions {
    /// PUT creates and replaces files. Who may do so is for the application to say, with a middleware around the service.
    pub fn allow_uploads(mut self) -> Self {
        self.writes.uploads = Uploads::Allowed;
        self
    }

    /// Lets browsers run pages that were uploaded. Without it HTML, SVG and XML in a folder that takes uploads are saved instead of shown,
    /// and run no scripts: a page runs with the rights of whoever looks at it, and whoever may write in the folder could have
    /// written it.
    pub fn trust_uploads(self) -> Self {
        Self { trust: UploadTrust::All, ..self }
    }

    /// PUT creates files and replaces none.
    pub fn create_only(mut self) -> Self {
        self.writes.uploads = Uploads::CreateOnly;
        self
    }

    /// DELETE deletes files.
    pub fn allow_deletes(mut self) -> Self {
        self.writes.deletes = Deletes::Allowed;
        self
    }

    /// A file is only replaced or deleted for a request that names its version; 428 otherwise.
    pub fn require_preconditions(mut self) -> Self {
        self.writes.unconditional = Unconditional::Refused;
        self
    }

    /// The most bytes that an upload may have. There is no limit without it; those of actix are for its extractors.
    pub fn max_upload_size(mut self, bytes: u64) -> Self {
        self.writes.limit = Some(bytes);
        self
    }

    /// How many uploads may be under way at once, instead of 256; one at least. The others get 503. An address has no share of its own, since
    /// it may be that of a proxy: that is the business of the application.
    pub fn max_uploads(mut self, number: usize) -> Self {
        self.writes.at_once = number.clamp(1, LARGEST_MAX_UPLOADS);
        self
    }

    /// What is on disk when a write is answered; bytes and name, if nothing else is said.
    pub fn durability(mut self, what: Durability) -> Self {
        self.writes.durability = what;
        self
    }

    /// Answers under this name in `Host` only, and under the names of this machine; any other is 403. May be said several
    /// times. For applications that only their own machine reaches: a web page can have its own name lead there.
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        match &mut self.hosts {
            Hosts::Loopback(names) => names.push(name.into()),
            Hosts::Any => self.hosts = Hosts::Loopback(vec![name.into()]),
        }
        self
    }
}

impl FolderOptions {
    /// Opens the folder, for the runtime that this is called in, which must be there as long as the server. If it can be written,
    /// what an earlier process has left unfinished is finished first.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Folder, FolderError> {
        let cache_control = HeaderValue::from_str(&self.cache_control)
            .ok()
            .filter(|value| !value.is_empty())
            .ok_or(FolderError::CacheControl(self.cache_control))?;
        if ResourcePath::ROOT.child(&self.index_file, Dotfiles::Served).is_none() {
            return Err(FolderError::IndexFile(self.index_file));
        }
        tokio::runtime::Handle::try_current().map_err(|_| FolderError::NoRuntime)?;
        let root = Root::open(path.as_ref(), self.symlinks).map_err(FolderError::Root)?;
        if self.writes.allow_writes() {
            write::prepare(&root);
        }
        let store = StoreOptions { algorithm: self.algorithm, memory: self.memory, index: IndexMode::Off };
        let store = ValidatorStore::new(root, store, http::renderer());
        if !self.writes.allow_writes() || store.root().interrupted_writes() > 0 {
            write::survey(&store);
        }
        let watch = match self.watch {
            Watch::On => watch::start(Arc::clone(&store)),
            Watch::Off => Arc::new(WatchStatus::default()),
        };
        let common = Extra { cache_control, ..Extra::default() };
        let options = SiteOptions {
            index_file: self.index_file,
            dotfiles: self.dotfiles,
            listing: self.listing,
            fallback: self.fallback,
            own: self.own,
            headers: HeaderRules::new(common, Vec::new(), Fingerprints::Ignored),
            writes: self.writes,
            trust: self.trust,
            hosts: self.hosts,
            encryption: Encryption::Unknown,
            access: Arc::new(Access::open()),
            limits: Limits::DEFAULT,
        };
        Ok(Folder { site: Arc::new(Site::new(store, options, watch)) })
    }
}

//! What is decided of a site at start.

use std::sync::Arc;

use crate::access::Access;
use crate::http::policy::header_rules::HeaderRules;
use crate::http::{Encryption, Hosts, Limits, UploadTrust};
use crate::resource_path::Dotfiles;
use crate::write::WriteOptions;

/// How a folder is presented.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// The file that answers for its directory.
    pub index_file: String,
    /// Names that begin with a dot.
    pub dotfiles: Dotfiles,
    /// Whether directories without an index file are listed.
    pub listing: Listing,
    /// What answers for a missing path.
    pub fallback: Fallback,
    /// Where the server tells of itself.
    pub own: OwnResources,
    /// `Cache-Control`, and the operator's own header fields.
    pub headers: HeaderRules,
    /// What may be written, and how.
    pub writes: WriteOptions,
    /// Whose uploads may run as pages.
    pub trust: UploadTrust,
    /// Under which names the server may be asked.
    pub hosts: Hosts,
    /// Who encrypts what comes over the network.
    pub encryption: Encryption,
    /// Who may read and write what.
    pub access: Arc<Access>,
    /// How long clients may take, and how much they may ask for.
    pub limits: Limits,
}

/// Whether directories without an index file are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// As HTML, or as JSON for who asks for it.
    Shown,
    /// They are not found.
    Off,
}

/// Where health and metrics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnResources {
    /// Beside the files.
    Here,
    /// At an address of their own: [`SiteService::tell`](crate::http::SiteService::tell).
    Elsewhere,
}

/// What answers for a missing path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// 404.
    NotFound,
    /// The root's index file, for paths that look like places within a single-page application.
    SinglePage,
}

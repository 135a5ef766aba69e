//! A site for the tests of the modules below.

use std::sync::Arc;

use crate::http::policy::header_rules::HeaderRules;
use crate::http::*;
use crate::resource_path::Dotfiles;
use crate::root::{Root, SymlinkPolicy};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::index::IndexMode;
use crate::validator_store::{StoreOptions, ValidatorStore};
use crate::write::WriteOptions;

pub(super) fn site(folder: &std::path::Path) -> Site {
    let root = Root::open(folder, SymlinkPolicy::Within).unwrap();
    let store = StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Off };

    let options = SiteOptions {
        index_file: "index.html".to_owned(),
        dotfiles: Dotfiles::Hidden,
        listing: Listing::Shown,
        fallback: Fallback::NotFound,
        own: OwnResources::Here,
        headers: HeaderRules::default(),
        writes: WriteOptions::READ_ONLY,
        trust: UploadTrust::Editors,
        hosts: Hosts::Any,
        encryption: Encryption::Unknown,
        access: Arc::new(crate::access::Access::open()),
        limits: Limits::DEFAULT,
    };
    Site::new(ValidatorStore::new(root, store, renderer()), options, Arc::default())
}

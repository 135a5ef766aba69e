//! A site for the tests of the modules below.

use super::rules::HeaderRules;
use super::*;
use crate::root::{Root, SymlinkPolicy};
use crate::validator_store::StoreOptions;
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::index::IndexMode;

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

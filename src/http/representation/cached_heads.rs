//! What the server keeps beside an entry of the store, so that a hit renders nothing: the fields that
//! the site adds, and the heads of its responses.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use crate::http::policy::header_rules::Extra;

/// The heads of the responses from one entry, without `Date`.
#[derive(Clone, Debug)]
pub(in crate::http) struct Heads {
    /// Of a 200.
    pub(in crate::http) whole: Box<[u8]>,
    /// Of a 304.
    pub(in crate::http) not_modified: Box<[u8]>,
}

/// The site's fields for an entry, and its heads. Made at first use, and again when the site has other options.
#[derive(Debug)]
pub(in crate::http) struct CachedHeads {
    edition: u64,
    pub(in crate::http) extra: Arc<Extra>,
    pub(in crate::http) heads: OnceLock<Heads>,
}

/// The place beside an entry for its [`CachedHeads`].
#[derive(Debug, Default)]
pub(in crate::http) struct HeadSlot(ArcSwapOption<CachedHeads>);

impl HeadSlot {
    /// Returns what was cached for this edition of the site's options. If there is nothing, `make` makes it.
    pub(in crate::http) fn get(&self, edition: u64, make: impl FnOnce() -> Arc<Extra>) -> Arc<CachedHeads> {
        let kept = self.0.load();
        match kept.as_ref() {
            Some(kept) if kept.edition == edition => Arc::clone(kept),
            _ => {
                let kept = Arc::new(CachedHeads { edition, extra: make(), heads: OnceLock::new() });
                self.0.store(Some(Arc::clone(&kept)));
                kept
            }
        }
    }
}

impl Clone for HeadSlot {
    /// Returns an empty slot: the copy describes another response.
    fn clone(&self) -> Self {
        Self::default()
    }
}

//! Hits, evictions and shared readings.

use std::fs;
use std::future::Future;

use super::*;
use crate::resource_path::Dotfiles;
use crate::root::SymlinkPolicy;

pub(super) type TestStore = Arc<ValidatorStore<()>>;

/// Runs `test` with a store over a fresh folder that holds `name` with `bytes`.
pub(super) fn with_store<F: Future<Output = ()>>(
    name: &str,
    bytes: &[u8],
    test: impl FnOnce(TestStore, std::path::PathBuf) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Off };
        let store = ValidatorStore::new(root, options, Box::new(|_, _, _| ()));
        test(store, folder.path().join(name)).await;
    });
}

pub(super) fn path(name: &str) -> ResourcePath<'static> {
    ResourcePath::ROOT.child(name, Dotfiles::Hidden).unwrap()
}

async fn tag(store: &TestStore, name: &str) -> String {
    match store.current(&path(name), Patience::Full).await {
        Ok(Found::Hashed(entry)) => entry.validators().entity_tag.as_ref().unwrap().to_string(),
        Ok(_) => "not hashed".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn an_entry_hits_until_the_file_changes() {
    with_store("file", b"one", |store, file| async move {
        assert!(store.hit("file").is_none(), "nothing is known before somebody asks");
        let one = tag(&store, "file").await;
        assert!(store.hit("file").is_some());
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, b"two").unwrap();
        fs::File::options().append(true).open(&file).unwrap().set_modified(modified).unwrap();
        assert!(store.hit("file").is_none(), "same size and mtime, and yet it changed");
        assert_ne!(tag(&store, "file").await, one);
        fs::write(&file, b"one").unwrap();
        assert_eq!(tag(&store, "file").await, one);
        fs::remove_file(&file).unwrap();
        assert!(store.hit("file").is_none());
        assert_eq!(tag(&store, "file").await, "Missing");
    });
}

#[test]
fn an_evicted_entry_is_read_again_although_its_stamp_is_the_same() {
    with_store("file", b"one", |store, _| async move {
        let ways: [fn(&TestStore); 2] = [
            |store: &TestStore| store.evict("file"),
            |store: &TestStore| store.evict_below(&HashSet::from([String::new()])),
        ];
        for evict in ways {
            tag(&store, "file").await;
            assert!(store.hit("file").is_some());
            evict(&store);
            assert!(store.hit("file").is_none());
        }
        tag(&store, "file").await;
        store.evict_below(&HashSet::from(["file".to_owned(), "fil".to_owned()]));
        store.evict("other");
        assert!(store.hit("file").is_some(), "only what is named is evicted");
        assert_eq!(store.evictions(), 2);
    });
}

#[test]
fn everybody_who_asks_at_once_shares_one_reading() {
    with_store("large", &vec![7; 8 << 20], |store, _| async move {
        let flight = store.join_flight(&path("large"), 8 << 20);
        for _ in 0..1000 {
            assert!(Arc::ptr_eq(&flight, &store.join_flight(&path("large"), 8 << 20)));
        }
        assert!(matches!(flight.landed().await, Outcome::Hashed(_)));
        assert!(store.hit("large").is_some());
    });
}

#[test]
fn a_reading_that_an_event_overtook_is_not_kept() {
    with_store("large", &vec![7; 8 << 20], |store, _| async move {
        let flight = store.join_flight(&path("large"), 8 << 20);
        store.evict("large");
        assert!(matches!(flight.landed().await, Outcome::Hashed(_)));
        assert!(store.hit("large").is_none());
    });
}

#[test]
fn a_file_kept_open_for_writing_is_served_under_its_own_digest_and_not_kept() {
    with_store("small", b"bytes", |store, file| async move {
        let writer = fs::File::options().append(true).open(&file).unwrap();
        let busy = tag(&store, "small").await;
        assert!(store.hit("small").is_none());
        drop(writer);
        assert_eq!(tag(&store, "small").await, busy);
        assert!(store.hit("small").is_some());
    });
}

#[test]
fn a_large_file_kept_open_for_writing_has_no_digest() {
    with_store("large", &vec![7; 2 << 20], |store, file| async move {
        let _writer = fs::File::options().append(true).open(&file).unwrap();
        assert_eq!(tag(&store, "large").await, "not hashed");
    });
}

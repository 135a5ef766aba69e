//! Digests that are asked for by name: computed once, and only of the bytes that the entry stands for.

use std::fs;
use std::time::{Duration, Instant};

use super::*;
use crate::root::Locality;
use crate::semantics::integrity::IntegrityAlgorithm::{Sha256, Sha512};
use crate::validator_store::digest::{Digest, DigestAlgorithm};
use crate::validator_store::entry::{Certainty, Read};
use crate::validator_store::settle::{Proof, Reading};
use crate::validator_store::tests::{TestStore, path, with_store};
use crate::validator_store::text::Text;
use crate::validator_store::{Found, Patience};

const LARGE: usize = 8 << 20;

async fn entry(store: &TestStore, name: &str) -> Arc<Entry<()>> {
    match store.current(&path(name), Patience::Full).await {
        Ok(Found::Hashed(entry)) => entry,
        _ => panic!("no entry of {name}"),
    }
}

#[test]
fn a_digest_is_computed_once_for_each_algorithm() {
    for size in [0, 5, LARGE] {
        let bytes = vec![7; size];
        with_store("file", &bytes.clone(), |store, _| async move {
            let entry = entry(&store, "file").await;
            let first = store.join_computation(&entry, Sha256);
            assert!(first.same_channel(&store.join_computation(&entry, Sha256)), "while it is computed");
            assert!(!first.same_channel(&store.join_computation(&entry, Sha512)));
            for algorithm in [Sha256, Sha512] {
                let digest = store.integrity_digest(&entry, algorithm).await;
                assert_eq!(digest, Ok(Some(integrity_digest_of(algorithm, &bytes))), "{size} bytes");
            }
            assert!(first.same_channel(&store.join_computation(&entry, Sha256)), "when it is known");
        });
    }
}

#[test]
fn a_client_who_leaves_does_not_stop_the_computation() {
    with_store("large", &[7; LARGE], |store, _| async move {
        let entry = entry(&store, "large").await;
        let asking = store.integrity_digest(&entry, Sha256);
        assert!(tokio::time::timeout(Duration::ZERO, asking).await.is_err(), "it takes longer");
        let mut begun = store.join_computation(&entry, Sha256);
        assert!(begun.wait_for(Option::is_some).await.is_ok());
        assert!(begun.same_channel(&store.join_computation(&entry, Sha256)));
    });
}

#[test]
fn a_large_file_that_changed_has_no_digest_and_none_is_kept() {
    with_store("large", &[7; LARGE], |store, file| async move {
        let entry = entry(&store, "large").await;
        fs::write(&file, vec![8; LARGE]).unwrap();
        let before = store.join_computation(&entry, Sha256);
        assert_eq!(store.integrity_digest(&entry, Sha256).await, Ok(None));
        assert!(!before.same_channel(&store.join_computation(&entry, Sha256)));
        fs::remove_file(&file).unwrap();
        assert_eq!(store.integrity_digest(&entry, Sha512).await, Err(OpenError::Missing));
    });
}

#[test]
fn the_digest_of_a_small_entry_is_that_of_the_bytes_that_are_sent() {
    with_store("small", b"bytes", |store, file| async move {
        let entry = entry(&store, "small").await;
        fs::write(&file, b"other").unwrap();
        let digest = integrity_digest_of(Sha256, b"bytes");
        assert_eq!(store.integrity_digest(&entry, Sha256).await, Ok(Some(digest)));
    });
}

#[test]
fn bytes_that_changed_without_moving_the_stamp_are_looked_up_again() {
    with_store("large", &[7; LARGE], |store, _| async move {
        let file = store.root().open_file(&path("large")).unwrap();
        let reading = Reading {
            stamp: file.stamp(),
            digest: Digest::of(DigestAlgorithm::Xxh3, b"what the file held before"),
            body: None,
            text: Text::Other,
            filesystem: store.root().filesystem(&path("large"), &file),
            proof: Proof::Lease,
        };
        assert_eq!(reading.filesystem.locality, Locality::Local);
        let location = store.root().locate(&path("large")).unwrap();
        let (certainty, began) = (Certainty::Certain, Instant::now());
        let read = Read {
            path: path("large"),
            location,
            reading,
            certainty,
            began,
            mounts: crate::root::MountMark::default(),
        };
        let entry = Arc::new(Entry::new(read, &super::super::dates::Dates::default(), &|_, _, _| ()));
        assert_eq!(store.integrity_digest(&entry, Sha256).await, Ok(None));
        assert!(entry.is_evicted());
    });
}

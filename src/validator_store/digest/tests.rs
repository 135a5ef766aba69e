//! Tags that must never change.

use super::*;

const ALGORITHMS: [DigestAlgorithm; 2] = [DigestAlgorithm::Xxh3, DigestAlgorithm::Blake3];

#[test]
fn tags_are_pinned_for_every_machine_and_release() {
    let tag = |algorithm, bytes: &[u8]| Digest::of(algorithm, bytes).entity_tag().to_string();
    assert_eq!(tag(DigestAlgorithm::Xxh3, b""), "\"maoG0wFHmNhgAcMkRo1Jfw\"");
    assert_eq!(tag(DigestAlgorithm::Blake3, b""), "\"rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI\"");
}

#[test]
fn pieces_hash_like_the_whole() {
    let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 31) as u8).collect();
    for algorithm in ALGORITHMS {
        let mut hasher = Hasher::new(algorithm);
        bytes.chunks(777).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), Digest::of(algorithm, &bytes), "{algorithm:?}");
    }
}

//! Tags that must never change.

use super::*;
use crate::semantics::integrity::IntegrityField;

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

/// What a request expects that promises the body's digest in these fields.
fn expected(content_digest: &str, content_md5: &str) -> ExpectedDigests {
    let expected = ExpectedDigests::parse(|field| {
        let line = match field {
            IntegrityField::ContentDigest => content_digest,
            IntegrityField::ReprDigest => "",
            IntegrityField::ContentMd5 => content_md5,
        };
        (!line.is_empty()).then_some(line.as_bytes())
    });
    expected.expect("fields that can be read")
}

/// The digests of `abc` that FIPS 180-4 and RFC 1321 publish, in base64.
const ABC_SHA_256: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
const ABC_SHA_512: &str =
    "sha-512=:3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==:";
const ABC_MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";

#[test]
fn every_function_agrees_with_its_published_digest() {
    for (content_digest, content_md5, functions) in [
        ("", "", 0),
        (ABC_SHA_256, "", 1),
        (ABC_SHA_512, "", 1),
        ("", ABC_MD5, 1),
        (&format!("{ABC_SHA_256}, {ABC_SHA_512}"), ABC_MD5, 3),
    ] {
        let expected = expected(content_digest, content_md5);
        let mut hasher = IntegrityHasher::new(&expected);
        [b"a", b"b", b"c"].iter().for_each(|piece| hasher.update(*piece));
        let computed = hasher.finish();
        assert_eq!(computed.len(), functions);
        assert_eq!(expected.check(&computed), Ok(()));
    }
}

#[test]
fn a_function_that_two_fields_name_is_computed_once() {
    let expected = ExpectedDigests::parse(|field| {
        (field != IntegrityField::ContentMd5).then_some(ABC_SHA_256.as_bytes())
    });
    let expected = expected.expect("two fields");
    assert_eq!((expected.iter().count(), IntegrityHasher::new(&expected).finish().len()), (2, 1));
}

#[test]
fn other_bytes_break_the_promise() {
    for (content_digest, content_md5) in [(ABC_SHA_256, ""), (ABC_SHA_512, ""), ("", ABC_MD5)] {
        let expected = expected(content_digest, content_md5);
        let mut hasher = IntegrityHasher::new(&expected);
        hasher.update(b"abd");
        assert!(expected.check(&hasher.finish()).is_err(), "{content_digest}{content_md5}");
    }
}

//! Tests of the fields that carry digests.

use proptest::prelude::*;

use super::*;
use crate::semantics::assert_rows;

/// The SHA-256 and the SHA-512 of `{"hello": "world"}` and a line feed: the examples of RFC 9530, B.1 and B.2.
const SHA_256: &str = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=";
const SHA_512: &str =
    "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==";

fn bytes_of(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).expect("base64")
}

fn sha_256() -> IntegrityDigest {
    IntegrityDigest::Sha256(bytes_of(SHA_256).try_into().expect("32 bytes"))
}

fn sha_512() -> IntegrityDigest {
    IntegrityDigest::Sha512(bytes_of(SHA_512).try_into().expect("64 bytes"))
}

fn zeros() -> IntegrityDigest {
    IntegrityDigest::Sha256([0; 32])
}

/// The byte sequence of 32 zero bytes.
const ZEROS: &str = ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";

/// A row of a table: its name, the lines of the field, and what they mean.
type Row<L, T> = (&'static str, L, Option<T>);

/// What a request with these lines expects; the same lines for every field that `fields` names.
fn parse(fields: &[IntegrityField], lines: &[String]) -> Result<ExpectedDigests, MalformedIntegrity> {
    ExpectedDigests::parse(|field| {
        let lines = if fields.contains(&field) { lines } else { &[] };
        lines.iter().map(String::as_bytes)
    })
}

#[test]
fn dictionaries_of_digests_are_read_whole_or_not_at_all() {
    let both = vec![sha_256(), sha_512()];
    let rows: Vec<Row<Vec<String>, Vec<IntegrityDigest>>> = vec![
        ("no line", vec![], Some(vec![])),
        ("an empty line", vec!["".into()], Some(vec![])),
        ("sha-256", vec![format!("sha-256=:{SHA_256}:")], Some(vec![sha_256()])),
        ("sha-512", vec![format!("sha-512=:{SHA_512}:")], Some(vec![sha_512()])),
        ("both", vec![format!("sha-512=:{SHA_512}:, sha-256=:{SHA_256}:")], Some(both.clone())),
        (
            "both on two lines",
            vec![format!("sha-256=:{SHA_256}:"), format!("sha-512=:{SHA_512}:")],
            Some(both),
        ),
        ("whitespace around", vec![format!(" \tsha-256=:{SHA_256}:\t ")], Some(vec![sha_256()])),
        ("a parameter", vec![format!("sha-256=:{SHA_256}:;q=1")], Some(vec![sha_256()])),
        (
            "the last of two counts",
            vec![format!("sha-256={ZEROS}, sha-256=:{SHA_256}:")],
            Some(vec![sha_256()]),
        ),
        (
            "the last of two lines",
            vec![format!("sha-256=:{SHA_256}:"), format!("sha-256={ZEROS}")],
            Some(vec![zeros()]),
        ),
        ("an unknown algorithm", vec!["md5=:AAAA:".into()], Some(vec![])),
        ("an unknown one of any type", vec!["a=(1 \"x\");b, c, d=?0, e=t".into()], Some(vec![])),
        ("an unknown one beside", vec![format!("x=1, sha-256=:{SHA_256}:, y")], Some(vec![sha_256()])),
        (
            "padding left out",
            vec![format!("sha-256=:{}:", SHA_256.trim_end_matches('='))],
            Some(vec![sha_256()]),
        ),
        ("31 bytes", vec!["sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==:".into()], None),
        ("33 bytes", vec!["sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:".into()], None),
        ("no bytes", vec!["sha-256=::".into()], None),
        ("the digest of the other", vec![format!("sha-256=:{SHA_512}:")], None),
        ("a string", vec![format!("sha-256=\"{SHA_256}\"")], None),
        ("without colons", vec![format!("sha-256={SHA_256}")], None),
        ("a boolean", vec!["sha-256".into()], None),
        ("an integer", vec!["sha-256=1".into()], None),
        ("an inner list", vec![format!("sha-256=(:{SHA_256}:)")], None),
        ("not closed", vec![format!("sha-256=:{SHA_256}")], None),
        ("no base64", vec!["sha-256=:????:".into()], None),
        ("base64url", vec![format!("sha-256=:{}:", SHA_256.replace('/', "_"))], None),
        ("the key in capitals", vec![format!("SHA-256=:{SHA_256}:")], None),
        ("a trailing comma", vec![format!("sha-256=:{SHA_256}:,")], None),
        ("garbage behind", vec![format!("sha-256=:{SHA_256}: x")], None),
        ("garbage in the second line", vec![format!("sha-256=:{SHA_256}:"), "=".into()], None),
        ("the syntax of RFC 3230", vec![format!("SHA-256={SHA_256}")], None),
    ];
    for field in [IntegrityField::ContentDigest, IntegrityField::ReprDigest] {
        assert_rows(rows.iter().map(|(name, lines, expected)| {
            let expected = expected.clone().ok_or(MalformedIntegrity(field));
            let found = parse(&[field], lines);
            let found =
                found.map(|found| found.iter().map(|(of, digest)| (of == field).then_some(digest)).collect());
            (name, found, expected.map(|digests| digests.into_iter().map(Some).collect::<Vec<_>>()))
        }));
    }
}

#[test]
fn content_md5_is_one_base64_of_16_bytes() {
    let digest = IntegrityDigest::Md5(bytes_of("Q2hlY2sgSW50ZWdyaXR5IQ==").try_into().expect("16 bytes"));
    let rows: &[Row<&[&str], Vec<IntegrityDigest>>] = &[
        ("no line", &[], Some(vec![])),
        ("the example of RFC 1864", &["Q2hlY2sgSW50ZWdyaXR5IQ=="], Some(vec![digest])),
        ("whitespace around", &[" \tQ2hlY2sgSW50ZWdyaXR5IQ== "], Some(vec![digest])),
        ("empty", &[""], None),
        ("15 bytes", &["AAAAAAAAAAAAAAAAAAAA"], None),
        ("17 bytes", &["AAAAAAAAAAAAAAAAAAAAAAA="], None),
        ("without padding", &["Q2hlY2sgSW50ZWdyaXR5IQ"], None),
        ("in hexadecimal", &["436865636b20496e7465677269747921"], None),
        ("in colons", &[":Q2hlY2sgSW50ZWdyaXR5IQ==:"], None),
        ("two lines", &["Q2hlY2sgSW50ZWdyaXR5IQ==", "Q2hlY2sgSW50ZWdyaXR5IQ=="], None),
        ("two values", &["Q2hlY2sgSW50ZWdyaXR5IQ==, Q2hlY2sgSW50ZWdyaXR5IQ=="], None),
    ];
    assert_rows(rows.iter().map(|(name, lines, expected)| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let found = parse(&[IntegrityField::ContentMd5], &lines);
        let found = found.map(|found| found.iter().map(|(_, digest)| digest).collect());
        (name, found, expected.clone().ok_or(MalformedIntegrity(IntegrityField::ContentMd5)))
    }));
}

#[test]
fn the_promise_that_does_not_hold_is_named() {
    use IntegrityField::{ContentDigest, ReprDigest};
    let lines = [format!("sha-256=:{SHA_256}:, sha-512=:{SHA_512}:")];
    let expected = parse(&[ContentDigest, ReprDigest], &lines).expect("two fields");
    assert_eq!(expected.iter().count(), 4);
    assert_eq!(expected.check(&[sha_512(), sha_256()]), Ok(()));
    assert_eq!(
        expected.check(&[zeros(), sha_512()]),
        Err(Box::new(IntegrityMismatch {
            field: ContentDigest,
            expected: sha_256(),
            computed: Some(zeros())
        }))
    );
    assert_eq!(
        expected.check(&[sha_256()]),
        Err(Box::new(IntegrityMismatch { field: ContentDigest, expected: sha_512(), computed: None }))
    );
    assert_eq!(ExpectedDigests::default().check(&[]), Ok(()));
    assert!(ExpectedDigests::default().is_empty() && !expected.is_empty());
}

#[test]
fn fields_that_contradict_each_other_cannot_both_hold() {
    let expected = ExpectedDigests::parse(|field| match field {
        IntegrityField::ContentDigest => {
            vec![b"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:".as_slice()]
        }
        IntegrityField::ReprDigest => {
            vec![b"sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:".as_slice()]
        }
        IntegrityField::ContentMd5 => vec![],
    });
    let expected = expected.expect("two digests");
    for (computed, failed) in
        [(sha_256(), IntegrityField::ReprDigest), (zeros(), IntegrityField::ContentDigest)]
    {
        assert_eq!(expected.check(&[computed]).map_err(|mismatch| mismatch.field), Err(failed));
    }
}

#[test]
fn a_mismatch_tells_both_digests_in_the_words_of_the_field() {
    let mismatch = IntegrityMismatch {
        field: IntegrityField::ContentDigest,
        expected: zeros(),
        computed: Some(sha_256()),
    };
    assert_eq!(
        mismatch.to_string(),
        format!("Content-Digest: the body's sha-256 is :{SHA_256}:, the field says {ZEROS}")
    );
    let (expected, computed) = (IntegrityDigest::Md5([0; 16]), Some(IntegrityDigest::Md5([0xFF; 16])));
    let mismatch = IntegrityMismatch { field: IntegrityField::ContentMd5, expected, computed };
    assert_eq!(
        mismatch.to_string(),
        "Content-MD5: the body's md5 is /////////////////////w==, the field says AAAAAAAAAAAAAAAAAAAAAA=="
    );
}

#[test]
fn what_is_wanted_most_is_chosen() {
    use IntegrityAlgorithm::{Sha256, Sha512};
    let rows: &[Row<&[&[u8]], IntegrityAlgorithm>] = &[
        ("no line", &[], None),
        ("sha-256", &[b"sha-256=10"], Some(Sha256)),
        ("sha-512", &[b"sha-512=1"], Some(Sha512)),
        ("the higher one", &[b"sha-256=3, sha-512=4"], Some(Sha512)),
        ("the higher one, first", &[b"sha-512=10, sha-256=9"], Some(Sha512)),
        ("a tie", &[b"sha-512=5, sha-256=5"], Some(Sha256)),
        ("not wanted", &[b"sha-256=0"], None),
        ("one of them not wanted", &[b"sha-256=0, sha-512=1"], Some(Sha512)),
        ("two lines", &[b"sha-256=1", b"sha-512=2"], Some(Sha512)),
        ("the last of two counts", &[b"sha-256=5, sha-256=0"], None),
        ("an unknown algorithm", &[b"unixsum=10, sha-256=1"], Some(Sha256)),
        ("an unknown algorithm of any type", &[b"a, b=(1), sha-256=1"], Some(Sha256)),
        ("only unknown algorithms", &[b"md5=10"], None),
        ("a parameter", &[b"sha-256=1;x=2"], Some(Sha256)),
        ("11", &[b"sha-256=11"], None),
        ("negative", &[b"sha-256=-1"], None),
        ("beside one that is out of range", &[b"sha-256=1, sha-512=11"], None),
        ("a decimal", &[b"sha-256=1.0"], None),
        ("a boolean", &[b"sha-256"], None),
        ("a string", &[b"sha-256=\"1\""], None),
        ("an inner list", &[b"sha-256=(1)"], None),
        ("a list as in Accept", &[b"sha-256;q=1"], None),
        ("a trailing comma", &[b"sha-256=1,"], None),
        ("bytes that are not text", &[b"sha-256=1, \xFF=1"], None),
        ("a malformed second line", &[b"sha-256=1", b"="], None),
    ];
    let wanted = |lines: &[&'static [u8]]| IntegrityAlgorithm::wanted(lines.iter().copied());
    assert_rows(rows.iter().map(|(name, lines, expected)| (name, wanted(lines), *expected)));
}

#[test]
fn a_rendered_digest_is_that_of_the_examples() {
    assert_eq!(sha_256().repr_digest(), format!("sha-256=:{SHA_256}:"));
    assert_eq!(sha_512().repr_digest(), format!("sha-512=:{SHA_512}:"));
}

proptest! {
    #[test]
    fn what_is_rendered_reads_back(bytes in any::<[u8; 32]>()) {
        let digest = IntegrityDigest::Sha256(bytes);
        let expected = parse(&[IntegrityField::ReprDigest], &[digest.repr_digest()]).expect("a rendered field");
        prop_assert_eq!(expected.iter().collect::<Vec<_>>(), [(IntegrityField::ReprDigest, digest)]);
        prop_assert_eq!(expected.check(&[digest]), Ok(()));
    }

    #[test]
    fn no_line_is_too_strange(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..3)) {
        let lines = || lines.iter().map(Vec::as_slice);
        let _ = ExpectedDigests::parse(|_| lines());
        let _ = IntegrityAlgorithm::wanted(lines());
    }
}

//! Contents of files, and the entity tags they must have. The tag is computed here a second time, by our own base64url
//! from the hash in its canonical (big-endian) form, so that the tests do not ask the program what is right.

/// The strong entity tag of these bytes: XXH3-128 in base64url without padding.
pub(crate) fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", base64url(&xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes()))
}

/// The entity tag under `--etag-hash blake3`.
pub(crate) fn blake3_tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", base64url(blake3::hash(bytes).as_bytes()))
}

/// The `Repr-Digest` of these bytes by `sha-256` or `sha-512` (RFC 9530, 3).
pub(crate) fn repr_digest_of(algorithm: &str, bytes: &[u8]) -> String {
    use sha2::Digest;
    let digest = match algorithm {
        "sha-256" => sha2::Sha256::digest(bytes).to_vec(),
        "sha-512" => sha2::Sha512::digest(bytes).to_vec(),
        _ => panic!("no algorithm {algorithm}"),
    };
    let text = base64url(&digest).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    format!("{algorithm}=:{text}{padding}:")
}

/// Bytes that belong to this version and no other: every word depends on the version, the size and its place. Any
/// mixture of two versions, and any part of one, is told by [`version_of`].
pub(crate) fn version_bytes(version: u64, size: usize) -> Vec<u8> {
    let seed =
        (version ^ (size as u64).rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    bytes.extend_from_slice(&version.to_le_bytes());
    let mut word = seed;
    while bytes.len() < size {
        word = word.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(seed);
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// The version these bytes are, whole and unmixed; `None` when they are no version's bytes.
pub(crate) fn version_of(bytes: &[u8]) -> Option<u64> {
    let version = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    (version_bytes(version, bytes.len()) == bytes).then_some(version)
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

#[test]
fn base64url_agrees_with_the_vectors_of_rfc_4648() {
    for (bytes, text) in
        [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
    {
        assert_eq!(base64url(bytes.as_bytes()), text);
    }
    assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
}

#[test]
fn the_expected_tag_agrees_with_the_published_hash_of_nothing() {
    // XXH3_128bits of the empty input with seed 0 is 99aa06d3014798d86001c324468d497f.
    assert_eq!(tag_of(b""), "\"maoG0wFHmNhgAcMkRo1Jfw\"");
}

#[test]
fn the_expected_digest_agrees_with_the_example_of_rfc_9530() {
    // B.1 and B.2: the representation ends in a line feed.
    assert_eq!(
        repr_digest_of("sha-256", b"{\"hello\": \"world\"}\n"),
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    );
    assert!(repr_digest_of("sha-512", b"{\"hello\": \"world\"}\n").starts_with("sha-512=:YMAam51Jz/jOATT6/"));
}

#[test]
fn a_mixture_of_versions_is_no_version() {
    let one = version_bytes(1, 4096);
    let two = version_bytes(2, 4096);
    assert_eq!(version_of(&one), Some(1));
    let mixed = [&one[..2048], &two[2048..]].concat();
    assert_eq!(version_of(&mixed), None);
    assert_eq!(version_of(&[&one[..4088], &two[4088..]].concat()), None);
    assert_eq!(version_of(&one[..4000]), None);
    assert_eq!(version_of(&[one.as_slice(), &one].concat()), None);
    assert_eq!(version_of(&[0; 4096]), None);
}

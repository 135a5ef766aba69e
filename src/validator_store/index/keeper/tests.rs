//! The name under which an index is saved.

use super::*;

#[test]
fn each_root_and_each_hash_has_a_file_of_its_own() {
    let name = |root: &str, algorithm| file_name(Path::new(root), algorithm);
    let one = name("/srv/one", DigestAlgorithm::Xxh3);
    assert!(one.ends_with(".xxh3.index") && !one.contains("srv"), "{one}");
    assert_eq!(one, name("/srv/one", DigestAlgorithm::Xxh3));
    assert_ne!(one, name("/srv/two", DigestAlgorithm::Xxh3));
    assert_ne!(one, name("/srv/one", DigestAlgorithm::Blake3));
}

//! What is read from `Authorization`.

use super::*;

#[test]
fn credentials_are_read_or_refused() {
    for (value, wanted) in [
        ("Basic YTpi", Some(Credentials::Password("a", b"b"))),
        ("basic YTpi", Some(Credentials::Password("a", b"b"))),
        ("BASIC  YTpiOmM=", Some(Credentials::Password("a", b"b:c"))),
        ("Basic YTo=", Some(Credentials::Password("a", b""))),
        ("Basic Og==", Some(Credentials::Password("", b""))),
        ("Basic YQ==", None),
        ("Basic YTpi!", None),
        ("Basic", None),
        ("Basic ", None),
        ("Basic /zpi", None),
        ("Bearer abc", Some(Credentials::Token(b"abc"))),
        ("Bearer ", None),
        ("Digest a=b", None),
        ("YTpi", None),
    ] {
        let value = HeaderValue::from_static(value);
        let mut space = Vec::new();
        assert_eq!(credentials(&value, &mut space), wanted, "{value:?}");
    }
}

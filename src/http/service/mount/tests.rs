//! Prefixes as actix compares them.

use super::*;

#[test]
fn a_prefix_is_what_actix_makes_of_the_paths_below_it() {
    for (prefix, expected) in [
        ("", ""),
        ("/", ""),
        ("//", ""),
        ("assets", "/assets"),
        ("/assets/", "/assets"),
        ("/a b", "/a b"),
        ("/a%20b", "/a b"),
        ("/é", "/é"),
        ("/%C3%A9", "/é"),
        ("/100%25", "/100%25"),
        ("/100%", "/100%"),
        ("/a%2Fb", "/a%2Fb"),
        ("/c++", "/c++"),
        ("/a\\b", "/a\\b"),
        ("/{id}", "/{id}"),
        ("/{id:[^/]+}", "/{id:[^/]+}"),
    ] {
        assert_eq!(pattern(prefix), expected, "{prefix:?}");
    }
}

//! Which paths a pattern is about.

use proptest::prelude::*;

use super::*;
use crate::resource_path::Dotfiles;

fn matches(pattern: &str, path: &str) -> bool {
    let path = match path {
        "" => ResourcePath::ROOT,
        _ => ResourcePath::from_names(path, Dotfiles::Served).unwrap(),
    };
    PathPattern::parse(pattern).unwrap().matches(&path)
}

#[test]
fn a_pattern_is_about_a_name_or_a_whole_path() {
    let cases = [
        ("*.html", "index.html", true),
        ("*.html", "a/b/index.html", true),
        ("*.html", "index.htm", false),
        ("/*.html", "index.html", true),
        ("/*.html", "a/index.html", false),
        ("docs/*.pdf", "docs/a.pdf", true),
        ("docs/*.pdf", "docs/sub/a.pdf", false),
        ("docs/*.pdf", "old/docs/a.pdf", false),
        ("/docs/**", "docs/a", true),
        ("/docs/**", "docs/a/b", true),
        ("/docs/**", "docs", true),
        ("/docs/", "docs", true),
        ("/docs/", "docs/a/b", true),
        ("/docs/**", "documents/a", false),
        ("/docs/**", "a/docs/b", false),
        ("**/docs/**", "a/docs/b", true),
        ("**", "", true),
        ("**", "a/b", true),
        ("/", "", true),
        ("/", "a/b", true),
        ("/**", "", true),
        ("*.{js,css}", "a/x.css", true),
        ("*.{js,css}", "a/x.csv", false),
        ("[ab].txt", "b.txt", true),
        ("?.txt", "ab.txt", false),
        ("*", "a/b", true),
        ("/100%/**", "100%/a", true),
        ("my [%]20.txt", "my %20.txt", true),
        ("my file.txt", "a/my file.txt", true),
        ("/größe/**", "größe/a", true),
        ("gr{ö,oe}ße.txt", "größe.txt", true),
        ("gr*ße.txt", "größe.txt", true),
        ("*.", "a.", true),
        ("a.", "b/a.", true),
    ];
    for (pattern, path, expected) in cases {
        assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn what_is_no_pattern_is_an_error_that_repeats_it() {
    for text in [
        "",
        "a[",
        "{a,b",
        "./a",
        "../a",
        "/a/../b",
        "//a",
        "gr[öo]ße",
        "/a//b",
        "/a//",
        "/my%20files/**",
        "/__ifmatch__/**",
        ".~ifmatch.*",
    ] {
        let error = PathPattern::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{text:?} is not a pattern")), "{error}");
    }
}

proptest! {
    /// Asked together, patterns say what each of them says of the path and of every folder above it.
    #[test]
    fn patterns_that_are_asked_together_say_what_each_of_them_says(
        patterns in proptest::collection::vec("/?(\\*\\*/)?[ab*?]{1,3}(/(\\*\\*|[ab*.]{1,2}|\\{a,b/a\\}|[\\[]ab[\\]])){0,2}/?", 0..6),
        path in "[ab.]{1,3}(/[ab.]{1,3}){0,5}",
    ) {
        let patterns: Vec<PathPattern> =
            patterns.iter().filter_map(|text| PathPattern::parse(text).ok()).collect();
        if let Some(path) = ResourcePath::from_names(&path, Dotfiles::Served) {
            let folders: Vec<ResourcePath<'_>> =
                path.as_str().match_indices('/').map(|(end, _)| path.ancestor(end)).collect();
            let each = patterns.iter().map(|pattern| match () {
                () if pattern.matches(&path) => Match::Path,
                () if folders.iter().any(|folder| pattern.matches(folder)) => Match::Above,
                () => Match::No,
            });
            prop_assert_eq!(PathPatterns::new(&patterns).of(&path), each.collect::<Vec<_>>());
        }
    }
}

#[test]
fn patterns_that_are_too_much_for_one_matcher_are_still_all_asked() {
    let texts = (0..2).map(|at| format!("/{}{at}", "[acegikmoqsuwyACEGIKMOQSUWY02468]".repeat(10_000)));
    let mut patterns: Vec<PathPattern> = texts.map(|text| PathPattern::parse(&text).unwrap()).collect();
    patterns.push(PathPattern::parse("/last/**").unwrap());
    let together = PathPatterns::new(&patterns);
    assert!(together.matchers.len() > 1);
    let path = ResourcePath::from_names("last/a", Dotfiles::Served).unwrap();
    let expected = [vec![Match::No; 2], vec![Match::Path]].concat();
    assert_eq!(together.of(&path), expected);
}

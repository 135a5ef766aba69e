//! Request targets, good and bad.

use proptest::prelude::*;

use super::*;

fn parse(target: &str) -> Result<(String, Form), PathError> {
    ResourcePath::parse(target, Dotfiles::Hidden).map(|it| (it.path.as_str().to_owned(), it.form))
}

#[test]
fn targets_become_relative_decoded_paths() {
    for (target, path, form) in [
        ("/", "", Form::Slash),
        ("//", "", Form::Slash),
        ("/a", "a", Form::Plain),
        ("/a/", "a", Form::Slash),
        ("/a/b.txt", "a/b.txt", Form::Plain),
        ("//a///b", "a/b", Form::Plain),
        ("/a%20b+c", "a b+c", Form::Plain),
        ("/%C3%A4.txt", "ä.txt", Form::Plain),
        ("/100%", "100%", Form::Plain),
        ("/%252e%252e/x", "%2e%2e/x", Form::Plain),
        ("/.well-known/acme", ".well-known/acme", Form::Plain),
        ("/__ifmatch__s/x", "__ifmatch__s/x", Form::Plain),
        ("/a/__ifmatch__", "a/__ifmatch__", Form::Plain),
        ("/a..b/c...", "a..b/c...", Form::Plain),
    ] {
        assert_eq!(parse(target), Ok((path.to_owned(), form)), "{target}");
    }
}

#[test]
fn dot_segments_are_removed_after_slashes_are_merged() {
    for (target, path, form) in [
        ("/.", "", Form::Slash),
        ("/./", "", Form::Slash),
        ("/./Packages", "Packages", Form::Plain),
        ("/%2e/Packages", "Packages", Form::Plain),
        ("/%2E/Packages", "Packages", Form::Plain),
        ("/a/../b", "b", Form::Plain),
        ("/a/%2e%2E/b", "b", Form::Plain),
        ("/a/.%2e/b", "b", Form::Plain),
        ("/a/%2e./b", "b", Form::Plain),
        ("/a/./b/../c", "a/c", Form::Plain),
        ("/a/..", "", Form::Slash),
        ("/a/b/..", "a", Form::Slash),
        ("/a/b/../", "a", Form::Slash),
        ("/a/.", "a", Form::Slash),
        ("/a/b/%2e%2e", "a", Form::Slash),
        ("/a//../b", "b", Form::Plain),
        ("/a/b//../c", "a/c", Form::Plain),
        ("//./a", "a", Form::Plain),
        ("/.git/../a", "a", Form::Plain),
        ("/__ifmatch__/../a", "a", Form::Plain),
        ("/*/../a", "a", Form::Plain),
        ("/%C3%A4/../b", "b", Form::Plain),
    ] {
        assert_eq!(parse(target), Ok((path.to_owned(), form)), "{target}");
    }
}

#[test]
fn what_could_leave_the_root_or_hide_is_refused() {
    for (target, error) in [
        ("", PathError::NotAPath),
        ("*", PathError::NotAPath),
        ("a/b", PathError::NotAPath),
        ("/..", PathError::AboveRoot),
        ("/../a", PathError::AboveRoot),
        ("//..", PathError::AboveRoot),
        ("/./..", PathError::AboveRoot),
        ("/a/../..", PathError::AboveRoot),
        ("/a/../../a", PathError::AboveRoot),
        ("/a//../../b", PathError::AboveRoot),
        ("/%2e%2e/etc/passwd", PathError::AboveRoot),
        ("/.%2e/etc", PathError::AboveRoot),
        ("/a/../%2E%2e/etc", PathError::AboveRoot),
        ("/a%2Fb", PathError::EncodedSlash),
        ("/..%2fetc", PathError::EncodedSlash),
        ("/a/..%2f..%2fetc", PathError::EncodedSlash),
        ("/a%2f../b", PathError::EncodedSlash),
        ("/%c0%ae%c0%ae/../b", PathError::NotUtf8),
        ("/a%00/../b", PathError::ControlCharacter),
        ("/a/../.git/config", PathError::Hidden),
        ("/a/.../b", PathError::Hidden),
        ("/a/../__ifmatch__/health", PathError::Hidden),
        ("/./%5F_ifmatch__/x", PathError::Hidden),
        ("/%c0%ae%c0%ae/etc", PathError::NotUtf8),
        ("/a%00b", PathError::ControlCharacter),
        ("/a%0d%0ab", PathError::ControlCharacter),
        ("/.git/config", PathError::Hidden),
        ("/a/.env", PathError::Hidden),
        ("/%2Egit", PathError::Hidden),
        ("/..%5cx", PathError::Hidden),
        ("/.~ifmatch.1", PathError::Hidden),
        ("/__ifmatch__", PathError::Hidden),
        ("/__ifmatch__/x", PathError::Hidden),
        ("/%5F_ifmatch__/x", PathError::Hidden),
        ("//__ifmatch__/x", PathError::Hidden),
        ("/*", PathError::Unportable),
        ("/c%3A", PathError::Unportable),
    ] {
        assert_eq!(parse(target).map(|it| it.0), Err(error), "{target}");
    }
}

#[test]
fn dotfiles_are_served_on_request_but_staging_names_never() {
    let parse = |target| ResourcePath::parse(target, Dotfiles::Served).map(|it| it.path.into_owned());
    assert!(parse("/.git/config").is_ok());
    assert_eq!(parse("/a/.~ifmatch.1"), Err(PathError::Hidden));
    assert_eq!(parse("/.."), Err(PathError::AboveRoot));
}

#[test]
fn a_path_has_a_limit_of_length_and_of_depth() {
    let kind = |target: &str| ResourcePath::parse(target, Dotfiles::Hidden).map(|it| it.path.into_owned());
    for name in ["a", "%61"] {
        let deepest = format!("/{name}").repeat(DEEPEST_PATH);
        assert_eq!(kind(&deepest).unwrap().as_str().split('/').count(), DEEPEST_PATH);
        assert_eq!(kind(&format!("{deepest}/")).unwrap().as_str().split('/').count(), DEEPEST_PATH);
        assert_eq!(kind(&format!("{deepest}/{name}")), Err(PathError::TooLong));
        // It goes too deep on its way, although it comes back.
        assert_eq!(kind(&format!("{deepest}/{name}/..")), Err(PathError::TooLong));
        assert_eq!(kind(&format!("{deepest}/..//./{name}")), kind(&deepest));
    }
    for name in ["abcdefg", "%61bcdefg"] {
        let longest = format!("{}/{}", format!("/{name}").repeat(250), "x".repeat(LONGEST_PATH - 2000));
        assert_eq!(kind(&longest).unwrap().as_str().len(), LONGEST_PATH);
        assert_eq!(kind(&format!("{longest}x")), Err(PathError::TooLong));
    }
    // What is in a folder that no request can name cannot be named either.
    let folder = kind(&"/a".repeat(DEEPEST_PATH)).unwrap();
    assert_eq!(folder.child("b", Dotfiles::Served), None);
    assert_eq!(ResourcePath::from_names(&format!("{}/b", folder.as_str()), Dotfiles::Served), None);
}

#[test]
fn a_url_path_never_names_another_host() {
    let target = ResourcePath::parse("//evil.example//x", Dotfiles::Hidden).unwrap();
    assert_eq!(target.path.to_url_path(), "/evil.example/x");
    let odd = ResourcePath::ROOT.child("\\evil?#\"<a", Dotfiles::Hidden).unwrap();
    assert_eq!(odd.to_url_path(), "/%5Cevil%3F%23%22%3Ca");
}

#[test]
fn parents_and_names_are_taken_apart() {
    let path = ResourcePath::parse("/a/b/c.txt", Dotfiles::Hidden).unwrap().path;
    assert_eq!((path.parent().as_str(), path.name()), ("a/b", "c.txt"));
    assert_eq!((ResourcePath::ROOT.parent().as_str(), ResourcePath::ROOT.name()), ("", ""));
}

#[test]
fn the_name_of_a_conflict_copy_tells_the_file() {
    let cases = [
        ("a/notes.conflict-20261122T151309Z-1a2b3c.txt", Some("a/notes.txt")),
        (
            "a.conflict-20261122T151309Z-1a2b3c.conflict-20261122T151309Z-1a2b3c.b",
            Some("a.conflict-20261122T151309Z-1a2b3c.b"),
        ),
        ("a.conflict-20261122T151309Z-1a2b3c.conflict-b", Some("a.conflict-b")),
        ("..conflict-20261122T151309Z-1a2b3c.", None),
        ("notes.conflict-20261122T151309Z.txt", None),
        ("notes.conflict-20261122T151309Z-1a2b3x.txt", None),
        ("notes.conflict-2026ééééééééééééééééééé", None),
        ("a.conflict-20261122T151309Z-1a2b3c/b", None),
        ("notes.txt", None),
    ];
    for (copy, expected) in cases {
        let copy = ResourcePath::from_names(copy, Dotfiles::Served).unwrap();
        assert_eq!(copy.conflict_original().as_ref().map(ResourcePath::as_str), expected, "{copy}");
    }
}

proptest! {
    #[test]
    fn any_target_keeps_the_invariants(target in "/?([a-z./%\\\\*:~ -]|%2[eEfF]|%[0-9a-f]{2}|\\PC){0,24}") {
        if let Ok(Target { path, .. }) = ResourcePath::parse(&target, Dotfiles::Served) {
            prop_assert!(!path.as_str().starts_with('/') && !path.as_str().ends_with('/'));
            for segment in path.as_str().split('/').filter(|_| !path.as_str().is_empty()) {
                prop_assert!(!matches!(segment, "" | "." | ".."));
                prop_assert!(!segment.chars().any(char::is_control) && !segment.starts_with(RESERVED_PREFIX));
            }
            prop_assert!(path.as_str().len() <= LONGEST_PATH);
            let again = ResourcePath::parse(&path.to_url_path(), Dotfiles::Served).map(|it| it.path.into_owned());
            prop_assert_eq!(again, Ok(path.into_owned()));
        }
    }

    /// Dot segments change nothing but the path that is meant: the same path without them is the same resource.
    #[test]
    fn a_path_means_what_it_means_without_dot_segments(
        segments in proptest::collection::vec("a|b|cd|%61|\\.|\\.\\.|%2e|%2E\\.|", 0..12),
    ) {
        let target = format!("/{}", segments.join("/"));
        let mut model: Option<Vec<&str>> = Some(Vec::new());
        for segment in &segments {
            match segment.as_str() {
                "" | "." | "%2e" => {}
                ".." | "%2E." => model = model.and_then(|mut names| names.pop().map(|_| names)),
                name => model.iter_mut().for_each(|names| names.push(if name == "%61" { "a" } else { name })),
            }
        }
        let parsed = ResourcePath::parse(&target, Dotfiles::Hidden).map(|it| it.path.as_str().to_owned());
        prop_assert_eq!(parsed, model.map(|names| names.join("/")).ok_or(PathError::AboveRoot));
    }
}

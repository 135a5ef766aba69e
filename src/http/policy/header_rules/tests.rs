//! Which answers get which fields.

use super::*;
use crate::resource_path::Dotfiles;

fn path(text: &str) -> ResourcePath<'_> {
    ResourcePath::from_names(text, Dotfiles::Served).unwrap()
}

fn rule(files: &str, cache_control: Option<&'static str>, fields: &[(&str, &str)]) -> HeaderRule {
    HeaderRule {
        files: PathPattern::parse(files).unwrap(),
        cache_control: cache_control.map(HeaderValue::from_static),
        fields: fields.iter().map(|(name, value)| field(name, value).unwrap()).collect(),
        origins: None,
        content_type: None,
        content_encoding: None,
    }
}

#[test]
fn rules_add_to_each_other_and_the_last_one_counts() {
    let common = Extra { fields: vec![field("X-A", "all").unwrap()], ..Extra::default() };
    let rules = vec![
        rule("/docs/**", Some("max-age=60"), &[("X-A", "docs"), ("X-B", "docs")]),
        rule("*.pdf", None, &[("X-B", "pdf")]),
        rule("/docs/new/**", Some("no-store"), &[]),
    ];
    let rules = HeaderRules::new(common, rules, Fingerprints::Ignored);
    let cases = [
        ("a.txt", "no-cache", "x-a=all"),
        ("a.pdf", "no-cache", "x-a=all x-b=pdf"),
        ("docs/a.txt", "max-age=60", "x-a=docs x-b=docs"),
        ("docs/a.pdf", "max-age=60", "x-a=docs x-b=pdf"),
        ("docs/new/a.pdf", "no-store", "x-a=docs x-b=pdf"),
    ];
    for (name, cache_control, fields) in cases {
        let extra = rules.at(&path(name), || Writable::No);
        let texts = extra.fields.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        assert_eq!(extra.cache_control, cache_control, "{name}");
        assert_eq!(texts.collect::<Vec<_>>().join(" "), fields, "{name}");
    }
    assert!(rules.is_common(&rules.at(&path("a.txt"), || Writable::No)));
    assert!(!rules.is_common(&rules.at(&path("a.pdf"), || Writable::No)));
}

#[test]
fn what_may_be_written_is_never_said_to_be_immutable() {
    let forever = "public, max-age=1, immutable";
    let rules = vec![rule("/kept/**", Some("max-age=60"), &[]), rule("/forever/**", Some(forever), &[])];
    let rules = HeaderRules::new(Extra::default(), rules, Fingerprints::Immutable);
    let cases = [
        ("app.3f2a9c1b.js", Writable::No, "public, max-age=31536000, immutable"),
        ("app.3f2a9c1b.js", Writable::Yes, "no-cache"),
        ("app.js", Writable::No, "no-cache"),
        ("kept/app.3f2a9c1b.js", Writable::No, "max-age=60"),
        ("kept/app.3f2a9c1b.js", Writable::Yes, "max-age=60"),
        ("forever/a", Writable::No, forever),
        ("forever/a", Writable::Yes, "no-cache"),
    ];
    for (name, writable, expected) in cases {
        assert_eq!(rules.at(&path(name), || writable).cache_control, expected, "{name} {writable:?}");
    }
}

#[test]
fn a_fingerprint_is_told_from_words_dates_and_versions() {
    let cases = [
        ("app.3f2a9c1b.js", true),
        ("app-3f2a9c1b.css", true),
        ("app.3f2a9c1b4d5e6f708192.js", true),
        ("app.3f2a9c1b.js.map", true),
        ("index-B8xXk2Zq.js", true),
        ("a/b.js", false),
        ("app.js", false),
        ("app.min.js", false),
        ("report-20261122.pdf", false),
        ("jquery-3.7.1.js", false),
        ("photo-holiday2.jpg", false),
        ("photo-Holiday2.jpg", false),
        ("the-facade12.png", false),
        ("menu-cafe2024.pdf", false),
        ("course-face2face.html", false),
        ("minutes-20240115a.html", false),
        ("setup-Win10Pro.iso", false),
        ("guide-DirectX9.pdf", false),
        ("notes-NodeJS20.txt", false),
        ("plan-Room101B.png", false),
        ("guide-iPadOS17.html", false),
        ("avatar-550e8400-e29b-41d4-a716-44665f4a0b1c.png", false),
        ("550e8400-e29b-41d4-a716-44665f4a0b1c.json", false),
        ("app-c716-44665f4a0b1c.js", true),
        ("app.d41d8cd98f00b204e9800998ecf8427e.css", true),
        ("deadbeef.js", false),
        ("3f2a9c1b.js", false),
        ("app-decade.js", false),
        ("app-IMG00012.jpg", false),
        ("app.3f2a9c1.js", false),
        (".3f2a9c1b.js", false),
        ("no extension 3f2a9c1b", false),
        ("", false),
    ];
    for (name, expected) in cases {
        assert_eq!(has_fingerprint(name), expected, "{name}");
    }
}

#[test]
fn fields_of_the_server_and_broken_ones_are_refused() {
    let cases = [
        ("X-A: b", Ok(("x-a", "b"))),
        ("x-a:b:c", Ok(("x-a", "b:c"))),
        ("X-A:", Ok(("x-a", ""))),
        ("ETag: \"a\"", Err("ETag is made by the server itself")),
        (
            "content-TYPE: text/plain",
            Err("content-TYPE is for files; a rule has the key content-type for it"),
        ),
        ("Cache-Control: no-store", Err("Cache-Control has an option of its own, cache-control")),
        ("X A: b", Err("\"X A\" is not the name of a header field")),
        ("X-A b", Err("\"X-A b\" has no colon; a field is written NAME: VALUE")),
        ("X-A: b\u{7}", Err("the value of x-a has characters that no field can have")),
    ];
    for (line, expected) in cases {
        let found = field_line(line).map_err(|error| error.to_string());
        let found = found.as_ref().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        assert_eq!(found.map_err(String::as_str), expected, "{line}");
    }
}

#[test]
fn what_few_may_read_is_kept_by_no_cache_for_many() {
    for (value, wanted) in [
        ("no-cache", "private, no-cache"),
        ("public, max-age=31536000, immutable", "private, max-age=31536000, immutable"),
        ("max-age=60, s-maxage=600, must-revalidate", "private, max-age=60, must-revalidate"),
        ("Public,S-MaxAge = 60,,max-age=1", "private, max-age=1"),
        ("private, no-store", "private, no-store"),
        ("public", "private"),
    ] {
        let extra = Extra { cache_control: HeaderValue::from_static(value), ..Extra::default() };
        assert_eq!(extra.for_few().cache_control, wanted, "{value}");
    }
}

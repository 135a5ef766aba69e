//! The path of a request target.
//!
//! Holds for every input: a path that was accepted cannot leave the root, names nothing reserved,
//! and is the same path however its bytes are spelled and whatever dot segments are put into it.

#![no_main]

use std::fmt::Write as _;

use ifmatch::resource_path::{DEEPEST_PATH, Dotfiles, Form, LONGEST_PATH, RESERVED_PREFIX, ResourcePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|target: &str| {
    for dotfiles in [Dotfiles::Hidden, Dotfiles::Served] {
        check(target, dotfiles);
    }
});

fn check(target: &str, dotfiles: Dotfiles) {
    let parsed = match ResourcePath::parse(target, dotfiles) {
        Ok(parsed) => parsed,
        Err(_) => return,
    };
    let path = parsed.path.as_str();
    for segment in path.split('/').filter(|_| !path.is_empty()) {
        assert!(!segment.is_empty() && segment != "." && segment != "..");
        assert!(!segment.starts_with(RESERVED_PREFIX));
        assert!(!segment.chars().any(char::is_control));
        let hidden = segment.starts_with('.') && segment != ".well-known";
        assert!(!hidden || dotfiles == Dotfiles::Served);
    }

    assert!(path.len() <= LONGEST_PATH && path.split('/').count() <= DEEPEST_PATH);

    let url = parsed.path.to_url_path();
    assert!(url.starts_with('/') && !url.starts_with("//"), "{url} could name a host");
    let again = ResourcePath::parse(&url, dotfiles).expect("a path of our own");
    assert_eq!(again.path, parsed.path);

    // The parser has a quick way for plain names; the same target, encoded, goes the long way.
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' => encoded.push('/'),
            _ => write!(encoded, "%{byte:02x}").expect("a String takes everything"),
        }
    }
    let slash = if parsed.form == Form::Slash && !path.is_empty() { "/" } else { "" };
    let long = format!("/{encoded}{slash}");
    assert_eq!(ResourcePath::parse(&long, dotfiles).as_ref(), Ok(&parsed));

    // Dot segments that lead nowhere change nothing, whatever folder is entered and left.
    for detour in ["/.", "/%2e", "/x/..", "//.hidden/%2E.", "/x/.//.."] {
        assert_eq!(ResourcePath::parse(&format!("{detour}{long}"), dotfiles).as_ref(), Ok(&parsed));
    }
    // One more than there are folders always leads out.
    let climb = "/..".repeat(if path.is_empty() { 1 } else { path.split('/').count() + 1 });
    assert!(ResourcePath::parse(&format!("{url}{climb}"), dotfiles).is_err());
}

//! Media types and dates.

use super::*;
use crate::resource_path::Dotfiles;

#[test]
fn media_types_follow_the_extension_and_text_is_utf_8() {
    for (name, expected) in [
        ("index.html", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("README.md", "text/markdown; charset=utf-8"),
        ("data.json", "application/json"),
        ("logo.svg", "image/svg+xml"),
        ("photo.avif", "image/avif"),
        ("font.woff2", "font/woff2"),
        ("module.wasm", "application/wasm"),
        ("nothing", "application/octet-stream"),
        ("odd.zzzz", "application/octet-stream"),
    ] {
        let path = ResourcePath::ROOT.child(name, Dotfiles::Hidden).unwrap();
        assert_eq!(media_type(&path), expected, "{name}");
    }
}

#[test]
fn dates_are_printed_as_imf_fixdate() {
    let date = HttpDate::from_unix(784_111_777).unwrap();
    for _ in 0..2 {
        assert_eq!(date_field(date).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}

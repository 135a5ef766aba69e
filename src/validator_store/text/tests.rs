//! What is text, in one piece and in several.

use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Root, SymlinkPolicy};

/// What the bytes of a large file say that begins with `bytes`.
fn of_file(bytes: &[u8]) -> Text {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), bytes).unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let path = ResourcePath::from_names("file", Dotfiles::Hidden).unwrap();
    let file = root.open_file(&path).unwrap();
    Text::of_file(&file, &file.stamp()).unwrap()
}

#[test]
fn text_is_utf_8_and_plain_without_control_characters() {
    for (bytes, expected) in [
        (&b""[..], Text::Plain),
        (b"plain\r\n\tand \x0c simple\n", Text::Plain),
        ("\u{feff}Gr\u{fc}\u{df}e \u{1f980}".as_bytes(), Text::Plain),
        (b"nul\0", Text::WithControls),
        (b"bell\x07", Text::WithControls),
        (b"delete\x7f", Text::WithControls),
        ("\x1b[31mr\u{f6}t\x1b[0m".as_bytes(), Text::WithControls),
        // May be ISO-2022-JP.
        (b"\x1b$B$3$l\x1b(B", Text::Other),
        (b"\x0e$B\x0f", Text::Other),
        (b"Gr\xfc\xdfe", Text::Other),
        (b"\xff\xfet\0e\0x\0t\0", Text::Other),
        (b"cut off \xc3", Text::Other),
        (b"\x89PNG\r\n\x1a\n", Text::Other),
    ] {
        assert_eq!(Text::of(bytes), expected, "{bytes:?}");
        assert_eq!(of_file(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn a_character_may_begin_in_one_piece_and_end_in_another() {
    for before in PIECE - 4..=PIECE {
        let text = format!("{}\u{1f980}{}", "x".repeat(before), "y".repeat(PIECE));
        assert_eq!(of_file(text.as_bytes()), Text::Plain, "{before}");
        let mut cut = text.into_bytes();
        cut.remove(before + 2);
        assert_eq!(of_file(&cut), Text::Other, "{before}");
    }
}

#[test]
fn the_beginning_of_a_large_file_decides() {
    let decisive = usize::try_from(DECISIVE).unwrap();
    for (before, expected) in [(decisive - 1, Text::Other), (decisive, Text::Plain)] {
        let mut bytes = vec![b'x'; before];
        bytes.extend_from_slice(b"\xff and so on");
        assert_eq!(of_file(&bytes), expected, "{before}");
    }
    // What is cut in two there may go on.
    let mut bytes = vec![b'x'; decisive - 2];
    bytes.extend_from_slice("\u{1f980}".as_bytes());
    assert_eq!(of_file(&bytes), Text::Plain);
}

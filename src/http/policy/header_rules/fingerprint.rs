//! Names that have a fingerprint of the file's bytes in them, as bundlers make them.

/// Whether a name has a fingerprint in front of its extension, behind a dot or a dash: at least eight hexadecimal digits
/// (`app.3f2a9c1b.js`), or exactly eight letters and digits with at least two of each, capital and small, and a number before a
/// letter (`index-B8xXk2Zq.js`). Either goes back and forth at least three times: words and dates with a number or a letter at
/// their end do not (`cafe2024`, `20240115a`, `Win10Pro`). A UUID tells what a file is about, not its bytes.
pub(super) fn has_fingerprint(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    // Of `app.3f2a9c1b.js.map` too.
    let stem = if extension == "map" { stem.rsplit_once('.').map_or(stem, |(stem, _)| stem) } else { stem };
    let Some(at) = stem.rfind(['.', '-']).filter(|at| *at > 0) else { return false };
    let candidate = &stem.as_bytes()[at + 1..];
    let count = |of: fn(&u8) -> bool| candidate.iter().filter(|byte| of(byte)).count();
    let mixed = || {
        let number_first = |pair: &[u8]| pair[0].is_ascii_digit() && pair[1].is_ascii_alphabetic();
        candidate.len() == 8
            && count(u8::is_ascii_alphanumeric) == 8
            && count(u8::is_ascii_uppercase) >= 2
            && count(u8::is_ascii_lowercase) >= 2
            && candidate.windows(2).any(number_first)
    };
    let hexadecimal =
        candidate.len() >= 8 && count(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) == candidate.len();
    (hexadecimal || mixed()) && turns(candidate) >= 3 && !is_uuid(stem)
}

/// How often a number follows a letter, a letter a number, or a capital a small letter.
fn turns(text: &[u8]) -> usize {
    let turn = |pair: &&[u8]| {
        pair[0].is_ascii_digit() != pair[1].is_ascii_digit()
            || pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()
    };
    text.windows(2).filter(turn).count()
}

/// Whether a stem ends with a UUID.
fn is_uuid(stem: &str) -> bool {
    let groups: Vec<usize> = stem.rsplit('-').map(str::len).take(5).collect();
    groups.len() == 5 && groups[..4] == [12, 4, 4, 4] && groups[4] >= 8
}

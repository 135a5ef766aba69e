//! Request targets with bytes beyond ASCII. `curl http://host/ä.txt` sends them as they were typed, and other servers take them;
//! actix-http refuses them. They are percent-encoded here, before actix or anybody else looks at them. Such a target then means
//! what its encoded form means, in every rule and every log line.

use std::fmt::Write as _;
use std::ops::Range;

use actix_web::web::BytesMut;

/// Percent-encodes what is not ASCII in the target of the request that `bytes` begins or continues. `begun` is what came before
/// of the same line.
pub(super) fn encode(begun: &[u8], bytes: &mut BytesMut) {
    let Some(target) = beyond_ascii(begun, bytes) else { return };
    let mut text = String::with_capacity(3 * target.len());
    for byte in &bytes[target.clone()] {
        // Writing to a string does not fail.
        let _ = match byte.is_ascii() {
            true => text.write_char(char::from(*byte)),
            false => write!(text, "%{byte:02X}"),
        };
    }
    let mut encoded = BytesMut::with_capacity(bytes.len() + text.len() - target.len());
    encoded.extend_from_slice(&bytes[..target.start]);
    encoded.extend_from_slice(text.as_bytes());
    encoded.extend_from_slice(&bytes[target.end..]);
    *bytes = encoded;
}

/// Returns where in `bytes` the target stands, if a part of it is not ASCII. The method before it is left alone: with a percent
/// sign it would be another one.
pub(super) fn beyond_ascii(begun: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let blank = match begun {
        [] => bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count(),
        _ => 0,
    };
    let end = memchr::memchr(b'\n', &bytes[blank..]).map_or(bytes.len(), |at| blank + at);
    let start = match begun.contains(&b' ') {
        true => 0,
        false => blank + memchr::memchr(b' ', &bytes[blank..end])?,
    };
    (!bytes[start..end].is_ascii()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(begun: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut bytes = BytesMut::from(bytes);
        encode(begun, &mut bytes);
        bytes.to_vec()
    }

    #[test]
    fn only_the_target_is_encoded() {
        let rows: [(&[u8], &[u8], &[u8]); 9] = [
            (b"", b"GET /a HTTP/1.1\r\n", b"GET /a HTTP/1.1\r\n"),
            (b"", b"GET /\xc3\xa4 HTTP/1.1\r\n", b"GET /%C3%A4 HTTP/1.1\r\n"),
            (b"", b"GET /%C3\xa4?\xff HTTP/1.1\r\nX: \xff\r\n", b"GET /%C3%A4?%FF HTTP/1.1\r\nX: \xff\r\n"),
            (b"", b"\r\n\nGET /\xc3\xa4 HTTP/1.1\r\n", b"\r\n\nGET /%C3%A4 HTTP/1.1\r\n"),
            (b"", b"G\xc3T /a HTTP/1.1\r\n", b"G\xc3T /a HTTP/1.1\r\n"),
            (b"", b"G\xc3", b"G\xc3"),
            (b"GET", b" /\xc3", b" /%C3"),
            (b"GET /\xc3", b"\xa4 HTTP/1.1\r\n\xff", b"%A4 HTTP/1.1\r\n\xff"),
            (b"G", b"\xc3 /\xc3", b"\xc3 /%C3"),
        ];
        for (begun, bytes, expected) in rows {
            assert_eq!(encoded(begun, bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}

//! The format of a line.

use super::*;

#[test]
fn the_time_is_written_as_the_format_has_it() {
    let time = time();
    let shape: String = time
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '0'
            } else if c.is_alphabetic() {
                'a'
            } else {
                c
            }
        })
        .collect();
    assert_eq!(shape, "00/aaa/0000:00:00:00 +0000", "{time}");
}

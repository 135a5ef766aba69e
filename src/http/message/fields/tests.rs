//! Dates.

use super::*;

#[test]
fn dates_are_printed_as_imf_fixdate() {
    let date = HttpDate::from_unix(784_111_777).unwrap();
    for _ in 0..2 {
        assert_eq!(date_field(date).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}

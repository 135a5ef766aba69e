//! What is remembered of attempts.

use super::*;

#[test]
fn wrong_attempts_make_the_next_ones_wait_longer() {
    let attempts = Attempts::new();
    let from = Some(IpAddr::from([127, 0, 0, 1]));
    for _ in 0..FREE - 1 {
        attempts.failed("a", from);
        assert_eq!(attempts.wait("a", from), None);
    }
    attempts.failed("a", from);
    assert!(attempts.wait("a", from).is_some());
    // Neither another name nor another address has to wait.
    assert_eq!(attempts.wait("b", from), None);
    assert_eq!(attempts.wait("a", Some(IpAddr::from([127, 0, 0, 2]))), None);
    attempts.succeeded("a", b"p", 3, from);
    assert_eq!((attempts.wait("a", from), attempts.known("a", b"p")), (None, Some(3)));
    assert_eq!(attempts.known("a", b"q").or(attempts.known("ap", b"")), None);
    let delays: Vec<u64> = (4..14).map(|wrong| delay(wrong).as_secs()).collect();
    assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let attempts = Attempts::new();
    for number in 0..LIMIT + 10 {
        attempts.failed(&number.to_string(), None);
        attempts.succeeded(&number.to_string(), b"", 0, Some(IpAddr::from([1, 1, 1, 1])));
    }
    assert!(lock(&attempts.wrong).len() <= LIMIT && lock(&attempts.right).len() <= LIMIT);
}

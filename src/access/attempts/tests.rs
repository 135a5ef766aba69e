//! What is remembered of attempts.

use super::*;

#[test]
fn wrong_attempts_make_the_next_ones_wait_longer() {
    let attempts = Attempts::new();
    let of = |name, password: &str, last| {
        attempts.of(name, password.as_bytes(), Some(IpAddr::from([127, 0, 0, last])))
    };
    let wrong = of("a", "wrong", 1);
    for left in (1..FREE as usize).rev() {
        attempts.failed(&wrong);
        assert_eq!((attempts.wait(&wrong), attempts.at_once(&wrong)), (None, left));
    }
    attempts.failed(&wrong);
    assert_eq!((attempts.wait(&of("a", "p", 1)).is_some(), attempts.at_once(&wrong)), (true, 1));
    // Neither another name nor another address has to wait.
    assert_eq!(attempts.wait(&of("b", "wrong", 1)).or(attempts.wait(&of("a", "wrong", 2))), None);
    attempts.succeeded(&of("a", "p", 1), 3);
    assert_eq!((attempts.wait(&wrong), attempts.known(&of("a", "p", 2))), (None, Some(3)));
    assert_eq!(attempts.known(&of("a", "q", 1)).or(attempts.known(&of("ap", "", 1))), None);
    let delays: Vec<u64> = (4..14).map(|wrong| delay(wrong).as_secs()).collect();
    assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let attempts = Attempts::new();
    for number in 0..LIMIT + 10 {
        attempts.failed(&attempts.of(&number.to_string(), b"", None));
        attempts.succeeded(&attempts.of(&number.to_string(), b"", Some(IpAddr::from([1, 1, 1, 1]))), 0);
    }
    assert!(lock(&attempts.wrong).len() <= LIMIT && lock(&attempts.right).len() <= LIMIT);
}

//! Who has to wait, and for how long.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use super::*;

fn rates(requests: u32, seconds: u64) -> Rates {
    let requests = NonZeroU32::new(requests).unwrap();
    Rates::new(Rate { requests, period: Duration::from_secs(seconds) })
}

fn client(number: u32) -> Network {
    Network::of(IpAddr::V4(Ipv4Addr::from(number)))
}

/// How many of `tries` at once get through.
fn passing(rates: &Rates, who: Network, now: Instant, tries: usize) -> usize {
    (0..tries).filter(|_| rates.count(who, now).is_ok()).count()
}

#[test]
fn ten_seconds_may_be_used_at_once_and_come_back_with_time() {
    for (name, requests, seconds, at_once, after_a_second, after_a_minute) in [
        ("20/s", 20, 1, 200, 20, 200),
        ("60/m", 60, 60, 10, 1, 10),
        ("6/m", 6, 60, 1, 0, 1),
        ("1/h", 1, 3600, 1, 0, 0),
        ("10000/s", 10_000, 1, 100_000, 10_000, 100_000),
    ] {
        let rates = rates(requests, seconds);
        let tries = at_once + 5;
        let begun = Instant::now();
        assert_eq!(passing(&rates, client(1), begun, tries), at_once, "{name}");
        // Another one is not concerned.
        assert!(rates.count(client(2), begun).is_ok(), "{name}");
        let second = begun + Duration::from_secs(1);
        assert_eq!(passing(&rates, client(1), second, tries), after_a_second, "{name}");
        let minute = second + Duration::from_secs(60);
        assert_eq!(passing(&rates, client(1), minute, tries), after_a_minute, "{name}");
    }
}

#[test]
fn who_waits_as_long_as_is_said_gets_through() {
    let (rates, begun) = (rates(2, 1), Instant::now());
    assert_eq!(passing(&rates, client(1), begun, 100), 20);
    // Asking in vain costs nothing.
    let wait = rates.count(client(1), begun).unwrap_err();
    assert!(wait <= Duration::from_millis(500), "{wait:?}");
    assert!(rates.count(client(1), begun + wait - Duration::from_millis(1)).is_err());
    assert!(rates.count(client(1), begun + wait).is_ok());
}

#[test]
fn what_is_remembered_is_bounded() {
    let (rates, begun) = (rates(1, 1), Instant::now());
    let kept = |rates: &Rates| rates.parts.iter().map(|part| part.lock().unwrap().len()).sum::<usize>();
    for number in 0..1_000_000 {
        assert!(rates.count(client(number), begun).is_ok());
    }
    assert!(kept(&rates) <= PARTS * REMEMBERED, "{}", kept(&rates));
    // Who has used nothing of it any more makes room for others.
    let later = begun + Duration::from_secs(60);
    let who = client(2_000_000);
    assert_eq!(passing(&rates, who, later, 100), 10);
    for number in 3_000_000..3_000_000 + u32::try_from(PARTS * REMEMBERED / 4).unwrap() {
        assert!(rates.count(client(number), later).is_ok());
    }
    assert_eq!(passing(&rates, who, later, 1), 0, "it was not forgotten");
}

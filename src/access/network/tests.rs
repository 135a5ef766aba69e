//! Which addresses are one client.

use super::*;

#[test]
fn a_subscriber_is_an_ipv4_address_or_half_an_ipv6_address() {
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::ffff:0:1", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("::1", "127.0.0.1", false),
    ] {
        let [one, other] = [one, other].map(|address| Network::of(address.parse().unwrap()));
        assert_eq!(one == other, same, "{one:?} {other:?}");
    }
}

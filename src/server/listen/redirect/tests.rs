//! Where clients are sent.

use super::*;

#[test]
fn clients_are_sent_to_the_usual_port_or_the_first() {
    for (ports, port) in [(&[8443][..], 8443), (&[8443, 9443], 8443), (&[8443, 443], 443), (&[], 443)] {
        assert_eq!(encrypted_port(ports), port, "{ports:?}");
    }
}

//! Clients that are slow, silent, or gone.

use std::time::Duration;

use super::{served, statuses};
use crate::harness::{Client, Ending, get};

#[test]
fn slow_heads_hold_up_nobody() {
    let mut server = served();
    let mut slow: Vec<Client> = (0..300).map(|_| server.connect()).collect();
    for (number, client) in slow.iter_mut().enumerate() {
        client.send(&b"GET /file HTTP/1.1\r\nHost: localhost\r\nX: "[..number % 40]);
    }
    for _ in 0..50 {
        server.get("/file").expect_file(b"harmless");
    }
    // Each of these, which never finishes its head, is given up in the end, with 408 or without a word.
    for client in slow.iter_mut().skip(1).step_by(60) {
        client.be_patient(Duration::from_secs(120));
        let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
        assert!(statuses(&answer).iter().all(|status| *status == "408"), "{answer}");
    }
    server.assert_well();
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let mut server = served();
    server.folder().write_version("large", 1, 16 << 20);
    server.get_settled("/large");
    let before = server.descriptors();
    for round in 0..100 {
        let mut client = server.connect();
        let request = get("/large");
        client.send(request.bytes());
        if round % 2 == 0 {
            let mut response = client.try_read_head(&request).unwrap();
            client.read_some(&mut response, 100_000);
            assert_eq!(response.ending, Ending::Pending);
        }
    }
    crate::harness::eventually("the descriptors are closed", || {
        (server.descriptors() <= before + 2).then_some(())
    });
    server.get("/file").expect_file(b"harmless");
    server.assert_well();
}

#[test]
fn many_idle_connections_hold_up_nobody() {
    let mut server = served();
    let idle: Vec<Client> = (0..400).map(|_| server.connect()).collect();
    for _ in 0..20 {
        server.get("/file").expect_file(b"harmless");
    }
    drop(idle);
    server.assert_well();
}

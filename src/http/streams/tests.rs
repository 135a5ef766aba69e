//! How many answers one connection gets.

use super::*;

#[test]
fn a_connection_has_so_many_answers_and_no_more() {
    let streams = Streams::default();
    let mut bodies: Vec<_> = (0..LIMIT).map(|_| streams.begin().unwrap().watch(BoxBody::new("x"))).collect();
    assert!(streams.begin().is_none());
    bodies.pop();
    let one = streams.begin();
    assert!(one.is_some() && streams.begin().is_none());
    drop(one);
    assert!(streams.begin().is_some());
}

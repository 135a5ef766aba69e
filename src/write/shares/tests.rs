//! Shares, with few places.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn network(last: u8) -> Option<Network> {
    Some(Network::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))))
}

fn address(last: u8) -> Client {
    Client::Address(network(last))
}

fn guest(last: u8) -> Client {
    Client::Guest(network(last))
}

fn account(name: &str) -> Client {
    Client::Account(name.to_owned())
}

/// Takes places until there is none, and says why.
fn take_all(shares: &Shares, client: &Client) -> (Vec<Place>, Full) {
    let mut places = Vec::new();
    loop {
        match shares.try_take(client) {
            Ok(place) => places.push(place),
            Err(full) => return (places, full),
        }
    }
}

#[test]
fn one_client_gets_a_quarter() {
    let shares = Shares::new(16);
    let (of_one, full) = take_all(&shares, &address(1));
    assert_eq!((of_one.len(), full), (4, Full { share: Share::Address, places: 4, of: 16 }));
    let (of_alice, full) = take_all(&shares, &account("alice"));
    assert_eq!((of_alice.len(), full), (4, Full { share: Share::Account, places: 4, of: 16 }));
    // An address stays the same one whether others have accounts or not.
    assert_eq!(take_all(&shares, &guest(1)).1.share, Share::Address);
    let (of_two, _) = take_all(&shares, &address(2));
    let (of_three, _) = take_all(&shares, &address(3));
    assert_eq!((of_two.len(), of_three.len(), shares.free()), (4, 4, 0));
    assert_eq!(take_all(&shares, &address(4)).1, Full { share: Share::Everybody, places: 16, of: 16 });
    drop(of_one);
    assert_eq!(take_all(&shares, &address(4)).0.len(), 4);
}

#[test]
fn whoever_has_no_account_shares_a_half_where_others_have_one() {
    let shares = Shares::new(16);
    let (one, _) = take_all(&shares, &guest(1));
    let (two, _) = take_all(&shares, &guest(2));
    assert_eq!((one.len(), two.len()), (4, 4));
    let (none, full) = take_all(&shares, &guest(3));
    assert_eq!((none.len(), full), (0, Full { share: Share::Guests, places: 8, of: 16 }));
    assert_eq!(take_all(&shares, &account("alice")).0.len(), 4);
    drop(two);
    assert_eq!(take_all(&shares, &guest(3)).0.len(), 4);
}

#[test]
fn an_address_that_tells_nobody_apart_has_no_share() {
    let shares = Shares::new(16);
    assert_eq!(take_all(&shares, &Client::Address(None)).0.len(), 16);
    let (guests, full) = take_all(&shares, &Client::Guest(None));
    assert_eq!((guests.len(), full.share), (8, Share::Guests));
}

#[test]
fn of_few_places_everybody_gets_one() {
    let shares = Shares::new(1);
    for client in [address(1), guest(1), account("alice")] {
        assert_eq!(take_all(&shares, &client).0.len(), 1);
    }
}

#[test]
fn places_come_back_and_nothing_is_kept_of_who_had_them() {
    let shares = Shares::new(16);
    for client in [address(1), guest(2), account("alice")] {
        let taken = take_all(&shares, &client).0;
        assert_eq!(shares.owners.lock().len(), 1);
        drop(taken);
        assert_eq!((shares.free(), shares.guests.available_permits()), (16, 8));
        assert!(shares.owners.lock().is_empty());
    }
}

#[test]
fn a_client_waits_behind_itself_and_not_before_others() {
    let shares = Shares::new(16);
    let (one, two) = (address(1), address(2));
    let (mut taken, _) = take_all(&shares, &one);
    let mut context = Context::from_waker(Waker::noop());
    let mut fifth = pin!(shares.take(&one));
    assert!(fifth.as_mut().poll(&mut context).is_pending());
    {
        // One that is given up while it waits.
        let mut sixth = pin!(shares.take(&one));
        assert!(sixth.as_mut().poll(&mut context).is_pending());
    }
    let Poll::Ready(Some(other)) = pin!(shares.take(&two)).poll(&mut context) else {
        panic!("another client waits")
    };
    taken.pop();
    let Poll::Ready(Some(fifth)) = fifth.as_mut().poll(&mut context) else {
        panic!("the place that came back is not given on")
    };
    drop((taken, fifth, other));
    assert_eq!(shares.free(), 16);
    assert!(shares.owners.lock().is_empty());
}

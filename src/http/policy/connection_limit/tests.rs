//! Who gets a place.

use super::*;

fn crowd(connections: usize, connections_per_address: usize) -> Arc<Crowd> {
    Arc::new(Crowd::new(Limits {
        connections,
        connections_per_address: Some(connections_per_address),
        ..Limits::DEFAULT
    }))
}

fn peer(text: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(text.parse().unwrap(), 1))
}

#[test]
fn an_address_has_so_many_places_and_gets_them_back() {
    let crowd = crowd(100, 2);
    let enter = |text| crowd.enter(peer(text));
    let (first, second) = (enter("192.0.2.1").unwrap(), enter("::ffff:192.0.2.1").unwrap());
    assert!(enter("192.0.2.1").is_none());
    let others = [enter("192.0.2.2").unwrap(), enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap()];
    assert!(enter("2001:db8::3").is_none());
    assert_eq!((crowd.count(), crowd.refused()), (5, 2));
    drop(first);
    let third = enter("192.0.2.1").unwrap();
    assert!(enter("192.0.2.1").is_none());
    drop((second, third, others));
    assert_eq!((crowd.count(), crowd.of().len()), (0, 0));
}

#[test]
fn who_has_no_address_and_where_there_is_no_limit_all_get_one() {
    let limited = crowd(100, 1);
    let places: Vec<Place> = (0..10).map(|_| limited.enter(None).unwrap()).collect();
    assert_eq!((limited.count(), limited.of().len()), (10, 0));
    drop(places);
    let open = crowd(100, usize::MAX);
    let places: Vec<Place> = (0..10).map(|_| open.enter(peer("192.0.2.1")).unwrap()).collect();
    assert_eq!((open.count(), open.of().len()), (10, 0));
    drop(places);
}

#[test]
fn in_a_crowd_nobody_idles_for_long() {
    let crowd = crowd(4, usize::MAX);
    let mut places = Vec::new();
    for idle in [Limits::DEFAULT.idle, Limits::DEFAULT.idle, Limits::DEFAULT.idle, CROWDED_IDLE] {
        assert_eq!(crowd.idle_limit(), idle, "{} places", places.len());
        places.push(crowd.enter(None));
    }
    let hasty = Crowd::new(Limits { connections: 0, idle: Duration::from_secs(1), ..Limits::DEFAULT });
    hasty.all.store(1, Ordering::Relaxed);
    assert_eq!(hasty.idle_limit(), Duration::from_secs(1));
}

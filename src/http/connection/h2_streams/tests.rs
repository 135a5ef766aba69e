//! How many answers one connection gets, and how many open files.

use super::*;
use crate::http::Limits;

#[test]
fn a_connection_has_so_many_answers_and_no_more() {
    let streams = Streams::default();
    let mut bodies: Vec<_> =
        (0..LIMIT).map(|_| streams.begin(&HeaderMap::new()).unwrap().watch(BoxBody::new("x"))).collect();
    assert!(streams.begin(&HeaderMap::new()).is_err());
    bodies.pop();
    let one = streams.begin(&HeaderMap::new());
    assert!(one.is_ok() && streams.begin(&HeaderMap::new()).is_err());
    drop(one);
    assert!(streams.begin(&HeaderMap::new()).is_ok());
    drop(bodies);
    assert!(streams.count() == 0);
}

#[test]
fn a_connection_has_one_open_file_in_any_case_and_more_while_there_are_places() {
    let crowd = Arc::new(Crowd::new(Limits { more_files: 2, ..Limits::DEFAULT }));
    let (one, other) = (Streams::default(), Streams::default());
    let with_file = |streams: &Streams| {
        let mut answering = streams.begin(&HeaderMap::new()).unwrap();
        answering.may_have_file(&crowd).then_some(answering)
    };
    let mut of_one: Vec<_> = (0..5).map(|_| with_file(&one)).collect();
    assert_eq!(of_one.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, true, false, false]);
    let first = with_file(&other);
    assert!(first.is_some() && with_file(&other).is_none());
    // Whoever ends gives back what was taken.
    of_one.remove(1);
    let second = with_file(&other);
    assert!(second.is_some() && with_file(&other).is_none());
    of_one.remove(0);
    assert!(with_file(&one).is_some());
}

#[test]
fn an_answer_of_which_nothing_is_taken_is_told() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (streams, minute) = (Streams::default(), Duration::from_secs(60));
        let made = streams.begin(&HeaderMap::new());
        let _taken = streams.begin(&HeaderMap::new()).unwrap().watch(BoxBody::new("x"));
        let mut other = streams.begin(&HeaderMap::new()).unwrap().watch(BoxBody::new("x"));
        assert_eq!(streams.stalled(minute), 0);
        tokio::time::sleep(minute).await;
        assert_eq!(streams.stalled(minute), 2);
        let next = std::future::poll_fn(|context| Pin::new(&mut other).poll_next(context)).await;
        assert!(next.is_some());
        assert_eq!(streams.stalled(minute), 1);
        drop(made);
    });
}

#[test]
fn the_heads_of_a_connection_have_a_limit_together_and_each_has_one_of_its_fields() {
    let head = |name: &str, count: usize, size: usize| {
        let mut head = HeaderMap::new();
        for _ in 0..count {
            let value = header::HeaderValue::from_str(&"x".repeat(size)).unwrap();
            head.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        head
    };
    let streams = Streams::default();
    // One alone may have more than all others together.
    let large = streams.begin(&head("large", 20, 100_000)).unwrap();
    assert_eq!(streams.begin(&head("small", 1, 1)).err(), Some(TooMuch::Heads));
    drop(large);
    let all: Vec<_> = (0..10).map(|_| streams.begin(&head("large", 1, 100_000)).unwrap()).collect();
    assert_eq!(streams.begin(&head("large", 1, 100_000)).err(), Some(TooMuch::Heads));
    drop(all);
    assert!(streams.count() == 0 && streams.0.heads.get() == 0);
    assert_eq!(streams.begin(&head("many", FIELDS + 1, 1)).err(), Some(TooMuch::Fields));
    assert!(
        streams.begin(&head("many", FIELDS, 1)).is_ok() && streams.begin(&head("cookie", 500, 1)).is_ok()
    );
}

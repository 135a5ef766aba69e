//! Who waits for a hash, and who has to come again.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::attempts::Attempts;
use super::*;

/// A hash that nobody computes here.
fn secret() -> Secret {
    Secret::parse(&format!("token:{}", "0".repeat(64))).unwrap()
}

/// Leaves the question whether `password` is that of `name`, from an address whose last byte is `last`.
fn ask(
    queue: &mut Queue,
    attempts: &Attempts,
    (name, password, last): (&str, &str, u8),
) -> oneshot::Receiver<bool> {
    let attempt = attempts.of(name, password.as_bytes(), Some(IpAddr::from([127, 0, 0, last])));
    let (answer, answered) = oneshot::channel();
    let at_once = attempts.at_once(&attempt);
    let question = Question { attempt, secret: secret(), password: Vec::new(), record: Box::new(|_| {}) };
    queue.add(Waiting { question, answers: vec![answer] }, at_once);
    answered
}

/// How many of them wait.
fn waiting(asked: &mut [oneshot::Receiver<bool>]) -> usize {
    asked.iter_mut().map(is_refused).filter(|refused| !refused).count()
}

fn is_refused(answered: &mut oneshot::Receiver<bool>) -> bool {
    matches!(answered.try_recv(), Err(oneshot::error::TryRecvError::Closed))
}

#[test]
fn who_asks_the_same_is_one_question() {
    let (attempts, mut queue) = (Attempts::new(), Queue::default());
    let mut all: Vec<_> = (0..100).map(|_| ask(&mut queue, &attempts, ("alice", "right", 1))).collect();
    assert_eq!((queue.waiting.len(), queue.waiting[0].answers.len()), (1, 100));
    assert!(!all.iter_mut().any(is_refused));
    // The same from elsewhere has its own consequences.
    let _elsewhere = ask(&mut queue, &attempts, ("alice", "right", 2));
    assert_eq!(queue.waiting.len(), 2);
}

#[test]
fn one_network_cannot_take_all_places() {
    let (attempts, mut queue) = (Attempts::new(), Queue::default());
    let mut flood: Vec<_> = (0..2 * QUEUE)
        .map(|number| ask(&mut queue, &attempts, (&format!("guess-{number}"), "wrong", 1)))
        .collect();
    queue.is_computing = true;
    assert_eq!(queue.waiting.len(), QUEUE);
    let mut others: Vec<_> =
        (2..12).map(|last| ask(&mut queue, &attempts, ("alice", "right", last))).collect();
    assert!(!others.iter_mut().any(is_refused));
    assert_eq!(queue.waiting.len(), QUEUE);
    // Those who came last have to come again, and never the one whose hash is being computed.
    assert!(!is_refused(&mut flood[0]));
    assert_eq!(waiting(&mut flood), QUEUE - 10);
    // Where each network has one place there is no more room.
    let mut queue = Queue::default();
    let mut fair: Vec<_> = (0..40).map(|last| ask(&mut queue, &attempts, ("alice", "right", last))).collect();
    assert_eq!(waiting(&mut fair), QUEUE);
}

#[test]
fn guesses_at_the_same_time_are_no_more_than_guesses_one_by_one() {
    let (attempts, mut queue) = (Attempts::new(), Queue::default());
    let guess =
        |queue: &mut Queue, number: u32| ask(queue, &attempts, ("alice", &format!("guess-{number}"), 1));
    let mut guesses: Vec<_> = (0..20).map(|number| guess(&mut queue, number)).collect();
    assert_eq!(waiting(&mut guesses), 5);
    for number in 0..7 {
        attempts.failed(&attempts.of("alice", &[number], Some(IpAddr::from([127, 0, 0, 1]))));
    }
    let mut queue = Queue::default();
    let mut guesses: Vec<_> = (20..40).map(|number| guess(&mut queue, number)).collect();
    assert_eq!(waiting(&mut guesses), 1);
}

#[test]
fn who_has_gone_takes_no_place() {
    let (attempts, mut queue) = (Attempts::new(), Queue::default());
    for number in 0..2 * QUEUE {
        drop(ask(&mut queue, &attempts, (&format!("guess-{number}"), "wrong", 1)));
    }
    let mut stays = ask(&mut queue, &attempts, ("alice", "right", 1));
    assert!(!is_refused(&mut stays));
    assert_eq!(queue.waiting.len(), 1);
}

#[test]
fn an_answer_is_recorded_once_and_before_anybody_gets_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (attempts, recorded, verifier) = (Attempts::new(), Arc::new(AtomicU32::new(0)), Verifier::new());
    let count = Arc::clone(&recorded);
    let record = Box::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let attempt = attempts.of("alice", b"wrong", None);
    let question = Question { attempt, secret: secret(), password: Vec::new(), record };
    assert_eq!(runtime.block_on(verifier.verify(question, 5)), Some(false));
    assert_eq!(recorded.load(Ordering::SeqCst), 1);
}

//! Work on other threads: all of it is done, and what cannot be is an error.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::*;

fn wait<T>(task: Task<T>) -> Result<T, NotDone> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task)
}

#[test]
fn work_is_done_also_if_nobody_waits_for_it() {
    start().unwrap();
    assert_eq!(wait(spawn(|| 1 + 1)), Ok(2));
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let done = Arc::clone(&done);
        drop(spawn_to_the_end(move || done.fetch_add(1, Ordering::SeqCst)));
    }
    finish();
    assert_eq!(done.load(Ordering::SeqCst), 100);
}

#[test]
fn what_waits_for_each_other_runs_at_the_same_time() {
    let barrier = Arc::new(Barrier::new(40));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            spawn(move || barrier.wait().is_leader())
        })
        .collect();
    assert_eq!(tasks.into_iter().map(wait).filter(|it| *it == Ok(true)).count(), 1);
}

#[test]
fn work_that_panics_is_not_done_and_the_next_one_is() {
    assert_eq!(
        wait(spawn(|| if true {
            panic!("on purpose")
        })),
        Err(NotDone)
    );
    assert_eq!(wait(spawn(|| 3)), Ok(3));
}

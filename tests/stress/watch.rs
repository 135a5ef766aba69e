//! What each worker is doing at the moment, so that a hang is reported with what was going on and ends the program; and
//! the list of promises that were broken. Both are the program's own: no server is known here but by its guard.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::server;

/// How long one step of a worker may take.
const LIMIT: Duration = Duration::from_secs(90);

/// After so many broken promises more of them tell nothing new.
const ENOUGH: usize = 20;

static WORKERS: Mutex<Vec<Arc<State>>> = Mutex::new(Vec::new());
static BROKEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct State {
    label: String,
    step: Mutex<Step>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    what: &'static str,
    number: u64,
    begun: Instant,
}

/// A worker that tells what it does; forgotten when the value is dropped.
#[derive(Debug)]
pub(crate) struct Worker(Arc<State>);

impl Worker {
    /// A worker of this name.
    pub(crate) fn new(label: impl Into<String>) -> Worker {
        let step = Mutex::new(Step { what: "beginning", number: 0, begun: Instant::now() });
        let state = Arc::new(State { label: label.into(), step });
        lock(&WORKERS).push(Arc::clone(&state));
        Worker(state)
    }

    /// Tells the next step, with the number of the round, token or process it is about.
    pub(crate) fn begins(&self, what: &'static str, number: u64) {
        *lock(&self.0.step) = Step { what, number, begun: Instant::now() };
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        lock(&WORKERS).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

/// Starts the thread that ends the program when a worker does not get on.
pub(crate) fn start() {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let hangs = lock(&WORKERS).iter().any(|worker| lock(&worker.step).begun.elapsed() > LIMIT);
            if hangs {
                report();
                server::kill_all();
                std::process::exit(3);
            }
        }
    });
}

/// Ends the program, and its servers, when nobody can go on.
pub(crate) fn end(why: &str) -> ! {
    eprintln!("not finished: {why}");
    server::kill_all();
    std::process::exit(2);
}

/// Records a broken promise, and prints it at once.
pub(crate) fn broken(what: impl Into<String>) {
    let what = what.into();
    let mut broken = lock(&BROKEN);
    if broken.len() < ENOUGH {
        eprintln!("BROKEN: {what}");
    }
    broken.push(what);
}

/// How many promises were broken so far.
pub(crate) fn count() -> usize {
    lock(&BROKEN).len()
}

/// Have so many promises been broken that there is no point in going on?
pub(crate) fn enough() -> bool {
    count() >= ENOUGH
}

fn report() {
    eprintln!("HANG: a step has taken more than {} s; the steps now:", LIMIT.as_secs());
    for worker in lock(&WORKERS).iter() {
        let step = *lock(&worker.step);
        let seconds = step.begun.elapsed().as_secs_f32();
        eprintln!("  {:<30} {} {} for {seconds:.1} s", worker.label, step.what, step.number);
    }
    for log in server::logs() {
        eprintln!("{log}");
    }
}

/// A worker that has panicked has left nothing half done in these.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The thread that computes hashes of passwords: one, at low priority, with a short queue, so that wrong passwords by the
//! thousand cost nobody else anything, and keep nobody else out.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Secret;
use super::attempts::Attempt;

/// How many may wait.
const QUEUE: usize = 32;

const NICENESS: i32 = 10;

/// Computes hashes elsewhere.
pub(super) struct Verifier {
    desk: Arc<Desk>,
    /// Whether the thread has been started. That is tried again with every question.
    has_started: Mutex<bool>,
}

/// What is to be computed, and what becomes of it.
pub(super) struct Question {
    pub(super) attempt: Attempt,
    pub(super) secret: Secret,
    pub(super) password: Vec<u8>,
    /// Remembers the answer, before anybody gets it.
    pub(super) record: Box<dyn FnOnce(bool) + Send>,
}

/// Where questions are left.
struct Desk {
    queue: Mutex<Queue>,
    has_changed: Condvar,
}

/// Who waits, in the order of coming.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// The first one's hash is being computed.
    is_computing: bool,
    is_closed: bool,
}

struct Waiting {
    question: Question,
    answers: Vec<oneshot::Sender<bool>>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    pub(super) fn new() -> Self {
        let desk = Desk { queue: Mutex::default(), has_changed: Condvar::new() };
        Self { desk: Arc::new(desk), has_started: Mutex::new(false) }
    }

    /// Starts the thread if it is not there yet, and reports whether it is there.
    pub(super) fn start(&self) -> bool {
        let mut has_started = self.has_started.lock().unwrap_or_else(PoisonError::into_inner);
        if !*has_started {
            *has_started = start(Arc::clone(&self.desk));
        }
        *has_started
    }

    /// Whether the password is the right one; `None` if too many are waiting to know, or as many as `at_once` under this name from
    /// this network. Who asks what somebody asks already gets the same answer: a page with a hundred images is one question.
    pub(super) async fn verify(&self, question: Question, at_once: usize) -> Option<bool> {
        if !self.start() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.desk.lock().add(Waiting { question, answers: vec![answer] }, at_once);
        self.desk.has_changed.notify_one();
        answered.await.ok()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.desk.lock().is_closed = true;
        self.desk.has_changed.notify_one();
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be computed next; `None` once nobody can ask any more.
    fn next(&self) -> Option<(Secret, Vec<u8>)> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            queue.forget_the_gone();
            if let Some(Waiting { question, .. }) = queue.waiting.front() {
                let next = (question.secret.clone(), question.password.clone());
                queue.is_computing = true;
                return Some(next);
            }
            queue = self.has_changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers all who asked the first question.
    fn answer(&self, is_right: bool) {
        let mut queue = self.lock();
        queue.is_computing = false;
        let Some(Waiting { question, answers }) = queue.waiting.pop_front() else { return };
        // Nobody can ask the same once more before it is remembered.
        (question.record)(is_right);
        drop(queue);
        for answer in answers {
            let _ = answer.send(is_right);
        }
    }
}

impl Queue {
    /// Takes a question, unless there is no room: who is dropped learns that. A network that has many of the places gives one to
    /// another that has fewer.
    fn add(&mut self, new: Waiting, at_once: usize) {
        self.forget_the_gone();
        if let Some(same) = self.waiting.iter_mut().find(|it| it.is_about(&new)) {
            same.answers.extend(new.answers);
            return;
        }
        let who = |it: &&Waiting| it.question.attempt.who == new.question.attempt.who;
        if self.waiting.iter().filter(who).count() >= at_once {
            return;
        }
        if self.waiting.len() >= QUEUE && !self.make_room(&new) {
            return;
        }
        self.waiting.push_back(new);
    }

    /// Whether a place became free for `new`.
    fn make_room(&mut self, new: &Waiting) -> bool {
        let places = |of: &Waiting| {
            let network = &of.question.attempt.network;
            self.waiting.iter().filter(|it| it.question.attempt.network == *network).count()
        };
        let first = usize::from(self.is_computing);
        let last_of_most = (first..self.waiting.len()).max_by_key(|at| places(&self.waiting[*at]));
        match last_of_most {
            Some(at) if places(&self.waiting[at]) > places(new) + 1 => {
                self.waiting.remove(at);
                true
            }
            _ => false,
        }
    }

    /// Who asked may have gone; then nobody needs the answer.
    fn forget_the_gone(&mut self) {
        let mut computing = self.is_computing;
        self.waiting.retain(|it| {
            std::mem::take(&mut computing) || it.answers.iter().any(|answer| !answer.is_closed())
        });
    }
}

impl Waiting {
    fn is_about(&self, other: &Self) -> bool {
        self.question.attempt.what == other.question.attempt.what
            && self.question.attempt.who == other.question.attempt.who
    }
}

fn start(desk: Arc<Desk>) -> bool {
    let thread = std::thread::Builder::new().name("passwords".to_owned());
    let started = thread.spawn(move || work(&desk));
    if let Err(error) = &started {
        log::error!("passwords cannot be verified, because no thread can be started: {error}");
    }
    started.is_ok()
}

fn work(desk: &Desk) {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        log::debug!("the priority stays as it is: {error}");
    }
    while let Some((secret, password)) = desk.next() {
        // Whatever becomes of one password, the next ones are looked at.
        let verified = catch_unwind(AssertUnwindSafe(|| secret.is_of(&password)));
        desk.answer(verified.unwrap_or(false));
    }
}

#[cfg(test)]
mod tests;

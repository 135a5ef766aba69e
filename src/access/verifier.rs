//! The thread that computes hashes of passwords: one, at low priority, with a short queue, so that wrong passwords by the
//! thousand cost nobody else anything.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::oneshot;

use super::Secret;

/// How many may wait.
const QUEUE: usize = 32;

const NICENESS: i32 = 10;

/// Computes hashes elsewhere.
pub(super) struct Verifier(OnceLock<Option<SyncSender<Question>>>);

struct Question {
    secret: Secret,
    password: Vec<u8>,
    answer: oneshot::Sender<bool>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    pub(super) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Whether `secret` is that of `password`; `None` if too many are waiting to know.
    pub(super) async fn verify(&self, secret: Secret, password: Vec<u8>) -> Option<bool> {
        let sender = self.0.get_or_init(start).as_ref()?;
        let (answer, answered) = oneshot::channel();
        sender.try_send(Question { secret, password, answer }).ok()?;
        answered.await.ok()
    }
}

fn start() -> Option<SyncSender<Question>> {
    let (sender, questions) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name("passwords".to_owned());
    match thread.spawn(move || work(&questions)) {
        Ok(_) => Some(sender),
        Err(error) => {
            log::error!("passwords cannot be verified: {error}");
            None
        }
    }
}

fn work(questions: &Receiver<Question>) {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        log::debug!("the priority stays as it is: {error}");
    }
    for Question { secret, password, answer } in questions {
        // Who asked may have gone; then nobody needs the answer.
        if !answer.is_closed() {
            let _ = answer.send(secret.is_of(&password));
        }
    }
}

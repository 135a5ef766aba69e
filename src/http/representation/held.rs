//! The memory of small files whose answers clients do not take. The store forgets files when its memory is full; an answer under
//! way keeps the bytes of its file, and over HTTP/2 one connection can have a hundred of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;

/// Smaller bodies are not counted: they cost no more than any answer.
const FREE: usize = 16 * 1024;

/// A smaller limit would have files read again that a page or two consist of.
const LEAST: u64 = 16 << 20;

/// The bodies that answers hold.
#[derive(Default)]
pub(in crate::http) struct Held(Mutex<Bodies>);

#[derive(Default)]
struct Bodies {
    /// The bytes of all of them, each counted once.
    bytes: u64,
    /// The number of answers that hold a body, by where it lies in memory.
    answers: HashMap<usize, usize>,
}

/// A body that counts until it is dropped.
struct Hold {
    body: Bytes,
    held: Arc<Held>,
}

impl Held {
    /// Returns `body` for one more answer. `None` if the bodies of all answers would be more than `limit` bytes then; the answer is
    /// to be read from the file instead.
    pub(in crate::http) fn hold(self: &Arc<Self>, body: &Bytes, limit: u64) -> Option<Bytes> {
        if body.len() <= FREE {
            return Some(body.clone());
        }
        let mut bodies = self.bodies();
        let place = body.as_ptr().addr();
        if !bodies.answers.contains_key(&place) {
            let bytes = bodies.bytes + body.len() as u64;
            if bytes > limit.max(LEAST) {
                return None;
            }
            bodies.bytes = bytes;
        }
        *bodies.answers.entry(place).or_default() += 1;
        drop(bodies);
        Some(Bytes::from_owner(Hold { body: body.clone(), held: Arc::clone(self) }))
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Hold {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut bodies = self.held.bodies();
        let place = self.body.as_ptr().addr();
        let Some(answers) = bodies.answers.get_mut(&place) else { return };
        *answers -= 1;
        if *answers == 0 {
            bodies.answers.remove(&place);
            bodies.bytes -= self.body.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_count_once_each_until_the_last_answer_is_taken() {
        let held = Arc::new(Held::default());
        let files: Vec<Bytes> = (0..20).map(|_| Bytes::from(vec![0; 1 << 20])).collect();
        let hold = |number: usize| held.hold(&files[number], 0);
        let answers: Vec<_> = (0..16).map(|number| hold(number).unwrap()).collect();
        assert!(hold(16).is_none(), "no more than the limit");
        let again: Vec<_> = (0..100).map(|_| hold(3).expect("it is counted already")).collect();
        assert!(held.hold(&Bytes::from(vec![0; FREE]), 0).is_some(), "small ones are not counted");
        assert!(held.hold(&files[16], 20 << 20).is_some(), "a larger limit");
        drop(answers);
        assert_eq!(held.bodies().bytes, 1 << 20);
        assert!(hold(16).is_some());
        drop(again);
        let bodies = held.bodies();
        assert_eq!((bodies.bytes, bodies.answers.len()), (0, 0));
    }
}

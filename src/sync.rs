//! The primitives of threads whose order `model/` explores. There, a module of the same name has the ones of shuttle, under
//! which every order can be tried; here they are those of the standard library.
//!
//! Only the parts of the store that the model runs use this: what is only counted, and what no order can hurt, does not.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
}

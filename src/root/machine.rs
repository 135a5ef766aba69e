//! What is asked of the machine and stays as it is while it runs: read once, before the sandbox closes (`/proc` and
//! `/sys` lie outside of it). And a limit of it that must not be the end.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

/// Reads all of it.
pub fn know_the_machine() {
    boot_id();
    processors();
}

/// What tells this run of the machine from every other; `None` where the kernel does not say.
pub fn boot_id() -> Option<&'static str> {
    static KNOWN: OnceLock<Option<String>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().filter(|id| !id.trim().is_empty())
    });
    known.as_deref()
}

/// How many threads can run at a time, as far as control groups let them.
pub fn processors() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| std::thread::available_parallelism().map_or(2, usize::from))
}

/// A write beyond the limit on the size of files (RLIMIT_FSIZE) is an error where this signal has a handler,
/// and the end of the process where it has none. A read-only server writes too, to see what a filesystem can prove.
pub(super) fn survive_size_limit() {
    static HANDLED: OnceLock<()> = OnceLock::new();
    HANDLED.get_or_init(|| {
        let reached = Arc::new(AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, reached) {
            log::warn!("a limit on the size of files would end the server: {error}");
        }
    });
}

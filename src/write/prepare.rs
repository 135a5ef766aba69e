//! What is done once, before the first write.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::root::{Recovered, Root};
use crate::validator_store::record::has_tag;

/// Makes ready for writes to `root`: brings to an end what a server that died has left, and sees to it that a write beyond the
/// limit on the size of files (RLIMIT_FSIZE) is an error. Looks at all folders.
pub fn prepare(root: &Root) {
    recover(root);
    survive_size_limit();
}

fn recover(root: &Root) {
    match root.recover(&has_tag) {
        Ok(found) if found == Recovered::default() => {}
        Ok(found) => log::warn!("interrupted writes: {found:?}"),
        Err(error) => log::warn!("interrupted writes were not looked for: {error:?}"),
    }
}

/// A write beyond the limit on the size of files (RLIMIT_FSIZE) is an error where this signal has a handler,
/// and the end of the process where it has none.
fn survive_size_limit() {
    let reached = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, reached) {
        log::warn!("a limit on the size of files would end the server: {error}");
    }
}

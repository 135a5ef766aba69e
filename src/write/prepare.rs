//! What is done once at start about writes that a server that died has interrupted.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::root::{Recovered, Root};
use crate::validator_store::ValidatorStore;
use crate::validator_store::record::has_tag;

/// How long the start waits for a look at all folders. In most folders that takes less.
const SURVEY_PATIENCE: Duration = Duration::from_secs(1);

/// Makes ready for writes to `root`: brings to an end what a server that died has left. Looks at all folders.
pub fn prepare(root: &Root) {
    match root.recover(&has_tag) {
        Ok(found) if found == Recovered::default() => {}
        Ok(found) => log::warn!("interrupted writes were found and settled: {found}"),
        Err(error) => log::warn!("the folder could not be searched for interrupted writes: {error:?}"),
    }
}

/// Looks for interrupted writes that nobody brings to an end, because nothing may be written. Each is logged, and the
/// versions that were accepted are served.
///
/// It goes on in a thread where there are many folders. What is read before that has come to its folder may be a version
/// that nobody has accepted.
pub fn survey<R: Send + Sync + 'static>(store: &Arc<ValidatorStore<R>>) {
    let (done, wait) = mpsc::channel::<()>();
    let store = Arc::clone(store);
    let look = move || {
        match store.root().survey(&has_tag) {
            Ok(paths) => paths.iter().for_each(|path| store.evict(path)),
            Err(error) => log::warn!("interrupted writes were not looked for: {error:?}"),
        }
        drop(done);
    };
    if let Err(error) = std::thread::Builder::new().name("survey".to_owned()).spawn(look) {
        log::warn!("interrupted writes are not looked for: {error}");
    }
    let _ = wait.recv_timeout(SURVEY_PATIENCE);
}

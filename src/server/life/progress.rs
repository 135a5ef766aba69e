//! The progress line of the index on a terminal. The only user of `indicatif`.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget};

use crate::http::Store;
use crate::validator_store::index::IndexState;

/// How often the line is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Starts a thread that shows the line until the index is complete. Shows nothing if standard error
/// is not a terminal.
pub(in crate::server) fn show(store: Arc<Store>) {
    if ProgressDrawTarget::stderr().is_hidden() {
        return;
    }
    let thread = std::thread::Builder::new().name("progress".to_owned());
    if let Err(error) = thread.spawn(move || draw(&store)) {
        log::debug!("the progress of the index is not shown: {error}");
    }
}

fn draw(store: &Store) {
    let line = ProgressBar::new_spinner();
    loop {
        let now = store.index().statistics();
        match now.state {
            IndexState::Off | IndexState::Complete => return line.finish_and_clear(),
            IndexState::Loading | IndexState::Walking => {}
        }
        let (done, elapsed) = (now.read + now.known, line.elapsed().as_secs_f64().max(0.001));
        line.set_message(format!(
            "index: {} files ({} a second), {} read",
            HumanCount(done),
            HumanCount((done as f64 / elapsed) as u64),
            HumanBytes(now.bytes_hashed)
        ));
        line.tick();
        std::thread::sleep(DRAW_INTERVAL);
    }
}

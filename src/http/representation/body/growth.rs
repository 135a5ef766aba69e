//! Whether a file that changed while it was sent has only become longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Source;
use crate::root::Stamp;

/// How long a file whose times moved may take to be longer, and how often to look: `write(2)` moves the times first.
const GROWTH_LIMIT: Duration = Duration::from_millis(250);
const GROWTH_LOOK: Duration = Duration::from_millis(2);

/// Waits until a file whose stamp has moved is longer than it was. `None` where it is shorter, or was changed in
/// some other way.
pub(super) async fn grown(source: Arc<Source>, before: Stamp) -> Option<Stamp> {
    let begun = Instant::now();
    loop {
        let now = source.file.stamp_now().ok()?;
        if now.has_grown_from(&before) {
            return Some(now);
        }
        if now.size < before.size || begun.elapsed() >= GROWTH_LIMIT {
            return None;
        }
        tokio::time::sleep(GROWTH_LOOK).await;
    }
}

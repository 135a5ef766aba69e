//! What is done once, before the first write.

use crate::root::{Recovered, Root};
use crate::validator_store::record::has_tag;

/// Makes ready for writes to `root`: brings to an end what a server that died has left. Looks at all folders.
pub fn prepare(root: &Root) {
    match root.recover(&has_tag) {
        Ok(found) if found == Recovered::default() => {}
        Ok(found) => log::warn!("interrupted writes were found and settled: {found}"),
        Err(error) => log::warn!("the folder could not be searched for interrupted writes: {error:?}"),
    }
}

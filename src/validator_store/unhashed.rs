//! [`Unhashed`]: a large file that is sent without knowing the digest of its bytes, because hashing takes longer than the
//! client should wait, or because somebody is writing to the file.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::dates::{Offer, Version};
use super::settle::{Rest, rest};
use super::{Found, Patience, ValidatorStore};
use crate::resource_path::ResourcePath;
use crate::root::{OpenError, OpenFile};
use crate::semantics::http_date::HttpDate;

/// How long a large file that somebody has open for writing is waited for, and how often it is looked at meanwhile.
const CALM_LIMIT: Duration = Duration::from_secs(3);
const CALM_LOOK: Duration = Duration::from_millis(50);

/// A large file of unknown digest, open for reading.
pub struct Unhashed {
    /// The file, under the stamp of the moment from which it is to be sent.
    pub file: OpenFile,
    /// What may be said of its bytes.
    pub steadiness: Steadiness,
    /// Its date, where it can be told.
    pub date: Option<Arc<Offer>>,
}

/// What may be said of the bytes of a file without a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steadiness {
    /// They belong to the stamp: nobody is writing, and whoever begins to moves the stamp.
    Still,
    /// Somebody has the file open for writing and is likely to append to it. What was there at some moment can be sent; that
    /// is a statement about the moment and not about a version.
    Moving,
}

impl<R: Send + Sync + 'static> ValidatorStore<R> {
    /// Waits until a large file may be sent without knowing its digest: until nobody should be in the middle of a write.
    ///
    /// A log that is appended to without a pause never gets there. It can be sent as it is all the same, because appending leaves the
    /// bytes before it alone. A part of it is sent as soon as it was seen to grow. The whole of a file that grows may be a
    /// copy under way, so that is waited for as long as for a file that changes in other ways, which is then refused.
    pub(super) async fn calm(
        &self,
        path: &ResourcePath<'_>,
        mut file: OpenFile,
        patience: Patience,
    ) -> Result<Found<R>, OpenError> {
        let filesystem = self.root.filesystem(path, &file);
        let deadline = Instant::now() + CALM_LIMIT;
        let mut growing = false;
        loop {
            let (began, before) = (Instant::now(), file.stamp());
            let unrest = match rest(&mut file, &filesystem)? {
                Rest::Still => return Ok(self.unhashed(path, file, Steadiness::Still, began)),
                Rest::Quiet => return Ok(self.unhashed(path, file, Steadiness::Moving, began)),
                Rest::Unrest(left) => left,
            };
            if file.stamp() != before {
                growing = file.stamp().has_grown_from(&before);
            }
            let is_late = Instant::now() >= deadline;
            if growing && (is_late || patience == Patience::Part) {
                return Ok(self.unhashed(path, file, Steadiness::Moving, began));
            }
            if is_late {
                return Err(OpenError::Busy);
            }
            tokio::time::sleep(unrest.min(CALM_LOOK)).await;
        }
    }

    fn unhashed(
        &self,
        path: &ResourcePath<'_>,
        file: OpenFile,
        steadiness: Steadiness,
        began: Instant,
    ) -> Found<R> {
        let version = match steadiness {
            Steadiness::Still => Version::Still(file.stamp()),
            Steadiness::Moving => Version::Moving(file.stamp()),
        };
        let date = self.dates.offer(path.as_str(), version, began, HttpDate::of(SystemTime::now()));
        Found::Unhashed(Unhashed { file, steadiness, date })
    }
}

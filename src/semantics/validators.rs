//! What the server can say about the version of a representation it would send now
//! (RFC 9110 8.8). How it comes to know it is not decided here.

use super::entity_tag::EntityTag;
use super::http_date::HttpDate;

/// The validators of a representation that exists. No representation is `None` around this type,
/// never an empty value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// `None`: the representation exists, but no tag can be vouched for now.
    pub entity_tag: Option<EntityTag<'static>>,
    /// `None`: its modification date is unknown or not to be believed.
    pub last_modified: Option<HttpDate>,
}

//! All cases, by group. A case stands once, in the file of its group; its id never changes.

mod changes;
pub(crate) mod codings;
mod conditions;
pub(crate) mod files;
mod framing;
mod paths;
mod ranges;
mod sending;
mod validators;
mod writes;
mod writing;

use crate::case::{Case, Group};

/// The groups, in the order in which they are asked. The last one may harm the folder.
pub(crate) const GROUPS: [Group; 11] = [
    validators::GROUP,
    changes::GROUP,
    sending::GROUP,
    conditions::GROUP,
    ranges::GROUP,
    codings::GROUP,
    framing::GROUP,
    paths::GROUP,
    files::GROUP,
    writes::GROUP,
    writing::GROUP,
];

/// All cases with the names of their groups.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Case)> {
    GROUPS.iter().flat_map(|group| group.cases.iter().map(|case| (group.name, case)))
}

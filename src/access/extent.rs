//! Where somebody has a right, for people who want to know what the rules add up to.

use super::{Access, Right, Rules};

/// Where somebody has a right. A place is written `below /inbox` or, for a pattern, `in *.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nowhere.
    Nowhere,
    /// Everywhere.
    Everywhere,
    /// Everywhere but in these places.
    Except(Vec<String>),
    /// In these places only.
    Only(Vec<String>),
}

impl Rules {
    fn extent(&self, right: Right) -> Extent {
        let places = |given: bool| -> Vec<String> {
            let is_meant = |it: &Right| (*it >= right) == given;
            let paths = self.paths.iter().filter(|(path, it)| !path.as_str().is_empty() && is_meant(it));
            let patterns = self.patterns.iter().filter(|(_, it)| is_meant(it));
            let paths = paths.map(|(path, _)| format!("below /{}", path.as_str()));
            paths.chain(patterns.map(|(pattern, _)| format!("in {pattern}"))).collect()
        };
        let at_root = self.paths.iter().any(|(path, it)| path.as_str().is_empty() && *it >= right);
        match (at_root, places(!at_root)) {
            (true, taken) if taken.is_empty() => Extent::Everywhere,
            (true, taken) => Extent::Except(taken),
            (false, given) if given.is_empty() => Extent::Nowhere,
            (false, given) => Extent::Only(given),
        }
    }
}

impl Access {
    /// Returns where everybody may do that without an account.
    pub fn extent_of_everybody(&self, right: Right) -> Extent {
        self.everybody.extent(right)
    }

    /// Returns where each account that may do that somewhere may do it.
    pub fn extents_of_accounts(&self, right: Right) -> Vec<Extent> {
        let all = self.accounts.iter().map(|account| account.rules.extent(right));
        all.filter(|extent| *extent != Extent::Nowhere).collect()
    }
}

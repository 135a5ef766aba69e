//! Who may write at a path: those who may change everything, or others as well.

use super::{Access, Right, Rules, Visitor};
use crate::resource_path::ResourcePath;

/// Who may write at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Nobody.
    Nobody,
    /// Only accounts that may read and write everything.
    Editors,
    /// Somebody else as well: everybody, or an account that may do less.
    Others,
}

impl Access {
    /// Finds out who may write at `path`.
    pub fn writers(&self, path: &ResourcePath<'_>) -> Writers {
        if self.allows(Visitor::ANYBODY, path, Right::Write) {
            return Writers::Others;
        }
        let mut writers = Writers::Nobody;
        for (index, account) in self.accounts.iter().enumerate() {
            if !self.allows(Visitor(Some(index)), path, Right::Write) {
                continue;
            }
            if !account.rules.give_all() {
                return Writers::Others;
            }
            writers = Writers::Editors;
        }
        writers
    }
}

impl Rules {
    /// Reports whether everything may be read and written.
    fn give_all(&self) -> bool {
        let everywhere = self.paths.iter().any(|(path, _)| path.as_str().is_empty());
        let rights = self.paths.iter().map(|(_, right)| right);
        everywhere
            && rights.chain(self.patterns.iter().map(|(_, right)| right)).all(|right| *right == Right::Write)
    }
}

#[cfg(test)]
mod tests;

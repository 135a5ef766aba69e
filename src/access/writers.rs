//! Who may write at a path: those who may change everything, or others as well.

use super::{Access, Right, Rules, judged};
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
        let give = |rules: &Rules, path: &ResourcePath<'_>| rules.at(path) == Some(Right::Write);
        // Asked once for everybody, and not again for each account.
        let mut needed = judged(path);
        needed.retain(|path| !give(&self.everybody, path));
        if needed.is_empty() {
            return Writers::Others;
        }
        let mut writers = Writers::Nobody;
        for account in &self.accounts {
            if !needed.iter().all(|path| give(&account.rules, path)) {
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

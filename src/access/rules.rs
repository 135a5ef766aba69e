//! The rights of one account, or of everybody, by path.

use std::sync::OnceLock;

use super::Right;
use crate::resource_path::ResourcePath;
use crate::resource_path::pattern::{Match, PathPattern, PathPatterns};

/// Rights by path, and by pattern: a pattern counts more than a path, and of several the last one. What a pattern takes from a folder is
/// taken from all that is in it; what it gives, it gives to what it matches only.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) paths: Vec<(ResourcePath<'static>, Right)>,
    pub(super) patterns: Vec<(PathPattern, Right)>,
    /// All of `patterns`, put together when they are first asked.
    together: OnceLock<PathPatterns>,
}

impl Rules {
    /// One right for all paths.
    pub(super) fn everywhere(right: Right) -> Self {
        Self { paths: vec![(ResourcePath::ROOT, right)], ..Self::default() }
    }

    /// The right that is the same everywhere, if nothing else is said of any path.
    pub(super) fn same_everywhere(&self) -> Option<Right> {
        match self.paths.as_slice() {
            [(rule, right)] if self.patterns.is_empty() && rule.as_str().is_empty() => Some(*right),
            _ => None,
        }
    }

    /// The right at `path`.
    pub(super) fn at(&self, path: &ResourcePath<'_>) -> Option<Right> {
        let covers = |rule: &ResourcePath<'_>| {
            let rest = path.as_str().strip_prefix(rule.as_str());
            rule.as_str().is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let covering = self.paths.iter().filter(|(rule, _)| covers(rule));
        let by_path = covering.max_by_key(|(rule, _)| rule.as_str().len()).map(|(_, right)| *right);
        if self.patterns.is_empty() {
            return by_path;
        }
        let put_together = || PathPatterns::new(self.patterns.iter().map(|(pattern, _)| pattern));
        let found = self.together.get_or_init(put_together).of(path);
        let rights = self.patterns.iter().map(|(_, right)| *right);
        found.into_iter().zip(rights).fold(by_path, |so_far, (found, right)| match found {
            Match::Path => Some(right),
            Match::Above if so_far.is_some_and(|so_far| so_far > right) => Some(right),
            Match::Above | Match::No => so_far,
        })
    }

    /// Adds patterns, which count more than those before.
    pub(super) fn add_patterns(&mut self, patterns: impl IntoIterator<Item = PathPattern>, right: Right) {
        self.patterns.extend(patterns.into_iter().map(|pattern| (pattern, right)));
        self.together = OnceLock::new();
    }

    /// Sets the right at a path and below. A later rule for the same path takes the place of an earlier one.
    pub(super) fn set(&mut self, path: ResourcePath<'static>, right: Right) {
        self.paths.retain(|(known, _)| *known != path);
        self.paths.push((path, right));
    }

    /// Reports whether there is a path at which the right is given.
    pub(super) fn give(&self, right: Right) -> bool {
        let by_path = self.paths.iter().map(|(_, given)| given);
        by_path.chain(self.patterns.iter().map(|(_, given)| given)).any(|given| *given >= right)
    }
}

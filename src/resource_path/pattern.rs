//! Patterns over resource paths, for rules about some of the files. The only user of globset.

use std::fmt;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{OWN_NAME, RESERVED_PREFIX, ResourcePath};

/// Which resources a rule is about: `*` stands for anything but a slash, `?` for one character of ASCII, `**` for any folders, `{a,b}` and
/// `[a-z]` for one of several.
///
/// A pattern without a slash is about the name, in whatever folder (`*.html`); any other about the whole path, with or without a slash at
/// its beginning (`/assets/**`, `docs/*.pdf`). `/assets/**` and `/assets/` are about the folder too, and all that is below.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    matcher: GlobSet,
}

/// What is wrong with a pattern, as the second half of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PathPattern {
    /// # Errors
    /// [`PatternError`] for what is no pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let failed = |why: &dyn fmt::Display| PatternError(format!("{text:?} is not a pattern: {why}"));
        if text.is_empty() {
            return Err(failed(&"it is empty; ** stands for everything"));
        }
        let below = text.strip_prefix('/').unwrap_or(text);
        if let Some(why) = names_nothing(below) {
            return Err(failed(&why));
        }
        let (folder, whole) = match below.strip_suffix('/').or_else(|| below.strip_suffix("/**")) {
            Some(folder) => (Some(folder), format!("{folder}/**")),
            None if below.is_empty() => (Some(""), "**".to_owned()),
            None if text.contains('/') || below == "**" => (None, below.to_owned()),
            None => (None, format!("**/{below}")),
        };
        let mut globs = GlobSetBuilder::new();
        for pattern in [Some(whole.as_str()), folder].into_iter().flatten() {
            globs.add(glob(pattern).map_err(|error| failed(error.kind()))?);
        }
        let matcher = globs.build().map_err(|error| failed(error.kind()))?;
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// Whether the rule is about `path`.
    pub fn matches(&self, path: &ResourcePath<'_>) -> bool {
        self.matcher.is_match(path.as_str())
    }

    /// Whether the rule is about a folder in which `path` is, at whatever depth.
    pub fn matches_above(&self, path: &ResourcePath<'_>) -> bool {
        let folders = path.as_str().match_indices('/').map(|(end, _)| path.ancestor(end));
        folders.into_iter().any(|folder| self.matches(&folder))
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether something in `text` reads as percent-encoded.
pub fn has_escapes(text: &str) -> bool {
    let coded = |at: usize| {
        text.as_bytes()[at + 1..].get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    text.match_indices('%').any(|(at, _)| coded(at))
}

/// Why no path can be like that: a rule without effect is mostly one that somebody believes to have one.
fn names_nothing(below: &str) -> Option<&'static str> {
    let names = below.strip_suffix('/').unwrap_or(below).split('/');
    if names.clone().any(|name| matches!(name, "." | "..")) || below.contains("//") || below.starts_with('/')
    {
        return Some("no path has a \".\" or \"..\" in it, or two slashes side by side");
    }
    if has_escapes(below) {
        return Some("names are written as they are, not percent-encoded ([%] stands for a percent sign)");
    }
    if names.clone().next() == Some(OWN_NAME) || names.clone().any(|name| name.starts_with(RESERVED_PREFIX)) {
        return Some(
            "that is the server's own, which no rule is about; --admin-bind gives it another address",
        );
    }
    let class = |rest: &str| rest.split_once(']').is_some_and(|(class, _)| !class.is_ascii());
    if below.split('[').skip(1).any(class) {
        return Some("only characters of ASCII can stand in brackets; write {ä,ö} for others");
    }
    None
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

#[cfg(test)]
mod tests;

//! Patterns over resource paths, for rules about some of the files. The only user of globset.

use std::fmt;

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{OWN_NAME, RESERVED_PREFIX, ResourcePath};

/// Which resources a rule is about: `*` stands for anything but a slash, `?` for one character of ASCII, `**` for any folders, `{a,b}` and
/// `[a-z]` for one of several.
///
/// A pattern without a slash is about the name, in whatever folder (`*.html`); any other about the whole path, with or without a slash at
/// its beginning (`/assets/**`, `docs/*.pdf`). `/assets/**` and `/assets/` are about the folder too, and all that is below.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    globs: Vec<(Match, Glob)>,
    /// All of `globs`.
    matcher: GlobSet,
}

/// How a pattern is about a path. The later one includes the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// Not at all.
    No,
    /// It is about a folder in which the path is, at whatever depth.
    Above,
    /// It is about the path itself.
    Path,
}

/// Several patterns that are asked together: all that are about a path are found in one pass over it, however many folders it has.
/// So what a request costs grows with the length of its path, and not with the square of it.
#[derive(Clone, Debug, Default)]
pub struct PathPatterns {
    /// How many patterns there are.
    count: usize,
    /// One in all but extreme cases. Together they have the globs of all patterns in their order.
    matchers: Vec<GlobSet>,
    /// For each glob its pattern, and what it tells of a path.
    meanings: Vec<(usize, Match)>,
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
        // Where the pattern is about a folder and all below it, nothing below is left to be told apart.
        let below = folder.is_none().then(|| format!("{whole}/**"));
        let globs = [
            Some((Match::Path, whole.as_str())),
            folder.map(|folder| (Match::Path, folder)),
            below.as_deref().map(|below| (Match::Above, below)),
        ];
        let globs: Vec<(Match, Glob)> = globs
            .into_iter()
            .flatten()
            .map(|(meaning, text)| glob(text).map(|glob| (meaning, glob)))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(error.kind()))?;
        let matcher = all_of(globs.iter().map(|(_, glob)| glob)).map_err(|error| failed(error.kind()))?;
        Ok(Self { text: text.to_owned(), globs, matcher })
    }

    /// Reports whether the rule is about `path`. For several patterns see [`PathPatterns`].
    pub fn matches(&self, path: &ResourcePath<'_>) -> bool {
        let meaning = |glob: &usize| self.globs[*glob].0;
        self.matcher.matches(path.as_str()).iter().any(|glob| meaning(glob) == Match::Path)
    }
}

impl PathPatterns {
    /// Puts patterns together.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a PathPattern>) -> Self {
        let patterns: Vec<&PathPattern> = patterns.into_iter().collect();
        let of_pattern = |(at, pattern): (usize, &&PathPattern)| {
            pattern.globs.iter().map(move |glob| (at, glob.0)).collect()
        };
        let meanings: Vec<Vec<(usize, Match)>> = patterns.iter().enumerate().map(of_pattern).collect();
        let mut matchers = Vec::new();
        build(&patterns, &mut matchers);
        Self { count: patterns.len(), matchers, meanings: meanings.concat() }
    }

    /// How each pattern is about `path`, in their order.
    pub fn of(&self, path: &ResourcePath<'_>) -> Vec<Match> {
        let mut found = vec![Match::No; self.count];
        let candidate = Candidate::new(path.as_str());
        let (mut globs, mut first) = (Vec::new(), 0);
        for matcher in &self.matchers {
            matcher.matches_candidate_into(&candidate, &mut globs);
            for (pattern, meaning) in globs.iter().map(|glob| self.meanings[first + glob]) {
                found[pattern] = found[pattern].max(meaning);
            }
            first += matcher.len();
        }
        found
    }
}

/// Adds a matcher for all `patterns`, or one for each half where they are too much for one.
fn build(patterns: &[&PathPattern], matchers: &mut Vec<GlobSet>) {
    let globs = patterns.iter().flat_map(|pattern| pattern.globs.iter().map(|(_, glob)| glob));
    match (all_of(globs), patterns) {
        (Ok(matcher), _) => matchers.push(matcher),
        (Err(_), []) => {}
        (Err(_), [pattern]) => matchers.push(pattern.matcher.clone()),
        (Err(_), patterns) => {
            let (one, other) = patterns.split_at(patterns.len() / 2);
            build(one, matchers);
            build(other, matchers);
        }
    }
}

fn all_of<'a>(globs: impl Iterator<Item = &'a Glob>) -> Result<GlobSet, globset::Error> {
    let mut all = GlobSetBuilder::new();
    for glob in globs {
        all.add(glob.clone());
    }
    all.build()
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

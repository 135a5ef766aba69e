//! The target resource of a request (RFC 9110 7.1) as a path below the root: decoded, relative,
//! without dot segments. What no [`ResourcePath`] can express is never opened.
//!
//! Nothing here looks at the filesystem: a path is a name, not a file.

pub mod pattern;

use std::borrow::{Borrow, Cow};
use std::fmt;

use actix_files::PathBufWrap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Names that begin like this belong to uploads in progress; they are never served or listed.
pub const RESERVED_PREFIX: &str = ".~ifmatch.";

/// The name in the root below which the server's own resources live; no file is served there.
pub const OWN_NAME: &str = "__ifmatch__";

/// The most bytes a path may have: the kernel takes no longer one (`PATH_MAX` without its final NUL).
pub const LONGEST_PATH: usize = 4095;

/// The most names a path may have, one below the other.
pub const DEEPEST_PATH: usize = 255;

/// No conflict copy has a longer name.
const LONGEST_NAME: usize = 255;

/// How the name of a conflict copy goes on where the stem of the file's own name ends, and the shape of the time and number that
/// come next.
pub const CONFLICT_MARK: &str = ".conflict-";
const CONFLICT_SHAPE: &[u8] = b"00000000T000000Z-xxxxxx";

/// The one hidden name that is always served (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// What a path segment must encode: everything but RFC 3986 `unreserved`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A decoded path below the root. Invariants, kept by every constructor:
///
/// - UTF-8, relative, segments joined by single slashes; empty for the root itself;
/// - no empty, `.` or `..` segment, no control character;
/// - at most [`LONGEST_PATH`] bytes and [`DEEPEST_PATH`] segments;
/// - no segment that begins with [`RESERVED_PREFIX`], and the first one is not [`OWN_NAME`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourcePath<'a>(Cow<'a, str>);

/// A request target: the path, and whether it was written with a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The decoded path.
    pub path: ResourcePath<'a>,
    /// How the request spelled its end.
    pub form: Form,
}

/// How a request target ends: only directories are addressed with a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/a/b`
    Plain,
    /// `/a/b/`, `/a/b/.`, `/a/b/c/..`, and the root
    Slash,
}

/// Whether names that begin with a dot exist for clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dotfiles {
    /// They do not (except `/.well-known`).
    #[default]
    Hidden,
    /// They do.
    Served,
}

/// Why a request target names no resource here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Hidden or reserved names: to the client they do not exist.
    Hidden,
    /// The target is not a path (authority form, asterisk).
    NotAPath,
    /// More `..` segments than there are folders to leave: the path leads out of the root.
    AboveRoot,
    /// More than [`LONGEST_PATH`] bytes, or more than [`DEEPEST_PATH`] names.
    TooLong,
    /// A slash that arrived percent-encoded.
    EncodedSlash,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
    /// A control character.
    ControlCharacter,
    /// A segment that begins with `*` or ends with `:`, `<` or `>`, which actix-files refuses.
    Unportable,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hidden => "the path names nothing that is served",
            Self::NotAPath => "the request target must be a path that begins with a slash",
            Self::AboveRoot => {
                "it has more \"..\" segments than folders, and would lead out of the served folder"
            }
            Self::TooLong => "it is longer than 4095 bytes, or has more than 255 names",
            Self::EncodedSlash => "the path has a percent-encoded slash (%2F); no file name has one",
            Self::NotUtf8 => "the path is not UTF-8 once percent-decoded",
            Self::ControlCharacter => "the path has a control character",
            Self::Unportable => "a path segment begins with \"*\" or ends with \":\", \"<\" or \">\"",
        })
    }
}

impl std::error::Error for PathError {}

impl<'a> ResourcePath<'a> {
    /// The root itself.
    pub const ROOT: ResourcePath<'static> = ResourcePath(Cow::Borrowed(""));

    /// Parses the path of a request target, as it came over the wire and without its query.
    ///
    /// The path is percent-decoded once. Then repeated slashes count as one, and after that `.` and `..` segments are
    /// removed (RFC 3986 6.2.2.3): `/a//../b` is `/b`. A path of plain ASCII names is taken as it stands. The result of
    /// any other is parsed again by [`PathBufWrap`], and both must agree.
    ///
    /// # Errors
    /// See [`PathError`]; every error but [`PathError::Hidden`] and [`PathError::TooLong`] is a malformed request.
    pub fn parse(target: &'a str, dotfiles: Dotfiles) -> Result<Target<'a>, PathError> {
        let relative = target.strip_prefix('/').ok_or(PathError::NotAPath)?;
        if is_plain(relative) && !relative.starts_with(OWN_NAME) {
            let (path, form) = match relative.strip_suffix('/') {
                Some(path) => (path, Form::Slash),
                None if relative.is_empty() => (relative, Form::Slash),
                None => (relative, Form::Plain),
            };
            let path = ResourcePath(Cow::Borrowed(path));
            return if path.is_within_limits() { Ok(Target { path, form }) } else { Err(PathError::TooLong) };
        }
        Self::parse_encoded(target, dotfiles)
    }

    fn parse_encoded(target: &str, dotfiles: Dotfiles) -> Result<Target<'static>, PathError> {
        let decoded = percent_decode_str(target).decode_utf8().map_err(|_| PathError::NotUtf8)?;
        if decoded.chars().any(char::is_control) {
            return Err(PathError::ControlCharacter);
        }
        if count_slashes(&decoded) != count_slashes(target) {
            return Err(PathError::EncodedSlash);
        }
        let Resolved { names, form } = Resolved::of(&decoded)?;
        if names.iter().enumerate().any(|(depth, name)| is_unnamed(name.as_bytes(), depth, dotfiles)) {
            return Err(PathError::Hidden);
        }
        let path = ResourcePath(Cow::Owned(names.join("/")));
        if !path.is_within_limits() {
            return Err(PathError::TooLong);
        }
        let theirs = PathBufWrap::parse_path(&path.to_url_path(), true).map_err(|_| PathError::Unportable)?;
        if AsRef::<std::path::Path>::as_ref(&theirs) != std::path::Path::new(path.as_str()) {
            return Err(PathError::Unportable);
        }
        Ok(Target { path, form })
    }

    /// Reports whether the path is no longer and no deeper than any path may be.
    fn is_within_limits(&self) -> bool {
        // So short a path is not too deep.
        self.0.len() <= DEEPEST_PATH || self.0.len() <= LONGEST_PATH && count_slashes(&self.0) < DEEPEST_PATH
    }

    /// The resource called `name` in this directory; `None` where no request could name it.
    pub fn child(&self, name: &str, dotfiles: Dotfiles) -> Option<ResourcePath<'static>> {
        let depth = if self.0.is_empty() { 0 } else { 1 };
        if name.contains('/') || !is_name(name, depth, dotfiles) {
            return None;
        }
        let path = if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) };
        Some(ResourcePath(Cow::Owned(path))).filter(Self::is_within_limits)
    }

    /// The resource at this relative path, as names on disk spell it; `None` where no request could name it.
    pub fn from_names(relative: &'a str, dotfiles: Dotfiles) -> Option<Self> {
        let mut names = relative.split('/').enumerate();
        let served = names.all(|(depth, name)| is_name(name, depth, dotfiles));
        served.then_some(ResourcePath(Cow::Borrowed(relative))).filter(Self::is_within_limits)
    }

    /// The directory that holds this resource; the root is its own parent.
    pub fn parent(&self) -> ResourcePath<'_> {
        let end = self.0.rfind('/').unwrap_or(0);
        ResourcePath(Cow::Borrowed(&self.0[..end]))
    }

    /// The part of the path before the byte `end`, where a segment must end.
    pub fn ancestor(&self, end: usize) -> ResourcePath<'_> {
        debug_assert!(end == 0 || end == self.0.len() || self.0.as_bytes()[end] == b'/');
        ResourcePath(Cow::Borrowed(&self.0[..end]))
    }

    /// The path as text: `a/b.txt`, or nothing for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path as an absolute URL path, percent-encoded: `/a/b%20c.txt`. It always begins with
    /// exactly one slash, so it can stand in `Location` without naming another host.
    pub fn to_url_path(&self) -> String {
        let mut url = String::with_capacity(self.0.len() + 1);
        for segment in self.0.split('/') {
            url.push('/');
            url.extend(encode_segment(segment));
        }
        url
    }

    /// Of what this is a conflict copy, if its name is that of one: `notes.txt` of
    /// `notes.conflict-20261122T151309Z-1a2b3c.txt`.
    pub fn conflict_original(&self) -> Option<ResourcePath<'static>> {
        // A longer name is none, and may repeat the mark without end.
        let name = Some(self.name()).filter(|name| name.len() <= LONGEST_NAME)?;
        let folder = self.parent();
        name.rmatch_indices(CONFLICT_MARK).find_map(|(at, mark)| {
            let (shape, extension) = name[at + mark.len()..].split_at_checked(CONFLICT_SHAPE.len())?;
            let fits = shape.bytes().zip(CONFLICT_SHAPE).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                b'x' => byte.is_ascii_hexdigit(),
                other => byte == *other,
            });
            let is_one = fits && (extension.is_empty() || extension.starts_with('.'));
            is_one.then(|| folder.child(&format!("{}{extension}", &name[..at]), Dotfiles::Served))?
        })
    }

    /// The same path, owning its text.
    pub fn into_owned(self) -> ResourcePath<'static> {
        ResourcePath(Cow::Owned(self.0.into_owned()))
    }
}

impl Borrow<str> for ResourcePath<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourcePath<'_> {
    /// Writes `/a/b.txt`, decoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// Percent-encodes one path segment.
pub fn encode_segment(segment: &str) -> impl Iterator<Item = &str> {
    utf8_percent_encode(segment, SEGMENT)
}

/// What is left of a decoded path once repeated slashes are merged and dot segments removed.
struct Resolved<'a> {
    names: Vec<&'a str>,
    form: Form,
}

impl<'a> Resolved<'a> {
    /// # Errors
    /// [`PathError::AboveRoot`], and [`PathError::TooLong`] also where only a part of the path goes too deep.
    fn of(decoded: &'a str) -> Result<Self, PathError> {
        let (mut names, mut form) = (Vec::new(), Form::Slash);
        for segment in decoded.split('/') {
            form = Form::Slash;
            match segment {
                "" | "." => {}
                ".." => drop(names.pop().ok_or(PathError::AboveRoot)?),
                _ if names.len() == DEEPEST_PATH => return Err(PathError::TooLong),
                name => {
                    names.push(name);
                    form = Form::Plain;
                }
            }
        }
        Ok(Self { names, form })
    }
}

fn count_slashes(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count()
}

/// Reports whether a name on disk, below `depth` folders, is one that no client is told of: a hidden or a reserved one.
pub fn is_unnamed(name: &[u8], depth: usize, dotfiles: Dotfiles) -> bool {
    let hidden = name.starts_with(b".") && name != WELL_KNOWN.as_bytes() && dotfiles == Dotfiles::Hidden;
    hidden || name.starts_with(RESERVED_PREFIX.as_bytes()) || depth == 0 && name == OWN_NAME.as_bytes()
}

/// Reports whether a request could spell the name, below `depth` folders.
fn is_name(name: &str, depth: usize, dotfiles: Dotfiles) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.chars().any(char::is_control)
        && !is_unportable(name)
        && !is_unnamed(name.as_bytes(), depth, dotfiles)
}

/// Whether actix-files refuses the name.
fn is_unportable(name: &str) -> bool {
    name.starts_with('*') || name.ends_with([':', '<', '>'])
}

/// Whether every byte may stand as it is: letters, digits and harmless marks, no empty segment
/// and none that begins with a dot.
fn is_plain(relative: &str) -> bool {
    let mut previous = b'/';
    for byte in relative.bytes() {
        let plain = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'+' | b',' | b'=' | b'@' => true,
            b'.' | b'/' => previous != b'/',
            _ => false,
        };
        if !plain {
            return false;
        }
        previous = byte;
    }
    true
}

#[cfg(test)]
mod tests;

//! The target resource of a request (RFC 9110 7.1) as a path below the root: decoded, relative,
//! without dot segments. What no [`ResourcePath`] can express is never opened.
//!
//! Nothing here looks at the filesystem: a path is a name, not a file.

pub mod pattern;

use std::borrow::{Borrow, Cow};
use std::fmt;

use actix_files::{PathBufWrap, UriSegmentError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Names that begin like this belong to uploads in progress; they are never served or listed.
pub const RESERVED_PREFIX: &str = ".~ifmatch.";

/// The name in the root below which the server's own resources live; no file is served there.
pub const OWN_NAME: &str = "__ifmatch__";

/// No filesystem has longer names.
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
    /// `/a/b/`, and the root
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
    /// A `.` or `..` segment, also when percent-encoded.
    DotSegment,
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
            Self::DotSegment => "the path has a \".\" or \"..\" segment; send it without",
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
    /// Repeated slashes count as one. A path of plain ASCII names is taken as it stands; any other
    /// goes through [`PathBufWrap`] as well, and both parsers must agree.
    ///
    /// # Errors
    /// See [`PathError`]; every error but [`PathError::Hidden`] is a malformed request.
    pub fn parse(target: &'a str, dotfiles: Dotfiles) -> Result<Target<'a>, PathError> {
        let relative = target.strip_prefix('/').ok_or(PathError::NotAPath)?;
        if is_plain(relative) && !relative.starts_with(OWN_NAME) {
            let (path, form) = match relative.strip_suffix('/') {
                Some(path) => (path, Form::Slash),
                None if relative.is_empty() => (relative, Form::Slash),
                None => (relative, Form::Plain),
            };
            return Ok(Target { path: ResourcePath(Cow::Borrowed(path)), form });
        }
        Self::parse_encoded(target, dotfiles)
    }

    fn parse_encoded(target: &str, dotfiles: Dotfiles) -> Result<Target<'static>, PathError> {
        let decoded = percent_decode_str(target).decode_utf8().map_err(|_| PathError::NotUtf8)?;
        for segment in decoded.split('/') {
            check_segment(segment, dotfiles)?;
        }
        let theirs = PathBufWrap::parse_path(target, true).map_err(|error| match error {
            UriSegmentError::BadChar('/') => PathError::EncodedSlash,
            UriSegmentError::NotValidUtf8 => PathError::NotUtf8,
            _ => PathError::Unportable,
        })?;
        let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.first() == Some(&OWN_NAME) {
            return Err(PathError::Hidden);
        }
        let path = segments.join("/");
        if AsRef::<std::path::Path>::as_ref(&theirs) != std::path::Path::new(&path) {
            return Err(PathError::DotSegment);
        }
        let form = if decoded.ends_with('/') { Form::Slash } else { Form::Plain };
        Ok(Target { path: ResourcePath(Cow::Owned(path)), form })
    }

    /// The resource called `name` in this directory; `None` where no request could name it.
    pub fn child(&self, name: &str, dotfiles: Dotfiles) -> Option<ResourcePath<'static>> {
        if name.is_empty() || name.contains('/') || check_segment(name, dotfiles).is_err() {
            return None;
        }
        let own = self.0.is_empty() && name == OWN_NAME;
        let path = if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) };
        (!own && !is_unportable(name)).then_some(ResourcePath(Cow::Owned(path)))
    }

    /// The resource at this relative path, as names on disk spell it; `None` where no request could name it.
    pub fn from_names(relative: &'a str, dotfiles: Dotfiles) -> Option<Self> {
        let served =
            |name: &str| !name.is_empty() && !is_unportable(name) && check_segment(name, dotfiles).is_ok();
        let mut names = relative.split('/');
        let own = names.clone().next() == Some(OWN_NAME);
        (!own && names.all(served)).then_some(ResourcePath(Cow::Borrowed(relative)))
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

fn check_segment(segment: &str, dotfiles: Dotfiles) -> Result<(), PathError> {
    if matches!(segment, "." | "..") {
        return Err(PathError::DotSegment);
    }
    if segment.chars().any(char::is_control) {
        return Err(PathError::ControlCharacter);
    }
    let hidden = segment.starts_with('.') && segment != WELL_KNOWN && dotfiles == Dotfiles::Hidden;
    if hidden || segment.starts_with(RESERVED_PREFIX) {
        return Err(PathError::Hidden);
    }
    Ok(())
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

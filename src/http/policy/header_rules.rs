//! What is sent with an answer besides what describes it: `Cache-Control`, the operator's own header fields, and which web pages
//! of other origins may read it. By path, where rules say so.

mod fingerprint;

use std::fmt;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use mime_guess::mime::Mime;

use crate::http::message::fields::ResponseFields;
use crate::http::message::html::CONTENT_SECURITY_POLICY;
pub use crate::http::policy::confinement::Confinement;
use crate::http::policy::cors::Origins;
use crate::resource_path::ResourcePath;
use crate::resource_path::pattern::{Match, PathPattern, PathPatterns};
use fingerprint::has_fingerprint;

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// For what never changes under its name (RFC 8246).
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Fields that the server makes itself: another value would be false, or hide the true one, or not be taken by HTTP/2.
const OWN: [&str; 35] = [
    "accept-ranges",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "allow",
    "cache-control",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "digest",
    "etag",
    "keep-alive",
    "last-modified",
    "location",
    "preference-applied",
    "proxy-connection",
    "repr-digest",
    "retry-after",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
];

/// A header field.
pub type Field = (HeaderName, HeaderValue);

/// Which answers get which fields.
#[derive(Clone, Debug)]
pub struct HeaderRules {
    common: Arc<Extra>,
    rules: Vec<HeaderRule>,
    /// The patterns of all rules.
    files: PathPatterns,
    fingerprints: Fingerprints,
}

/// What is sent with an answer besides what describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// `Cache-Control` of representations of files.
    pub cache_control: HeaderValue,
    /// `Content-Type` of representations, in place of what the file is.
    pub content_type: Option<HeaderValue>,
    /// `Content-Encoding` of representations, in place of what such files have. `identity` is none.
    pub content_encoding: Option<HeaderValue>,
    /// Fields of every answer, of which several may have one name.
    pub fields: Vec<Field>,
    /// Whose web pages may read it.
    pub origins: Origins,
    /// What browsers may do with the representation.
    pub confinement: Confinement,
}

/// What is different for some files. Of several rules about a file each adds to the ones before it, and the last one counts
/// where they say different things.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Which files.
    pub files: PathPattern,
    /// Another `Cache-Control`.
    pub cache_control: Option<HeaderValue>,
    /// Another `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// Another `Content-Encoding`.
    pub content_encoding: Option<HeaderValue>,
    /// More fields.
    pub fields: Vec<Field>,
    /// Other origins.
    pub origins: Option<Origins>,
}

/// What a name with a fingerprint of the file's bytes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fingerprints {
    /// Nothing.
    Ignored,
    /// That the bytes never change: browsers need not ask again for a year.
    Immutable,
}

/// Whether other bytes may come to be under a name through this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Writable {
    Yes,
    No,
}

/// Why a field cannot be sent, as the second half of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError(String);

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Default for Extra {
    fn default() -> Self {
        Self {
            cache_control: NO_CACHE,
            content_type: None,
            content_encoding: None,
            fields: Vec::new(),
            origins: Origins::None,
            confinement: Confinement::None,
        }
    }
}

impl Extra {
    /// The fields that are the same for everybody, without `Cache-Control`.
    pub(in crate::http) fn describe(&self, target: &mut impl ResponseFields) {
        self.origins.describe(target);
        for (name, value) in &self.fields {
            target.add(name.clone(), value);
        }
    }

    /// Adds the fields of the operator that are not there yet. The policy of a page that the server makes does not take the place of the
    /// operator's: browsers follow both.
    pub(in crate::http) fn complete(&self, headers: &mut HeaderMap) {
        let is_there = |name: &HeaderName| {
            let value = headers.get(name);
            value.is_some_and(|value| {
                *name != header::CONTENT_SECURITY_POLICY || value != CONTENT_SECURITY_POLICY
            })
        };
        let missing: Vec<&Field> = self.fields.iter().filter(|(name, _)| !is_there(name)).collect();
        for (name, value) in missing {
            headers.append(name.clone(), value.clone());
        }
    }

    /// The same for what not everybody may read.
    pub(in crate::http) fn for_few(&self) -> Self {
        Self { cache_control: private(&self.cache_control), ..self.clone() }
    }
}

/// `Cache-Control` of what not everybody may read: caches that serve many people must not keep it. They may keep an answer to a request
/// with `Authorization` if it is said to be public or to be revalidated (RFC 9111 3.5), and some do whenever it has a lifetime.
pub(in crate::http) fn private(cache_control: &HeaderValue) -> HeaderValue {
    let keeps = |directive: &&str| {
        let name = directive.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        !matches!(name.as_str(), "public" | "private" | "s-maxage" | "proxy-revalidate")
    };
    let kept = directives(cache_control).filter(keeps);
    let value: Vec<&str> = ["private"].into_iter().chain(kept).collect();
    HeaderValue::from_str(&value.join(", ")).unwrap_or(PRIVATE)
}

impl Default for HeaderRules {
    /// Nothing but `Cache-Control: no-cache`.
    fn default() -> Self {
        Self::new(Extra::default(), Vec::new(), Fingerprints::Ignored)
    }
}

impl HeaderRules {
    /// The fields of all answers, and what is different for some files.
    pub fn new(common: Extra, rules: Vec<HeaderRule>, fingerprints: Fingerprints) -> Self {
        let files = PathPatterns::new(rules.iter().map(|rule| &rule.files));
        Self { common: Arc::new(common), rules, files, fingerprints }
    }

    /// Whether a `Cache-Control` of the operator says that files never change.
    pub fn say_immutable(&self) -> bool {
        let ruled = self.rules.iter().filter_map(|rule| rule.cache_control.as_ref());
        ruled.chain([&self.common.cache_control]).any(says_immutable)
    }

    /// What is sent with answers about `path`. What may be written is never said to be immutable: a browser would keep the
    /// bytes of before and not ask again. Whether it may is asked only where it counts.
    pub(in crate::http) fn at(
        &self,
        path: &ResourcePath<'_>,
        writable: impl FnOnce() -> Writable,
    ) -> Arc<Extra> {
        let mut extra = Arc::clone(&self.common);
        let mut ruled = false;
        let found = if self.rules.is_empty() { Vec::new() } else { self.files.of(path) };
        for (rule, _) in self.rules.iter().zip(found).filter(|(_, found)| *found == Match::Path) {
            let extra = Arc::make_mut(&mut extra);
            if let Some(cache_control) = &rule.cache_control {
                extra.cache_control = cache_control.clone();
                ruled = true;
            }
            for (said, kept) in [
                (&rule.content_type, &mut extra.content_type),
                (&rule.content_encoding, &mut extra.content_encoding),
            ] {
                if said.is_some() {
                    kept.clone_from(said);
                }
            }
            set(&mut extra.fields, &rule.fields);
            if let Some(origins) = &rule.origins {
                extra.origins = origins.clone();
            }
        }
        let fingerprinted = !ruled && self.fingerprints == Fingerprints::Immutable;
        let fingerprinted = fingerprinted && has_fingerprint(path.name());
        let said = says_immutable(&extra.cache_control);
        if said || fingerprinted {
            match writable() {
                Writable::Yes if said => Arc::make_mut(&mut extra).cache_control = NO_CACHE,
                Writable::No if fingerprinted => Arc::make_mut(&mut extra).cache_control = IMMUTABLE,
                Writable::Yes | Writable::No => {}
            }
        }
        extra
    }

    /// Whether `extra` is what answers get that no rule is about.
    pub(in crate::http) fn is_common(&self, extra: &Arc<Extra>) -> bool {
        Arc::ptr_eq(&self.common, extra)
    }
}

/// Adds fields, which take the place of those that have their names. Several of one name are sent one after the other.
pub fn set(fields: &mut Vec<Field>, others: &[Field]) {
    fields.retain(|(known, _)| !others.iter().any(|(name, _)| name == known));
    fields.extend_from_slice(others);
}

/// Fields that make browsers more careful with a site. None of them changes how it works, unless pages of other sites frame it
/// or reach into its windows.
pub fn security() -> Vec<Field> {
    [
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .to_vec()
}

/// Browsers that have come by `https://` come by it for two years (RFC 6797).
pub fn strict_transport_security() -> Field {
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"))
}

/// A field as it stands in a message: `NAME: VALUE`.
///
/// # Errors
/// [`FieldError`].
pub fn field_line(line: &str) -> Result<Field, FieldError> {
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| FieldError(format!("{line:?} has no colon; a field is written NAME: VALUE")))?;
    field(name, value)
}

/// A field from its name and its value.
///
/// # Errors
/// [`FieldError`], for what cannot be sent, or is made by the server.
pub fn field(name: &str, value: &str) -> Result<Field, FieldError> {
    let parsed = HeaderName::try_from(name.trim())
        .map_err(|_| FieldError(format!("{name:?} is not the name of a header field")))?;
    if parsed == header::CACHE_CONTROL {
        return Err(FieldError("Cache-Control has an option of its own, cache-control".to_owned()));
    }
    if matches!(parsed, header::CONTENT_TYPE | header::CONTENT_ENCODING) {
        return Err(FieldError(format!("{} is for files; a rule has the key {parsed} for it", name.trim())));
    }
    if OWN.contains(&parsed.as_str()) {
        return Err(FieldError(format!("{} is made by the server itself", name.trim())));
    }
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| FieldError(format!("the value of {parsed} has characters that no field can have")))?;
    Ok((parsed, value))
}

/// A `Cache-Control` value.
///
/// # Errors
/// [`FieldError`].
pub fn cache_control(text: &str) -> Result<HeaderValue, FieldError> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| FieldError(format!("{text:?} cannot stand in a header field")))
}

/// A `Content-Type` value.
///
/// # Errors
/// [`FieldError`].
pub fn content_type(text: &str) -> Result<HeaderValue, FieldError> {
    let value = text.parse::<Mime>().ok().and_then(|_| HeaderValue::from_str(text).ok());
    value.ok_or_else(|| {
        FieldError(format!(
            "{text:?} is not a media type; write TYPE/SUBTYPE, as in \"text/plain; charset=utf-8\""
        ))
    })
}

/// A `Content-Encoding` value: content codings, or `identity` for none.
///
/// # Errors
/// [`FieldError`].
pub fn content_encoding(text: &str) -> Result<HeaderValue, FieldError> {
    let is_token = |coding: &str| HeaderName::from_bytes(coding.trim().as_bytes()).is_ok();
    let value = HeaderValue::from_str(text).ok().filter(|_| text.split(',').all(is_token));
    value.ok_or_else(|| {
        FieldError(format!("{text:?} is not a content coding; write gzip, br, zstd, deflate or identity"))
    })
}

fn says_immutable(value: &HeaderValue) -> bool {
    directives(value).any(|directive| directive.eq_ignore_ascii_case("immutable"))
}

fn directives(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|directive| !directive.is_empty())
}

#[cfg(test)]
mod tests;

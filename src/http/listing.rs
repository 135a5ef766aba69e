//! Listings of directories, as HTML and as JSON, with a strong tag of their own bytes.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use serde_json::json;

use super::Site;
use super::accept::Form;
use super::fields::{Fields, set};
use super::html::{CONTENT_SECURITY_POLICY, escape};
use super::rules::Extra;
use crate::access::{Right, Visitor};
use crate::resource_path::{ResourcePath, encode_segment};
use crate::root::{DirectoryEntry, OpenDirectory, OpenError};
use crate::semantics::http_date::HttpDate;
use crate::semantics::integrity::{IntegrityAlgorithm, IntegrityDigest};
use crate::semantics::validators::Validators;
use crate::validator_store::digest::{Digest, DigestAlgorithm, integrity_digest_of};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
color-scheme:light dark}table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left}\
td+td,th+th{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}a{text-decoration:none}\
a:hover{text-decoration:underline}";

/// A document made for this request.
pub(super) struct Generated {
    pub(super) validators: Validators,
    pub(super) fields: Fields,
    pub(super) extra: Extra,
    pub(super) body: Bytes,
}

impl Generated {
    /// The digest of the document. Its bytes may be many, so it is computed on the blocking pool.
    ///
    /// # Errors
    /// [`OpenError::Overloaded`] when the pool does not do it.
    pub(super) async fn integrity_digest(
        &self,
        algorithm: IntegrityAlgorithm,
    ) -> Result<IntegrityDigest, OpenError> {
        let body = self.body.clone();
        let computing = tokio::task::spawn_blocking(move || integrity_digest_of(algorithm, &body));
        computing.await.map_err(|_| OpenError::Overloaded)
    }
}

/// Lists `directory`: what a request could name and `visitor` may read, folders first, by name. Looks at every entry, so it
/// runs on the blocking pool.
pub(super) async fn generate(
    site: &Site,
    visitor: Visitor,
    path: &ResourcePath<'_>,
    directory: OpenDirectory,
    form: Form,
) -> Result<Generated, OpenError> {
    let (store, path) = (Arc::clone(&site.store), path.clone().into_owned());
    let (dotfiles, access) = (site.options.dotfiles, Arc::clone(&site.options.access));
    let list = move || {
        let mut entries = store.root().read_directory(&path, &directory)?;
        // The operator's fields come with every answer, and need not come from here.
        let mut extra = Extra::default();
        entries.retain(|entry| {
            let Some(child) = path.child(&entry.name, dotfiles) else { return false };
            if !access.allows(Visitor::ANYBODY, &child, Right::Read) {
                // Not the same for everybody.
                extra = Extra::default().for_few();
            }
            access.allows(visitor, &child, Right::Read)
        });
        Ok(render(&path, entries, form, extra, store.algorithm()))
    };
    tokio::task::spawn_blocking(list).await.unwrap_or(Err(OpenError::Overloaded))
}

fn render(
    path: &ResourcePath<'_>,
    mut entries: Vec<DirectoryEntry>,
    form: Form,
    extra: Extra,
    algorithm: DigestAlgorithm,
) -> Generated {
    entries.sort_by(|a, b| (Reverse(a.is_directory), &a.name).cmp(&(Reverse(b.is_directory), &b.name)));
    let (media_type, text) = match form {
        Form::Html => ("text/html; charset=utf-8", html(path, &entries)),
        Form::Json => ("application/json", json(&entries)),
    };
    let digest = Digest::of(algorithm, text.as_bytes());
    let validators = Validators { entity_tag: Some(digest.entity_tag()), last_modified: None };
    let media_type = HeaderValue::from_static(media_type);
    let mut fields = Fields::new(media_type, &validators);
    fields.vary = Some(HeaderValue::from_static("Accept"));
    Generated { validators, fields, extra, body: Bytes::from(text) }
}

/// Adds the policy that keeps a page made of file names from doing anything.
pub(super) fn protect(mut response: HttpResponse) -> HttpResponse {
    set(response.headers_mut(), header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}

fn json(entries: &[DirectoryEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        json!({
            "name": entry.name,
            "type": if entry.is_directory { "directory" } else { "file" },
            "size": entry.size,
            "modified": modified(entry),
        })
    });
    serde_json::Value::from_iter(rows).to_string()
}

fn html(path: &ResourcePath<'_>, entries: &[DirectoryEntry]) -> String {
    let title = escape(&format!("{path}{}", if path.as_str().is_empty() { "" } else { "/" }));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>\n<table>\
         <tr><th>Name</th><th>Size</th><th>Modified</th></tr>\n"
    );
    if !path.as_str().is_empty() {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let href: String = encode_segment(&entry.name).collect();
        let size = if entry.is_directory { String::new() } else { entry.size.to_string() };
        // Writing to a String cannot fail. "./" keeps a name with a colon from reading as a scheme.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{href}{slash}\">{name}{slash}</a></td><td>{size}</td><td>{date}</td></tr>",
            name = escape(&entry.name),
            date = modified(entry).unwrap_or_default(),
        );
    }
    page.push_str("</table></body></html>\n");
    page
}

fn modified(entry: &DirectoryEntry) -> Option<String> {
    HttpDate::from_unix(entry.modified.seconds).map(|date| date.to_string())
}

#[cfg(test)]
mod tests;

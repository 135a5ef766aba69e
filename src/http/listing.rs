//! Listings of directories, as HTML and as JSON, with a strong tag of their own bytes.

mod budget;
mod json;
mod page;
mod part;
mod rows;
mod shared;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use crate::http::Site;
use crate::http::message::accept::{Form, preferred_form};
use crate::http::message::fields::{insert, set};
use crate::http::message::html::CONTENT_SECURITY_POLICY;
use crate::http::message::problem::Problem;
use crate::http::policy::auth;
use crate::http::policy::header_rules::Extra;
use crate::http::representation::fields::Fields;
use crate::resource_path::ResourcePath;
use crate::root::OpenError;
use crate::semantics::integrity::{IntegrityAlgorithm, IntegrityDigest};
use crate::semantics::validators::Validators;
use crate::validator_store::digest::integrity_digest_of;
use part::Part;
use rows::Audience;
pub(super) use shared::Listings;
use shared::{Document, Question};

/// A document made for this request.
pub(super) struct Generated {
    pub(super) validators: Validators,
    pub(super) fields: Fields,
    pub(super) extra: Extra,
    pub(super) body: Bytes,
    /// `Link`, where there is more of the folder than this.
    next: Option<HeaderValue>,
}

/// Why a folder is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotListed {
    /// It cannot be read.
    Open(OpenError),
    /// Other listings use the memory that there is for all of them.
    OutOfBudget,
    /// This listing alone takes more than there is.
    TooLarge,
}

impl From<OpenError> for NotListed {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl NotListed {
    /// Returns the answer that says so. `path` is that of the folder.
    pub(super) fn problem(self, path: &str) -> Problem {
        match self {
            Self::Open(error) => Problem::cannot_open(error, path),
            Self::OutOfBudget => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Other listings of large folders are being sent and use the memory that there is for listings. Try again.",
            )
            .with_retry_after(1),
            Self::TooLarge => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The folder has more entries than one answer can list. Ask for a part of it (?page=1&limit=1000).",
            ),
        }
    }
}

impl Generated {
    fn new(form: Form, part: Part, document: Document) -> Self {
        let validators = Validators { entity_tag: Some(document.digest.entity_tag()), last_modified: None };
        let media_type = HeaderValue::from_static(match form {
            Form::Html => "text/html; charset=utf-8",
            Form::Json => "application/json",
        });
        let mut fields = Fields::new(media_type, &validators);
        fields.vary = Some(HeaderValue::from_static("Accept"));
        // The operator's fields come with every answer, and need not come from here.
        let extra = match document.audience {
            Audience::Everybody => Extra::default(),
            Audience::Few => Extra::default().for_few(),
        };
        let next = part.next(document.count).map(|page| format!("<{}>; rel=\"next\"", page.query()));
        let next = next.and_then(|next| HeaderValue::from_str(&next).ok());
        Self { validators, fields, extra, body: document.body, next }
    }

    /// Computes a digest of the document. It may be large, so this is done on the blocking pool.
    ///
    /// # Errors
    /// [`OpenError::Overloaded`] when the pool does not do it.
    pub(super) async fn integrity_digest(
        &self,
        algorithm: IntegrityAlgorithm,
    ) -> Result<IntegrityDigest, OpenError> {
        let body = self.body.clone();
        let computing = crate::blocking::spawn(move || integrity_digest_of(algorithm, &body));
        computing.await.map_err(|_| OpenError::Overloaded)
    }

    /// Adds the policy that keeps a page made of file names from doing anything, and where the listing goes on.
    pub(super) fn complete(&self, mut response: HttpResponse) -> HttpResponse {
        set(response.headers_mut(), header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        insert(response.headers_mut(), header::LINK, self.next.as_ref());
        response
    }
}

/// Lists the folder at `path`: what a request could name and the client may read, folders first, by name.
///
/// # Errors
/// [`NotListed`].
pub(super) async fn generate(
    site: &Site,
    request: &HttpRequest,
    path: &ResourcePath<'_>,
) -> Result<Generated, NotListed> {
    let form = preferred_form(request);
    let part = Part::of(form, request.uri().query());
    let question = Question::new(site, path, (form, part), auth::visitor(request));
    Ok(Generated::new(form, part, site.listings.list(question).await?))
}

#[cfg(test)]
mod tests;

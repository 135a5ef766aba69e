//! What is answered for a path at which nothing is: the page of a single-page application, the folder's own 404 page, or a problem.

use actix_web::{HttpRequest, HttpResponse};

use crate::access::Right;
use crate::http::message::accept;
use crate::http::message::fields::{Conditions, vary_by};
use crate::http::message::problem::Problem;
use crate::http::policy::auth;
use crate::http::read::get::{Selected, find, respond_selected};
use crate::http::representation::fields::representation;
use crate::http::representation::respond;
use crate::http::{Fallback, Site};
use crate::resource_path::{Form, Target};
use crate::validator_store::Patience;

/// Nothing is there: the page of the single-page application, or a 404. Which of them depends on fields of the request, so both name
/// these fields in `Vary`.
pub(super) async fn not_found(site: &Site, request: &HttpRequest, target: &Target<'_>) -> HttpResponse {
    let slash = if target.form == Form::Slash && !target.path.as_str().is_empty() { "/" } else { "" };
    let path = format!("{}{slash}", target.path);
    if site.options.fallback == Fallback::NotFound {
        return not_found_page(site, request, &path).await;
    }
    let page = match accept::asks_for_a_page(request) {
        true => single_page(site, request, target).await,
        false => None,
    };
    let mut response = match page {
        Some(page) => page,
        None => not_found_page(site, request, &path).await,
    };
    vary_by(response.headers_mut(), &accept::FIELDS_OF_A_PAGE);
    response
}

/// The root's index file in place of a missing page; `None` if there is none. Whether the client may read the index is asked here:
/// the path itself may be open to everybody.
async fn single_page(site: &Site, request: &HttpRequest, target: &Target<'_>) -> Option<HttpResponse> {
    let conditions = Conditions::of(request.headers());
    let meant = site.meant_by("/");
    if let Err(problem) = auth::admit_to(site, request.head(), &meant, Right::Read).await {
        return Some(problem.respond(request));
    }
    let Ok(Ok(Selected::Entry(entry))) = find(site, &meant.index?, Patience::Full).await else {
        return None;
    };
    respond_selected(site, request, target, &conditions, Selected::Fallback(entry)).await.ok()?
}

/// The folder's own 404 page, or a problem.
pub(super) async fn not_found_page(site: &Site, request: &HttpRequest, path: &str) -> HttpResponse {
    if auth::may_read(site, request, &site.not_found_page)
        && let Ok(Ok(Selected::Entry(entry))) = find(site, &site.not_found_page, Patience::Full).await
        && let Some(body) = entry.body()
    {
        let kept = site.kept(&entry);
        return respond::not_found_page(&representation(&entry, &kept.extra), body.clone(), request);
    }
    Problem::not_found(path).respond(request)
}

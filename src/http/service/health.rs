//! `/__ifmatch__/health`: whether the server can do its work, and what its answers rest on. It
//! reveals no path.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use serde_json::json;

use crate::http::Site;
use crate::http::message::fields::set;
use crate::root::lease::LeaseProbe;
use crate::root::sandbox::Confinement;
use crate::root::{CreationGuard, SwapGuard};

/// 200, or 503 while the served folder is not there.
pub(in crate::http) fn respond(site: &Site) -> HttpResponse {
    let root = site.store.root();
    let ok = root.check().is_ok();
    let filesystem = root.own_filesystem();
    let index = site.store.index().statistics();
    let document = json!({
        "ok": ok,
        "version": env!("CARGO_PKG_VERSION"),
        "freshness": {
            "proof": if root.lease_sample() == Some(LeaseProbe::Unavailable) { "age" } else { "lease" },
            "timestamps": filesystem.map(|it| it.timestamps.name()),
            "filesystem": filesystem.map(|it| it.name),
        },
        "writes": {
            "allowed": site.options.writes.allow_writes(),
            "cas_guard": site.writer.guard().map(SwapGuard::name),
            "creation": site.writer.creation_guard().map(CreationGuard::name),
            "conflict_copies": root.conflict_copies(),
            "interrupted": root.interrupted_writes(),
            "unsettled": site.writer.unsettled_writes(),
        },
        "sandbox": Confinement::current().name(),
        "watcher": {
            "state": site.watch.state().name(),
            "overflows": site.watch.overflows(),
            "evictions": site.store.evictions(),
        },
        "index": {
            "mode": index.mode.name(),
            "state": index.state.name(),
            "files": index.files,
            "bytes_hashed": index.bytes_hashed,
            "read": index.read,
            "known": index.known,
        },
    });
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = HttpResponse::with_body(status, actix_web::body::BoxBody::new(document.to_string()));
    set(response.headers_mut(), header::CONTENT_TYPE, "application/json");
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    set(response.headers_mut(), header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

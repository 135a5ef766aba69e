//! `/__ifmatch__/metrics`: what was counted, and the state of the server. It reveals no path.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};

use crate::http::Site;
use crate::http::message::fields::set;
use crate::http::observation::metrics::{Exposition, requests};
use crate::root::{SwapGuard, names_left_behind};

/// 200 with everything that is counted.
pub(in crate::http) fn respond(site: &Site) -> HttpResponse {
    let mut out = Exposition(String::with_capacity(8 * 1024));
    requests(&mut out, &site.metrics);
    state(&mut out, site);
    let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::new(out.0));
    set(response.headers_mut(), header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    set(response.headers_mut(), header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn state(out: &mut Exposition, site: &Site) {
    let (root, index) = (site.store.root(), site.store.index().statistics());
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    out.head("ifmatch_build_info", "gauge", "The version.");
    out.sample("ifmatch_build_info", &version, 1);
    let help = "Requests that were refused because their address asked too often.";
    out.one("ifmatch_http_requests_limited_total", "counter", help, site.crowd.too_early());
    out.one("ifmatch_connections", "gauge", "Connections.", site.crowd.count());
    let help = "How many connections there may be.";
    out.one("ifmatch_connections_limit", "gauge", help, site.options.limits.connections);
    let help = "Connections that were refused because their address had too many.";
    out.one("ifmatch_connections_refused_total", "counter", help, site.crowd.refused());
    out.one("ifmatch_up", "gauge", "Whether the served folder is there.", u8::from(root.check().is_ok()));
    let help = "Bytes of files that were read to compute their digests for the index.";
    out.one("ifmatch_index_hashed_bytes_total", "counter", help, index.bytes_hashed);
    out.one("ifmatch_index_files_read_total", "counter", "Files that were read for the index.", index.read);
    let help = "Files that were not read because the index had their digests.";
    out.one("ifmatch_index_files_known_total", "counter", help, index.known);
    out.one("ifmatch_index_files", "gauge", "Files with a record in the index.", index.files);
    let states = ["off", "starting", "watching", "limited", "failed"];
    let now = site.watch.state().name();
    out.state("ifmatch_watcher_state", "What the watcher of file events does.", "state", &states, now);
    let help = "Times that the kernel dropped events, so that the watcher started over.";
    out.one("ifmatch_watcher_overflows_total", "counter", help, site.watch.overflows());
    let help = "Entries of the cache that file events made to be read again.";
    out.one("ifmatch_cache_evictions_total", "counter", help, site.store.evictions());
    let guard = site.writer.guard().map_or("read_only", SwapGuard::name);
    let guards = ["lease", "recheck", "none", "read_only"];
    out.state("ifmatch_cas_guard", "What a compare-and-swap rests on.", "guard", &guards, guard);
    let help = "Swaps that were taken back because another program had changed the file.";
    out.one("ifmatch_cas_undone_total", "counter", help, root.undone_swaps());
    let help = "Versions of other programs that were kept beside a file.";
    out.one("ifmatch_conflict_copies_total", "counter", help, root.conflict_copies());
    let help = "Writes that changed the folder and were answered with an error, because a later step failed.";
    out.one("ifmatch_writes_unsettled_total", "counter", help, site.writer.unsettled_writes());
    let help = "Writes that a server that died has interrupted and that are not brought to an end.";
    out.one("ifmatch_writes_interrupted", "gauge", help, root.interrupted_writes());
    let help = "Reserved names that could not be removed; the next start removes them.";
    out.one("ifmatch_names_left_behind_total", "counter", help, names_left_behind());
}

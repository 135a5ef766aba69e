//! What has been counted since the start, in the text format of Prometheus. It reveals no path.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header;

use crate::http::Site;
use crate::http::message::fields::set;
use crate::root::{SwapGuard, names_left_behind};
use crate::semantics::preconditions::PreconditionField;

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "other"];

/// Every status that is answered here, and 0 for any other.
const STATUSES: [u16; 27] = [
    200, 201, 204, 206, 301, 304, 308, 400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 414, 415, 416, 428,
    429, 431, 500, 503, 507, 0,
];

const FIELDS: [PreconditionField; 3] =
    [PreconditionField::IfMatch, PreconditionField::IfUnmodifiedSince, PreconditionField::IfNoneMatch];

/// The upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 9] = [500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000];

/// What is counted.
#[derive(Default)]
pub(in crate::http) struct Metrics {
    requests: [[AtomicU64; STATUSES.len()]; METHODS.len()],
    bytes: AtomicU64,
    at_once: AtomicU64,
    failed: [AtomicU64; FIELDS.len()],
    durations: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Metrics {
    /// An answer with so many bytes of content.
    pub(in crate::http) fn count(&self, method: &str, status: StatusCode, bytes: u64) {
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let status =
            STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        self.requests[method][status].fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One that was given at once, by the express lane.
    pub(in crate::http) fn count_at_once(&self) {
        self.at_once.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was refused by a precondition.
    pub(in crate::http) fn count_failed(&self, field: PreconditionField) {
        if let Some(index) = FIELDS.iter().position(|known| *known == field) {
            self.failed[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One that was not given at once, and how long it took until it could be sent.
    pub(in crate::http) fn time(&self, began: Instant) {
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let slot = BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS.len());
        self.durations[slot].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(took, Ordering::Relaxed);
    }
}

/// A document under construction.
struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, "", value);
    }

    /// One of several states: 1 for the one that is, 0 for the others.
    fn state(&mut self, name: &str, help: &str, label: &str, all: &[&str], now: &str) {
        self.head(name, "gauge", help);
        for state in all {
            self.sample(name, &format!("{label}=\"{state}\""), u8::from(*state == now));
        }
    }
}

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

fn requests(out: &mut Exposition, metrics: &Metrics) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let name = "ifmatch_http_requests_total";
    out.head(name, "counter", "Answers, by method and status.");
    for (method, counters) in METHODS.iter().zip(&metrics.requests) {
        for (status, counter) in STATUSES.iter().zip(counters).filter(|(_, counter)| read(counter) > 0) {
            let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
            out.sample(name, &format!("method=\"{method}\",status=\"{status}\""), read(counter));
        }
    }
    let name = "ifmatch_http_precondition_failures_total";
    out.head(name, "counter", "Answers 412, by the field that failed.");
    for (field, counter) in FIELDS.iter().zip(&metrics.failed) {
        out.sample(name, &format!("field=\"{}\"", field.name()), read(counter));
    }
    let help = "Content of the answers, as announced in their heads.";
    out.one("ifmatch_http_response_bytes_total", "counter", help, read(&metrics.bytes));
    let help =
        "Answers that were given on the connection itself, in microseconds; they are not in the histogram.";
    out.one("ifmatch_http_answers_at_once_total", "counter", help, read(&metrics.at_once));
    let name = "ifmatch_http_request_duration_seconds";
    out.head(
        name,
        "histogram",
        "Time from the head of a request to the head of its answer, of those not given at once.",
    );
    let mut sum = 0;
    for (bound, counter) in BOUNDS.iter().zip(&metrics.durations) {
        sum += read(counter);
        out.sample(&format!("{name}_bucket"), &format!("le=\"{}\"", seconds(*bound)), sum);
    }
    sum += metrics.durations.last().map_or(0, read);
    out.sample(&format!("{name}_bucket"), "le=\"+Inf\"", sum);
    out.sample(&format!("{name}_sum"), "", seconds(read(&metrics.microseconds)));
    out.sample(&format!("{name}_count"), "", sum);
}

fn seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
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

#[cfg(test)]
mod tests;

//! What has been counted since the start, and the text format of Prometheus for it. What else the
//! server reports is in `service/metrics_page`.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;

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

    /// One that was given at once, by the fast path.
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

/// A document in the text format of Prometheus, under construction.
pub(in crate::http) struct Exposition(pub(in crate::http) String);

impl Exposition {
    pub(in crate::http) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(in crate::http) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    pub(in crate::http) fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, "", value);
    }

    /// One of several states: 1 for the one that is, 0 for the others.
    pub(in crate::http) fn state(&mut self, name: &str, help: &str, label: &str, all: &[&str], now: &str) {
        self.head(name, "gauge", help);
        for state in all {
            self.sample(name, &format!("{label}=\"{state}\""), u8::from(*state == now));
        }
    }
}

/// Writes what was counted.
pub(in crate::http) fn requests(out: &mut Exposition, metrics: &Metrics) {
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

#[cfg(test)]
mod tests;

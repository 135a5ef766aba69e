//! A response as it was read from the wire, and what must be true of every response whatever it answers.

use std::time::SystemTime;

use serde_json::Value;

use super::content::{blake3_tag_of, tag_of};
use super::request::shown;

/// Files up to this size have a strong tag in every answer; the tag of a larger one may not be known yet.
const SMALL: u64 = 1 << 20;

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The body is as long as its framing promised.
    Complete,
    /// The connection ended before the body did: the sign of an aborted answer.
    Cut,
    /// The body has not been read to its end yet.
    Pending,
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
    pub(crate) request: String,
    pub(crate) method: String,
}

impl Response {
    /// The value of a field that stands at most once; panics when it stands twice.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self.lines(name);
        assert!(values.len() < 2, "{name} stands twice\n{self}");
        values.first().copied()
    }

    /// The values of all lines of a field.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        let of_that_name = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        of_that_name.map(|(_, value)| value.as_str()).collect()
    }

    /// Does one of the field's lines list this member (compared without case)?
    pub(crate) fn lists(&self, name: &str, member: &str) -> bool {
        self.lines(name)
            .into_iter()
            .flat_map(|line| line.split(','))
            .any(|other| other.trim().eq_ignore_ascii_case(member))
    }

    /// Where `Location` leads a client that asked for `target`: a path, with its query (RFC 3986 5.2).
    #[track_caller]
    pub(crate) fn leads_to(&self, target: &str) -> String {
        let location = self.field("Location").unwrap_or_else(|| panic!("no Location\n{self}"));
        if location.starts_with('/') {
            return location.to_owned();
        }
        let path = match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => target,
        };
        let path = path.split(['?', '#']).next().unwrap();
        let folder = &path[..=path.rfind('/').expect("a target has a slash")];
        format!("{folder}{}", location.strip_prefix("./").unwrap_or(location))
    }

    /// The entity tag; panics when there is none.
    #[track_caller]
    pub(crate) fn tag(&self) -> String {
        self.field("ETag").unwrap_or_else(|| panic!("no ETag\n{self}")).to_owned()
    }

    /// The Last-Modified date; panics when it is no date.
    #[track_caller]
    pub(crate) fn last_modified(&self) -> Option<SystemTime> {
        self.date_field("Last-Modified")
    }

    /// A field that is a date in the preferred spelling; panics when it is not.
    #[track_caller]
    pub(crate) fn date_field(&self, name: &str) -> Option<SystemTime> {
        let value = self.field(name)?;
        let date = httpdate::parse_http_date(value).unwrap_or_else(|_| panic!("{name} is no date\n{self}"));
        assert_eq!(httpdate::fmt_http_date(date), value, "{name} is not an IMF-fixdate\n{self}");
        Some(date)
    }

    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap_or_else(|_| panic!("the body is not UTF-8\n{self}"))
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON: {error}\n{self}"))
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Response {
        assert_eq!(self.status, status, "another status was expected\n{self}");
        self
    }

    /// Panics unless the status is one of these.
    #[track_caller]
    pub(crate) fn expect_one_of(self, statuses: &[u16]) -> Response {
        assert!(statuses.contains(&self.status), "one of {statuses:?} was expected\n{self}");
        self
    }

    /// Panics unless this is a problem document (RFC 9457) with this status.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16) -> Response {
        let response = self.expect(status);
        let media_type = response.field("Content-Type").unwrap_or_default();
        assert!(media_type.starts_with("application/problem+json"), "no problem document\n{response}");
        let problem = response.json();
        assert_eq!(problem["status"], status, "{response}");
        for member in ["type", "title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {member}\n{response}");
        }
        response
    }

    /// Panics unless this is a whole 200 with these bytes under their own strong tag.
    #[track_caller]
    pub(crate) fn expect_file(self, bytes: &[u8]) -> Response {
        let response = self.expect(200);
        assert!(response.body == bytes, "other bytes were expected: {}\n{response}", shown(bytes));
        assert_eq!(response.tag(), tag_of(bytes), "{response}");
        response
    }

    /// What is wrong with the response by itself, whatever it answers; the framing was checked while it was read.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for name in [
            "ETag",
            "Last-Modified",
            "Content-Type",
            "Date",
            "Location",
            "Cache-Control",
            "Content-Range",
            "Allow",
        ] {
            if self.lines(name).len() > 1 {
                faults.push(format!("{name} stands more than once"));
            }
        }
        self.date_faults(&mut faults);
        self.tag_faults(&mut faults);
        self.status_faults(&mut faults);
        faults
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.lines(name).first().copied()
    }

    fn date_faults(&self, faults: &mut Vec<String>) {
        let date = self.first("Date").and_then(|date| httpdate::parse_http_date(date).ok());
        // RFC 9110, 6.6.1: a server with a clock sends Date in 2xx, 3xx and 4xx.
        if date.is_none() && (200..500).contains(&self.status) {
            faults.push("no Date".to_owned());
        }
        if let Some(text) = self.first("Last-Modified") {
            match (httpdate::parse_http_date(text), date) {
                (Err(_), _) => faults.push("Last-Modified is no date".to_owned()),
                (Ok(modified), Some(date)) if modified > date => {
                    faults.push("Last-Modified is later than Date".to_owned())
                }
                _ => {}
            }
        }
    }

    fn tag_faults(&self, faults: &mut Vec<String>) {
        let Some(tag) = self.first("ETag") else {
            let known = self.status == 304 || self.represented() <= SMALL;
            if matches!(self.status, 200 | 206 | 304) && self.first("Last-Modified").is_some() && known {
                faults.push("Last-Modified without ETag".to_owned());
            }
            return;
        };
        let strong = !tag.starts_with("W/");
        let opaque = tag.trim_start_matches("W/");
        if opaque.len() < 2
            || !opaque.starts_with('"')
            || !opaque.ends_with('"')
            || opaque[1..opaque.len() - 1].contains('"')
        {
            faults.push("the ETag is not a quoted tag".to_owned());
        }
        if strong && !matches!(opaque.len(), 24 | 45) {
            faults.push("the strong ETag is neither 22 nor 43 characters long".to_owned());
        }
        let whole = self.method == "GET" && self.status == 200 && self.ending == Ending::Complete;
        let coded = self.first("Content-Encoding").is_some_and(|coding| coding != "identity");
        if strong && whole && !coded {
            let expected = if opaque.len() == 45 { blake3_tag_of(&self.body) } else { tag_of(&self.body) };
            if tag != expected {
                faults.push(format!("the ETag is not that of the body, which is {expected}"));
            }
        }
        if !strong && self.status == 206 && self.represented() <= SMALL {
            faults.push("a range of a small file under a weak tag".to_owned());
        }
    }

    /// How many bytes the representation has, of which these may be a part.
    fn represented(&self) -> u64 {
        let complete = |range: &str| range.rsplit_once('/')?.1.parse().ok();
        let length = || self.first("Content-Length")?.parse().ok();
        self.first("Content-Range").and_then(complete).or_else(length).unwrap_or(0)
    }

    fn status_faults(&self, faults: &mut Vec<String>) {
        let mut must = |there: bool, what: &str| {
            if !there {
                faults.push(format!("{} without {what}", self.status));
            }
        };
        match self.status {
            200 | 206 if self.method == "GET" || self.method == "HEAD" => {
                must(
                    self.first("X-Content-Type-Options") == Some("nosniff"),
                    "X-Content-Type-Options: nosniff",
                );
                if self.status == 206 {
                    must(self.first("ETag").is_some() || self.represented() > SMALL, "ETag");
                    let several = self
                        .first("Content-Type")
                        .is_some_and(|kind| kind.starts_with("multipart/byteranges"));
                    must(
                        several != self.first("Content-Range").is_some(),
                        "exactly one of Content-Range and multipart/byteranges",
                    );
                }
            }
            301 => must(self.first("Location").is_some_and(|at| !at.is_empty()), "Location"),
            304 => {
                must(self.first("ETag").is_some(), "ETag");
                must(self.first("Cache-Control").is_some(), "Cache-Control");
            }
            405 => must(self.first("Allow").is_some(), "Allow"),
            // RFC 8144, 3.2: instead, who asks for it gets the representation.
            412 if self.first("Preference-Applied").is_none() => must(
                self.first("Content-Type").is_some_and(|kind| {
                    kind.starts_with("application/problem+json") || kind.starts_with("text/html")
                }),
                "a problem document, or its page for a browser",
            ),
            416 => must(
                self.first("Content-Range").is_some_and(|range| range.starts_with("bytes */")),
                "Content-Range: bytes */N",
            ),
            _ => {}
        }
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "--- request\n{}", self.request)?;
        writeln!(f, "--- response\n{}", self.status)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f, "\n{}", shown(&self.body))?;
        writeln!(f, "--- {} bytes, {:?}", self.body.len(), self.ending)
    }
}

//! What lies in a folder besides plain files, and requests that would kill or freeze a careless server.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours};
use crate::case::{Case, Group, Offer, Verdict, case, ensure, expect};
use crate::request::Request;
use crate::site::{Site, make_folder, set_modified, text_of, write};

use super::sending::lives;

/// Special files, listings, and robustness.
pub(crate) const GROUP: Group = Group { name: "robustness", cases: CASES };

const XSS: &str = "SWS CVE-2024-32966, serve-static CVE-2024-43800";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("file-fifo", Must, "h2o, SWS, miniserve: every worker blocked", "a FIFO gets an answer, and so does what is asked after 40 of them", Tries(special, "fifo")),
    case("file-socket", Must, "h2o, SWS, miniserve", "a socket gets an answer that is no success", Tries(special, "socket")),
    case("file-device", Must, "h2o, SWS, miniserve", "a link to a device gets an answer that is no success", Tries(special, "device")),
    case("file-before-1970", Must, "SWS, dufs, miniserve: panic", "a file from before 1970 is served, and the server lives", Tries(odd_time, "-1")),
    case("file-far-future", Must, "SWS, dufs, miniserve: panic", "so is one of the year 2400", Tries(odd_time, "13569465600")),
    case("file-name-utf8", Must, "RFC 3986, 2.5", "a name in UTF-8, encoded", Tries(named, "grüße.txt gr%C3%BC%C3%9Fe.txt")),
    case("file-name-space", Must, "RFC 3986, 2.1", "a name with a space, a plus and a hash sign", Tries(named, "a+b#c.txt a+b%23c.txt")),
    case("file-name-percent", Must, "RFC 3986, 2.4", "a name with `%41` is decoded once", Tries(named, "%41.txt %2541.txt")),
    case("folder-plain", Ours, "EISDIR", "a folder is not an error of the server", Runs(folder_is_no_error)),
    case("folder-redirect", Ours, "relative links", "a folder with an index file is redirected to its name with a slash", Runs(folder_is_redirected)),
    case("list-markup", Must, XSS, "the name of a file is no markup in a listing", Tries(listed, "<img src=x onerror=alert(1)>.txt")).needs(Offer::Listing),
    case("list-quote", Must, XSS, "nor does it end an attribute", Tries(listed, "\" onmouseover=\"alert(1).txt")).needs(Offer::Listing),
    case("list-script", Must, XSS, "nor is it the scheme of a link", Tries(listed, "javascript:alert(1)")).needs(Offer::Listing),
    case("list-hidden", Ours, "exposed .git folders", "a listing does not show names that begin with a dot", Runs(hidden_is_not_listed)).needs(Offer::Listing),
    case("list-tag", Ours, "RFC 9110, 8.8.3", "a listing has an ETag that brings a 304", Runs(listing_revalidates)).needs(Offer::Listing),
    case("fuzz-requests", Ours, "actix-files GHSA-gcqf-3g44-vc9p, dufs #690", "500 odd requests: no error of the server, and it lives", Runs(odd_requests)),
];

fn special(site: &Site, kind: &str) -> Verdict {
    let (folder, name) = site.folder()?;
    let path = folder.join("special");
    let failed = |error: std::io::Error| error.to_string();
    match kind {
        "fifo" => {
            let made = Command::new("mkfifo").arg(&path).status().map_err(failed)?;
            ensure(made.success(), || "mkfifo failed".to_owned())?;
        }
        "socket" => drop(std::os::unix::net::UnixListener::bind(&path).map_err(failed)?),
        _ => symlink("/dev/zero", &path).map_err(failed)?,
    }
    let target = site.target(&format!("{name}/special"));
    // More than there are workers, on connections that stay open.
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut connection = site.connect()?;
        connection.send(site.request("GET", &target).bytes());
        waiting.push(connection);
    }
    let first = waiting.remove(0).read_head("GET");
    let alive = lives(site);
    // Who hangs in open() is let go.
    if kind == "fifo" {
        let _ = rustix::fs::open(
            &path,
            rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
            rustix::fs::Mode::empty(),
        );
    }
    let _ = std::fs::remove_file(&path);
    drop(waiting);
    let response = first?;
    ensure(!response.is_success(), || format!("{}", response.status))?;
    alive
}

fn odd_time(site: &Site, seconds: &str) -> Verdict {
    let file = site.file()?;
    let seconds: i64 = seconds.parse().expect("a number of seconds");
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    set_modified(&file.path, if seconds < 0 { epoch - distance } else { epoch + distance })?;
    let answer = site.get_file(&file);
    lives(site)?;
    answer.map(|_| ())
}

/// A name on the disk and how it is written in a target.
fn named(site: &Site, names: &str) -> Verdict {
    let (plain, encoded) = names.split_once(' ').expect("two names");
    let (folder, name) = site.folder()?;
    let bytes = text_of(1, 100);
    write(&folder.join(plain), &bytes)?;
    let response = site.get(&site.target(&format!("{name}/{encoded}")))?;
    expect(&response, &[200])?;
    ensure(response.body == bytes, || "200 with other bytes than the file has".to_owned())
}

fn folder_is_no_error(site: &Site) -> Verdict {
    let (_, name) = site.folder()?;
    for target in [name.clone(), format!("{name}/")] {
        let response = site.get(&site.target(&target))?;
        ensure(response.status < 500, || format!("{}", response.status))?;
    }
    Ok(())
}

fn folder_is_redirected(site: &Site) -> Verdict {
    let (folder, name) = site.folder()?;
    write(&folder.join("index.html"), &text_of(1, 100))?;
    let response = site.get(&site.target(&name))?;
    expect(&response, &[301, 302, 303, 307, 308])?;
    let location = response.field("Location").unwrap_or_default();
    ensure(location.ends_with(&format!("{name}/")), || format!("Location: {location}"))
}

/// Is a folder answered with its names?
pub(crate) fn listing_offered(site: &Site) -> bool {
    let Ok((folder, name)) = site.folder() else { return false };
    let written = write(&folder.join("marker.txt"), b"listed").is_ok();
    let response = site.get(&site.target(&format!("{name}/")));
    written
        && response.is_ok_and(|response| {
            response.status == 200 && String::from_utf8_lossy(&response.body).contains("marker.txt")
        })
}

fn listed(site: &Site, hostile: &str) -> Verdict {
    let (folder, name) = site.folder()?;
    write(&folder.join(hostile), b"harmless")?;
    write(&folder.join("marker.txt"), b"listed")?;
    let response = site.get(&site.target(&format!("{name}/")))?;
    expect(&response, &[200])?;
    let page = String::from_utf8_lossy(&response.body).into_owned();
    ensure(page.contains("marker.txt"), || "no listing".to_owned())?;
    let bad =
        ["<img src=x", "\" onmouseover=\"", "href=\"javascript:", "href='javascript:", "href=javascript:"];
    let found = bad.iter().find(|bad| page.contains(*bad));
    let json = response.field("Content-Type").is_some_and(|kind| kind.contains("json"));
    ensure(json || found.is_none(), || format!("in the page stands {found:?}"))
}

fn hidden_is_not_listed(site: &Site) -> Verdict {
    let (folder, name) = site.folder()?;
    make_folder(&folder.join(".git"))?;
    write(&folder.join("marker.txt"), b"listed")?;
    let response = site.get(&site.target(&format!("{name}/")))?;
    let page = String::from_utf8_lossy(&response.body).into_owned();
    ensure(page.contains("marker.txt"), || "no listing".to_owned())?;
    ensure(!page.contains(".git"), || "the listing shows .git".to_owned())
}

fn listing_revalidates(site: &Site) -> Verdict {
    let (folder, name) = site.folder()?;
    write(&folder.join("marker.txt"), b"listed")?;
    let target = site.target(&format!("{name}/"));
    let full = site.get(&target)?;
    expect(&full, &[200])?;
    let tag = full.field("ETag").ok_or("a listing without ETag".to_owned())?;
    let again = site.request("GET", &target).field("If-None-Match", tag);
    expect(&site.ask(&again)?, &[304])?;
    write(&folder.join("another.txt"), b"listed")?;
    expect(&site.ask(&again)?, &[200])
}

/// Requests made of odd pieces, the same in every run.
fn odd_requests(site: &Site) -> Verdict {
    let file = site.file()?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pick = |count: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % count as u64) as usize
    };
    for _ in 0..500 {
        let target = match pick(3) {
            0 => file.target.clone(),
            1 => format!("/{}{}", ODD_TARGETS[pick(ODD_TARGETS.len())], ODD_TARGETS[pick(ODD_TARGETS.len())]),
            _ => format!("{}{}", file.target, ODD_TARGETS[pick(ODD_TARGETS.len())]),
        };
        let mut request: Request = site.request(["GET", "HEAD", "OPTIONS"][pick(3)], target);
        for _ in 0..1 + pick(3) {
            let value =
                format!("{}{}", ODD_VALUES[pick(ODD_VALUES.len())], ODD_VALUES[pick(ODD_VALUES.len())]);
            request = request.field(ODD_FIELDS[pick(ODD_FIELDS.len())], value);
        }
        let request = request.field("Connection", "close");
        let mut connection = site.connect()?;
        connection.send(request.bytes());
        let status = connection.read_head("GET").map(|response| response.status);
        let well = matches!(status, Ok(..=499 | 501));
        let told = status.map_or_else(|_| "no answer".to_owned(), |code| code.to_string());
        ensure(well, || format!("{told} to {}", request.shown().replace("\r\n", "")))?;
    }
    lives(site)
}

const ODD_TARGETS: [&str; 16] =
    ["", "/", "%", "%2e", "..", "%00", "%ff", "?", "#", "\\", ";", "//", "%2f", "*", "~", "a%20b"];

const ODD_FIELDS: [&str; 10] = [
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "If-Range",
    "Accept-Encoding",
    "Accept",
    "Cookie",
    "Want-Repr-Digest",
];

const ODD_VALUES: [&str; 20] = [
    "",
    "*",
    "\"",
    "\"\"",
    "W/\"\"",
    "\"a\", ",
    ",",
    ";q=",
    "bytes=",
    "bytes=0-0",
    "-1",
    "18446744073709551615-",
    "0-0,-1",
    "gzip;q=0.5",
    "gzip;q=99999999999999",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 31 Feb 99999 99:99:99 GMT",
    "sha-256=10",
    "text/html;q=1e999",
    "\u{e9}\u{fffd}",
];

//! Files that change while they are being sent: the old version whole, or a connection that is cut; never a clean end of
//! a mixture. And the server lives on.

use crate::case::Check::Tries;
use crate::case::Level::{Must, Ours};
use crate::case::{Case, Group, Verdict, case, ensure, expect};
use crate::question::other_version;
use crate::site::{Site, overwrite, replace, text_of};
use crate::wire::Response;

/// The promise that no answer is torn.
pub(crate) const GROUP: Group = Group { name: "while sending", cases: CASES };

/// More than the sockets between server and client hold.
const LARGE: usize = 48 << 20;

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("send-rewrite", Must, "RFC 9110, 8.8.1; Bun #34185", "rewritten in place meanwhile, at the same length: no mixture under a strong tag", Tries(while_sending, "rewrite")),
    case("send-rewrite-untagged", Ours, "RFC 9110, 8.8.1; Bun #34185", "and none under a weak one, or without a tag", Tries(while_sending, "rewrite untagged")),
    case("send-shrink", Must, "RFC 9112, 8; Apache with mmap: SIGBUS", "truncated meanwhile: the answer is cut, and the server lives", Tries(while_sending, "shrink")),
    case("send-shrink-small", Must, "RFC 9112, 8; Apache with mmap: SIGBUS", "truncated to nothing between two requests, 100 times: the server lives", Tries(while_sending, "often")),
    case("send-grow", Must, "RFC 9112, 8", "appended to meanwhile: the old bytes, or cut", Tries(while_sending, "grow")),
    case("send-replace", Must, "RFC 9110, 8.8.1", "replaced by rename meanwhile: the old bytes, or cut", Tries(while_sending, "replace")),
    case("send-delete", Must, "RFC 9110, 8.8.1", "deleted meanwhile: the old bytes, or cut", Tries(while_sending, "delete")),
];

fn while_sending(site: &Site, how: &str) -> Verdict {
    if how == "often" {
        return truncated_often(site);
    }
    let file = site.file_of(&text_of(1, LARGE))?;
    // Who names a tag is given time for one of its own.
    let request =
        site.request("GET", &file.target).field("If-None-Match", "\"none\"").field("Connection", "close");
    let mut connection = site.connect()?;
    connection.send(request.bytes());
    let mut response = connection.read_head("GET")?;
    expect(&response, &[200])?;
    // What is on its way now fills the sockets; the server waits.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let failed = |error: std::io::Error| error.to_string();
    match how {
        "shrink" => {
            let opened = std::fs::OpenOptions::new().write(true).open(&file.path);
            opened.and_then(|opened| opened.set_len(100_000)).map_err(failed)?;
        }
        "grow" => {
            use std::io::Write;
            let opened = std::fs::OpenOptions::new().append(true).open(&file.path);
            opened.and_then(|mut opened| opened.write_all(b"more")).map_err(failed)?;
        }
        "replace" => replace(&file.path, &other_version(&file))?,
        "delete" => std::fs::remove_file(&file.path).map_err(failed)?,
        _ => overwrite(&file.path, &other_version(&file))?,
    }
    // A reset in the middle of a body is a cut as well.
    let cut = connection.read_body("GET", &mut response).is_err();
    if !cut {
        judge(&response, &file.bytes, how)?;
    }
    std::fs::remove_file(&file.path)
        .or_else(|error| if how == "delete" { Ok(()) } else { Err(failed(error)) })?;
    lives(site)
}

fn judge(response: &Response, old: &[u8], how: &str) -> Verdict {
    let strong = response.strong_tag().is_some();
    match how {
        "rewrite" if !strong => crate::case::not_offered("no strong ETag"),
        "rewrite untagged" if strong => crate::case::not_offered("the tag is strong"),
        _ => ensure(!response.whole || response.body == old, || {
            "a clean end of a body that is not the version it began with".to_owned()
        }),
    }
}

fn truncated_often(site: &Site) -> Verdict {
    for _ in 0..100 {
        let file = site.file_of(&text_of(1, 200_000))?;
        let mut connection = site.connect()?;
        connection.send(site.request("GET", &file.target).bytes());
        overwrite(&file.path, b"")?;
        // Whatever comes, be it a cut: it must not be a mixture.
        if let Ok(response) = connection.read("GET")
            && response.status == 200
            && response.whole
        {
            ensure(response.body == file.bytes || response.body.is_empty(), || {
                "a clean end of a body that is no version of the file".to_owned()
            })?;
        }
        std::fs::remove_file(&file.path).map_err(|error| error.to_string())?;
    }
    lives(site)
}

/// A normal request is answered.
pub(crate) fn lives(site: &Site) -> Verdict {
    site.get_file(&site.file()?)?;
    Ok(())
}

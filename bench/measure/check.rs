//! Nothing is measured that was not right: makes the request of a case for one server, and compares the answer with the
//! files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cases::{Case, PART, What};
use crate::contender::{Contender, FLOOR};
use crate::files;
use crate::http::{Answer, Client, Request};

/// What a generator of load sends to one server, and what it must get.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) request: Request,
    /// Paths to ask for in turn, in place of the request's.
    pub(crate) list: Option<PathBuf>,
    pub(crate) connections: usize,
    /// The length of each body, where it is always the same.
    pub(crate) body: Option<usize>,
    pub(crate) failure: Failure,
}

/// Whether the answers are errors (400 and above) by intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Wanted,
    Unwanted,
}

/// The load of a case for a contender, after a check of the answer.
pub(crate) fn prepare(case: &Case, contender: &Contender, folder: &Path) -> Result<Load, String> {
    let fixed =
        |path: &str, own: &str| if contender.name == FLOOR { own.to_owned() } else { path.to_owned() };
    let load = |request: Request, body| Load {
        request,
        list: None,
        connections: case.connections,
        body,
        failure: Failure::Unwanted,
    };
    let mut client = Client::new(contender.port);
    match case.what {
        What::Whole(path) | What::Idle(path) | What::Rate(path) => {
            let answer = whole(&mut client, path, folder)?;
            Ok(load(Request::get(path), Some(answer.body.len())))
        }
        What::NotModified(path) => {
            let condition = condition(whole(&mut client, path, folder)?)?;
            let request = Request { path: fixed(path, "/304"), fields: vec![condition] };
            expect(&client.fetch(&request)?, 304)?;
            Ok(load(request, Some(0)))
        }
        What::Part(path, begin) => {
            let request = part(path, fixed(path, "/206"), begin, &mut client, folder)?;
            Ok(load(request, Some(PART)))
        }
        What::Missing => {
            let request = Request::get(&fixed("/missing.html", "/404"));
            expect(&client.fetch(&request)?, 404)?;
            Ok(Load { failure: Failure::Wanted, ..load(request, None) })
        }
        What::Mix => {
            for path in files::mix_paths() {
                whole(&mut client, &path, folder)?;
            }
            let list = Some(files::list(folder, "mix"));
            Ok(Load { list, ..load(Request::get("/"), None) })
        }
    }
}

/// Asks for a file and compares every byte.
pub(crate) fn whole(client: &mut Client, path: &str, folder: &Path) -> Result<Answer, String> {
    let answer = client.fetch(&Request::get(path)).map_err(|why| format!("{path}: {why}"))?;
    expect(&answer, 200)?;
    if answer.body == stored(path, folder)? { Ok(answer) } else { Err(format!("{path}: other bytes")) }
}

/// Asks for 64 KiB of a file under the name that the server has for them.
fn part(
    path: &str,
    asked: String,
    begin: usize,
    client: &mut Client,
    folder: &Path,
) -> Result<Request, String> {
    let (bytes, last) = (stored(path, folder)?, begin + PART - 1);
    let request = Request { path: asked, fields: vec![format!("Range: bytes={begin}-{last}")] };
    let answer = client.fetch(&request)?;
    expect(&answer, 206)?;
    let range = format!("bytes {begin}-{last}/{}", bytes.len());
    if answer.content_range.as_deref() != Some(range.as_str()) {
        return Err(format!("Content-Range: {:?} for {range}", answer.content_range));
    }
    if answer.body == bytes[begin..=last] { Ok(request) } else { Err(format!("{path}: other bytes")) }
}

/// What makes the answer a 304 when it is asked for again. Not every server has tags.
fn condition(answer: Answer) -> Result<String, String> {
    match (answer.entity_tag, answer.last_modified) {
        (Some(tag), _) => Ok(format!("If-None-Match: {tag}")),
        (None, Some(date)) => Ok(format!("If-Modified-Since: {date}")),
        (None, None) => Err("an answer without ETag and Last-Modified".to_owned()),
    }
}

fn expect(answer: &Answer, status: u16) -> Result<(), String> {
    if answer.status == status { Ok(()) } else { Err(format!("answered {}, not {status}", answer.status)) }
}

fn stored(path: &str, folder: &Path) -> Result<Vec<u8>, String> {
    let file = folder.join(path.trim_start_matches('/'));
    fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))
}

//! Writes that take time, meet others, or end too early; and at the very end what is done to the root itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours, Should};
use crate::case::{Case, Group, Miss, Offer, Verdict, case, ensure, expect, not_offered};
use crate::question::other_version;
use crate::site::{Served, Site, on_disk, overwrite, replace, text_of, write};

use super::sending::lives;

/// The promise that writes are compare-and-swap, and never half.
pub(crate) const GROUP: Group = Group { name: "writes under way", cases: CASES };

const SWAP: &str = "RFC 9110, 13.1.1 (its purpose)";
const DIED: &str = "RFC 9112, 8; dufs #276, miniserve #1369";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("race-im", Ours, SWAP, "of 16 PUTs with the same If-Match at once one succeeds", Tries(one_wins, "If-Match")).needs(Offer::Put),
    case("race-inm", Ours, SWAP, "of 16 PUTs with `If-None-Match: *` at once one succeeds", Tries(one_wins, "If-None-Match")).needs(Offer::Put),
    case("race-increments", Ours, SWAP, "4 clients that count to 15 each in one file arrive at 60", Runs(increments)).needs(Offer::Put),
    case("during-rename", Ours, SWAP, "a file that is replaced on the disk during the upload: 412, and the replacement stays", Tries(changed_during, "rename")).needs(Offer::Put),
    case("during-in-place", Ours, SWAP, "the same for a change in place, at the same length", Tries(changed_during, "in place")).needs(Offer::Put),
    case("during-delete", Ours, SWAP, "a file that is deleted during the upload: 412, and it stays away", Tries(changed_during, "delete")).needs(Offer::Put),
    case("during-create", Ours, SWAP, "a file that appears during `If-None-Match: *`: 412, and it stays", Tries(changed_during, "create")).needs(Offer::Put),
    case("during-get", Ours, "dufs: truncates first", "readers see the old version until the upload is complete", Runs(old_version_meanwhile)).needs(Offer::Put),
    case("during-names", Ours, "Apache .davfs.tmp, nginx", "no name that the upload has meanwhile is served", Runs(no_staging_is_served)).needs(Offer::Put),
    case("dies-short", Must, DIED, "a body that ends before its length: the old file stays whole", Tries(dies, "short")).needs(Offer::Put),
    case("dies-chunk", Must, DIED, "a chunk that ends early: the old file stays whole", Tries(dies, "chunk")).needs(Offer::Put),
    case("dies-no-last-chunk", Must, DIED, "no last chunk: the old file stays whole", Tries(dies, "no last chunk")).needs(Offer::Put),
    case("dies-bad-chunk", Must, "RFC 9112, 7.1", "a chunk size that is none: the old file stays whole", Tries(dies, "bad chunk")).needs(Offer::Put),
    case("dies-new", Must, DIED, "a body that ends early makes no file", Tries(dies, "new")).needs(Offer::Put),
    case("dies-leaves-nothing", Ours, DIED, "and leaves nothing else in the folder", Runs(nothing_is_left)).needs(Offer::Put),
    case("refused-large", Should, "RFC 9112, 9.6", "who uploads 32 MB under a stale tag reads the 412, and no reset", Runs(refusal_is_read)).needs(Offer::Put),
    case("expect-continue", Must, "RFC 9110, 10.1.1", "`Expect: 100-continue`: 100 or a final answer comes before the body", Tries(expectation, "")).needs(Offer::Put),
    case("expect-performed", Must, "RFC 9110, 10.1.1", "and with the body the upload is performed", Tries(expectation, "performed")).needs(Offer::Put),
    case("expect-refused", Ours, "RFC 9110, 10.1.1", "with a stale If-Match the 412 comes before the body", Tries(expectation, "refused")).needs(Offer::Put),
    case("delete-folder", Ours, "nginx, lighttpd, dufs", "DELETE of a folder does not delete what is in it", Tries(delete_of, "{folder}/")).needs(Offer::Delete),
    case("delete-folder-plain", Ours, "nginx, lighttpd, dufs", "nor without the slash", Tries(delete_of, "{folder}")).needs(Offer::Delete),
    case("delete-root-dot", Ours, "nginx, lighttpd, dufs", "DELETE of `/.` does not empty the served folder", Tries(delete_of, ".")).needs(Offer::Delete),
    case("delete-root", Ours, "nginx, lighttpd, dufs", "nor does DELETE of `/`", Tries(delete_of, "")).needs(Offer::Delete),
];

fn one_wins(site: &Site, field: &str) -> Verdict {
    for _ in 0..10 {
        let (file, value) = match field {
            "If-Match" => {
                let file = site.file()?;
                let tag = site.strong_tag(&file)?;
                (file, tag)
            }
            _ => (site.absent(), "*".to_owned()),
        };
        let barrier = std::sync::Barrier::new(16);
        let won = AtomicUsize::new(0);
        let requests: Vec<_> = (0..16)
            .map(|number| site.put(&file.target, &text_of(100 + number, 2000)).field(field, &value))
            .collect();
        std::thread::scope(|scope| {
            for request in &requests {
                scope.spawn(|| {
                    let connection = site.connect();
                    barrier.wait();
                    let answer = connection.and_then(|mut connection| connection.ask(request));
                    if answer.is_ok_and(|response| response.is_success()) {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let won = won.into_inner();
        ensure(won == 1, || format!("{won} of 16 succeeded"))?;
    }
    Ok(())
}

fn increments(site: &Site) -> Verdict {
    let file = site.file_of(b"0")?;
    site.strong_tag(&file)?;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| count(site, &file))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client"))
    })?;
    let found = on_disk(&file.path).unwrap_or_default();
    ensure(found == b"60", || format!("the file says {}", String::from_utf8_lossy(&found)))
}

/// Counts 15 times: reads, adds one, writes with If-Match, and begins anew when somebody was faster.
fn count(site: &Site, file: &Served) -> Verdict {
    for _ in 0..15 {
        let mut tries = 0;
        loop {
            tries += 1;
            ensure(tries < 1000, || "1,000 attempts, and none succeeded".to_owned())?;
            let current = site.connect()?.ask(&site.request("GET", &file.target))?;
            let text = String::from_utf8_lossy(&current.body).into_owned();
            let number: u32 = text.parse().map_err(|_| format!("{} with {text:?}", current.status))?;
            let Some(tag) = current.strong_tag() else { continue };
            let put = site.put(&file.target, (number + 1).to_string().as_bytes()).field("If-Match", tag);
            let answer = site.connect()?.ask(&put)?;
            if answer.is_success() {
                break;
            }
            expect(&answer, &[409, 412, 423])?;
        }
    }
    Ok(())
}

/// A PUT whose body comes in two halves, and what happens on the disk in between.
fn changed_during(site: &Site, how: &str) -> Verdict {
    let new = text_of(3, 1 << 20);
    let (file, head) = match how {
        "create" => {
            let file = site.absent();
            let head = site.put(&file.target, &new).field("If-None-Match", "*");
            (file, head)
        }
        _ => {
            let file = site.file()?;
            let tag = site.strong_tag(&file)?;
            let head = site.put(&file.target, &new).field("If-Match", tag);
            (file, head)
        }
    };
    let mut connection = site.connect()?;
    connection.send(head.field("Connection", "close").only_head().bytes());
    connection.send(&new[..new.len() / 2]);
    // Time for whatever the server does with the first half.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let edited = text_of(2, file.bytes.len().max(10));
    match how {
        "in place" => overwrite(&file.path, &edited)?,
        "delete" => std::fs::remove_file(&file.path).map_err(|error| error.to_string())?,
        _ => replace(&file.path, &edited)?,
    }
    connection.send(&new[new.len() / 2..]);
    let response = connection.read("PUT")?;
    let wanted = (how != "delete").then_some(edited);
    ensure(on_disk(&file.path) == wanted, || format!("{}, and the change is lost", response.status))?;
    expect(&response, &[409, 412])
}

fn old_version_meanwhile(site: &Site) -> Verdict {
    let file = site.file()?;
    let new = text_of(3, 1 << 20);
    let mut connection = site.connect()?;
    connection.send(site.put(&file.target, &new).only_head().bytes());
    connection.send(&new[..new.len() / 2]);
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        site.get_file(&file)?;
    }
    connection.send(&new[new.len() / 2..]);
    expect(&connection.read("PUT")?, &[200, 201, 204])?;
    site.get_file(&Served { bytes: new, ..file })?;
    Ok(())
}

fn no_staging_is_served(site: &Site) -> Verdict {
    let (folder, name) = site.folder()?;
    write(&folder.join("file.txt"), b"old")?;
    let new = text_of(3, 4 << 20);
    let mut connection = site.connect()?;
    connection.send(site.put(&site.target(&format!("{name}/file.txt")), &new).only_head().bytes());
    connection.send(&new[..new.len() / 2]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut served = Vec::new();
    for other in names_in(&folder)?.into_iter().filter(|other| other != "file.txt") {
        if site.get(&site.target(&format!("{name}/{other}")))?.is_success() {
            served.push(other);
        }
    }
    connection.send(&new[new.len() / 2..]);
    expect(&connection.read("PUT")?, &[200, 201, 204])?;
    ensure(served.is_empty(), || format!("served meanwhile: {}", served.join(", ")))
}

fn names_in(folder: &std::path::Path) -> Result<Vec<String>, Miss> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// An upload whose client goes away before it is complete.
fn dies(site: &Site, how: &str) -> Verdict {
    let file = if how == "new" { site.absent() } else { site.file()? };
    let response = abandoned(site, &file.target, how)?;
    let wanted = (how != "new").then(|| file.bytes.clone());
    let found = on_disk(&file.path);
    let shown = found.as_ref().map_or("gone".to_owned(), |bytes| format!("{} bytes long", bytes.len()));
    ensure(found == wanted, || format!("the file is {shown}, of {}", file.bytes.len()))?;
    ensure(!response, || "a success for half a body".to_owned())
}

/// Sends such an upload; was it answered with success?
fn abandoned(site: &Site, target: &str, how: &str) -> Result<bool, Miss> {
    let half = String::from_utf8(text_of(3, 10_000)).expect("text");
    let request = site.request("PUT", target);
    let mut connection = site.connect()?;
    let chunked = |end: &str| format!("{:x}\r\n{half}{end}", half.len());
    let (request, body) = match how {
        "chunk" => (request.field("Transfer-Encoding", "chunked"), format!("4e20\r\n{half}")),
        "no last chunk" => (request.field("Transfer-Encoding", "chunked"), chunked("\r\n")),
        "bad chunk" => (request.field("Transfer-Encoding", "chunked"), chunked("\r\nzz\r\n\r\n")),
        _ => (request.field("Content-Length", "20000"), half.clone()),
    };
    connection.send(request.bytes());
    connection.send(body);
    std::thread::sleep(std::time::Duration::from_millis(200));
    connection.finish_sending();
    let answer = connection.read("PUT");
    // The server may need a moment to notice.
    std::thread::sleep(std::time::Duration::from_millis(300));
    Ok(answer.is_ok_and(|response| response.is_success()))
}

fn nothing_is_left(site: &Site) -> Verdict {
    let (folder, name) = site.folder()?;
    write(&folder.join("file.txt"), b"old")?;
    for how in ["short", "chunk"] {
        abandoned(site, &site.target(&format!("{name}/file.txt")), how)?;
        abandoned(site, &site.target(&format!("{name}/new.txt")), how)?;
    }
    let names = names_in(&folder)?;
    ensure(names == ["file.txt"], || format!("in the folder are {}", names.join(", ")))
}

/// The whole body is sent by a thread of its own, as a client does that does not look at answers meanwhile.
fn refusal_is_read(site: &Site) -> Verdict {
    let file = site.file()?;
    let body = text_of(3, 32 << 20);
    let request = site.put(&file.target, &body).field("If-Match", "\"no-such-tag\"");
    let mut connection = site.connect()?;
    let mut sender = connection.sender()?;
    let bytes = request.bytes();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &bytes));
    let response = match sending.join().expect("the sender") {
        Ok(()) => connection.read("PUT")?,
        Err(error) => connection.read("PUT").map_err(|_| format!("a reset before the answer: {error}"))?,
    };
    expect(&response, &[412])?;
    ensure(on_disk(&file.path) == Some(file.bytes), || "412, and the file is another one".to_owned())
}

fn expectation(site: &Site, how: &str) -> Verdict {
    let file = site.file()?;
    let new = other_version(&file);
    let mut request = site.put(&file.target, &new).field("Expect", "100-continue");
    if how == "refused" {
        request = request.field("If-Match", "\"no-such-tag\"");
    }
    let mut connection = site.connect()?;
    connection.send(request.only_head().bytes());
    let first = connection.next_head("PUT")?;
    if how == "refused" {
        return expect(&first, &[412]);
    }
    ensure(first.status == 100 || first.status >= 200, || format!("{} first", first.status))?;
    if how.is_empty() {
        return Ok(());
    }
    if first.status != 100 {
        return not_offered("the upload is refused without the body");
    }
    connection.send(&new);
    expect(&connection.read("PUT")?, &[200, 201, 204])?;
    ensure(on_disk(&file.path) == Some(new), || "other bytes on the disk".to_owned())
}

/// RFC 4918, 9.6.1 lets DELETE take a whole folder. Who has not asked for WebDAV does not expect it.
fn delete_of(site: &Site, target: &str) -> Verdict {
    let (folder, name) = site.folder()?;
    write(&folder.join("inside.txt"), b"inside")?;
    let target = site.target(&target.replace("{folder}", &name));
    let response = site.ask(&site.request("DELETE", &target))?;
    let stays = on_disk(&folder.join("inside.txt")).as_deref() == Some(b"inside");
    // What follows needs the folder.
    crate::site::make_folder(site.root())?;
    ensure(stays, || format!("{}, and what was in the folder is gone", response.status))?;
    ensure(!response.is_success(), || format!("{}", response.status))?;
    lives(site)
}

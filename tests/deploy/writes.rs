//! The half of the comparison that is about uploads and deletions.

use crate::comparison::Probe;
use crate::contenders::{Contender, THEN};
use crate::exchange::Part;
use crate::harness::{Client, Request, Response, delete, eventually, get, put, version_bytes};

pub(crate) const WRITES: &[Probe] = &[
    Probe { name: "PUT, If-Match: the current tag", good: "204", find: current },
    Probe { name: "PUT, If-Match: a stale tag", good: "412", find: stale },
    Probe { name: "… the answer names the current tag", good: "yes", find: refusal_names_the_tag },
    Probe {
        name: "PUT, If-Match: the tag from before other bytes came, same size, time set back",
        good: "412",
        find: stale_with_time_set_back,
    },
    Probe { name: "PUT, If-Match: the tag from before `touch`", good: "204", find: touched },
    Probe {
        name: "PUT, If-Match: the tag of the answer compressed with gzip",
        good: "204",
        find: compressed,
    },
    Probe { name: "PUT, If-None-Match: \\* where there is a file", good: "412", find: create_over },
    Probe { name: "two uploads at a time with the same If-Match", good: "204 and 412", find: two_replace },
    Probe { name: "two uploads at a time with If-None-Match: \\*", good: "201 and 412", find: two_create },
    Probe {
        name: "PUT, If-Match; a program saves the file while the body is sent",
        good: "412, the save stands",
        find: saved_meanwhile,
    },
    Probe { name: "DELETE, If-Match: a stale tag", good: "412", find: stale_delete },
    Probe { name: "an upload that breaks off", good: "changes nothing", find: broken_off },
    Probe { name: "PUT of a part (Content-Range)", good: "400", find: part },
    Probe { name: "the answer to a PUT has the new tag", good: "yes", find: new_tag },
];

const SIZE: usize = 100_000;

fn bytes(version: u64) -> Vec<u8> {
    version_bytes(version, SIZE)
}

/// A status, and what it means if the file was changed although it ought not to be.
fn refused(contender: &Contender, name: &str, response: &Response) -> String {
    let status = response.status;
    match contender.stands(name) {
        Some(stands) if stands == bytes(1) => status.to_string(),
        Some(_) => format!("**{status}: overwritten**"),
        None => format!("**{status}: deleted**"),
    }
}

fn current(contender: &Contender) -> String {
    contender.save("current.bin", bytes(1), THEN);
    let tag = contender.tag("/current.bin");
    contender.ask(&put("/current.bin", bytes(2)).field("If-Match", tag)).status.to_string()
}

fn stale(contender: &Contender) -> String {
    contender.save("stale.bin", bytes(1), THEN);
    let response = contender.ask(&put("/stale.bin", bytes(2)).field("If-Match", "\"stale\""));
    refused(contender, "stale.bin", &response)
}

fn refusal_names_the_tag(contender: &Contender) -> String {
    contender.save("named.bin", bytes(1), THEN);
    let tag = contender.tag("/named.bin");
    let response = contender.ask(&put("/named.bin", bytes(2)).field("If-Match", "\"stale\""));
    match (response.status, response.field("ETag")) {
        (412, Some(named)) if named == tag => "yes".to_owned(),
        (412, _) => "no".to_owned(),
        _ => "is not refused".to_owned(),
    }
}

fn stale_with_time_set_back(contender: &Contender) -> String {
    contender.save("back-put.bin", bytes(3), THEN);
    let tag = contender.tag("/back-put.bin");
    contender.save("back-put.bin", bytes(1), THEN);
    let response = contender.ask(&put("/back-put.bin", bytes(2)).field("If-Match", tag));
    refused(contender, "back-put.bin", &response)
}

fn touched(contender: &Contender) -> String {
    let path = contender.save("touched-put.bin", bytes(1), THEN);
    let tag = contender.tag("/touched-put.bin");
    crate::harness::folder::set_modified_seconds(&path, THEN + 100);
    contender.ask(&put("/touched-put.bin", bytes(2)).field("If-Match", tag)).status.to_string()
}

fn compressed(contender: &Contender) -> String {
    contender.save("words-put.txt", "words, words\n".repeat(10_000), THEN);
    let tag = contender.ask(&get("/words-put.txt").field("Accept-Encoding", "gzip")).tag();
    contender.ask(&put("/words-put.txt", "more").field("If-Match", tag)).status.to_string()
}

fn create_over(contender: &Contender) -> String {
    contender.save("over.bin", bytes(1), THEN);
    let response = contender.ask(&put("/over.bin", bytes(2)).field("If-None-Match", "*"));
    refused(contender, "over.bin", &response)
}

/// Two uploads, both of which are well under way before one of them ends.
fn two(contender: &Contender, one: Request, other: Request) -> String {
    let parts = [one, other].map(|request| Part::begin(contender.address(), request));
    let mut statuses = parts.map(|part| match part {
        Ok(part) => part.finish().status,
        Err(refusal) => refusal.status,
    });
    statuses.sort_unstable();
    let all = format!("{} and {}", statuses[0], statuses[1]);
    if statuses[1] < 300 { format!("**{all}: one is lost**") } else { all }
}

fn two_replace(contender: &Contender) -> String {
    contender.save("two.bin", bytes(1), THEN);
    let tag = contender.tag("/two.bin");
    let [one, other] = [2, 3].map(|version| put("/two.bin", bytes(version)).field("If-Match", &tag));
    two(contender, one, other)
}

fn two_create(contender: &Contender) -> String {
    let [one, other] = [2, 3].map(|version| put("/created.bin", bytes(version)).field("If-None-Match", "*"));
    two(contender, one, other)
}

fn saved_meanwhile(contender: &Contender) -> String {
    contender.save("meanwhile.bin", bytes(3), THEN);
    let tag = contender.tag("/meanwhile.bin");
    let request = put("/meanwhile.bin", bytes(2)).field("If-Match", tag);
    let Ok(part) = Part::begin(contender.address(), request) else { return "refused".to_owned() };
    contender.save("meanwhile.bin", bytes(1), THEN + 100);
    let status = part.finish().status;
    match contender.stands("meanwhile.bin") {
        Some(stands) if stands == bytes(1) => format!("{status}, the save stands"),
        _ => format!("**{status}: the save is lost**"),
    }
}

fn stale_delete(contender: &Contender) -> String {
    contender.save("delete.bin", bytes(1), THEN);
    let response = contender.ask(&delete("/delete.bin").field("If-Match", "\"stale\""));
    refused(contender, "delete.bin", &response)
}

fn broken_off(contender: &Contender) -> String {
    contender.save("broken.bin", bytes(1), THEN);
    let request = put("/broken.bin", bytes(2));
    let whole = request.bytes();
    let mut client = Client::connect(contender.address());
    client.send(&whole[..whole.len() - 1000]);
    client.finish_sending();
    // An answer, or the end of the connection: the server has noticed.
    client.read_to_end();
    drop(client);
    eventually("the server is done", || (contender.tag("/broken.bin").len() > 2).then_some(()));
    match contender.stands("broken.bin") {
        Some(stands) if stands == bytes(1) => "changes nothing".to_owned(),
        _ => "**leaves a part**".to_owned(),
    }
}

fn part(contender: &Contender) -> String {
    contender.save("part.bin", bytes(1), THEN);
    let request = put("/part.bin", "part").field("Content-Range", format!("bytes 10-13/{SIZE}"));
    let status = contender.ask(&request).status;
    let stands = contender.stands("part.bin").unwrap_or_default();
    match () {
        () if stands == bytes(1) => status.to_string(),
        () if stands.len() == SIZE && stands[10..14] == *b"part" => format!("{status}, written in place"),
        () => format!("**{status}: the file is the part**"),
    }
}

fn new_tag(contender: &Contender) -> String {
    contender.save("answer.bin", bytes(1), THEN);
    let told = contender.ask(&put("/answer.bin", bytes(2)));
    match told.field("ETag") {
        Some(tag) if tag == contender.tag("/answer.bin") => "yes".to_owned(),
        Some(_) => "another than GET has".to_owned(),
        None => "no".to_owned(),
    }
}

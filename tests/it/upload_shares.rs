//! Uploads under way at once: no address, no account and no crowd of guests takes all the places.

use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::Engine as _;

use crate::harness::{
    Client, Folder, Launch, Request, Response, Server, Upload, delete, eventually, put, request,
};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THREE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A hash of "wonder" that is computed at once.
const ALICE: &str = "alice:$2y$04$AzUuCvSXDuQKgyjurPtmaeMErsblz6G1f7ANpuJJVVwDcVqa2lZ7C";

/// Eight places: two for an address or an account, four for all guests.
fn launch() -> Launch {
    Launch::writing().args(["--max-uploads", "8", "--durability", "none"])
}

fn connect(server: &Server, from: Ipv4Addr) -> Client {
    Client::connect_from(from, server.address())
}

#[track_caller]
fn hold(server: &Server, from: Ipv4Addr, question: Request) -> Upload {
    Upload::begin_over(connect(server, from), question)
}

fn ask(server: &Server, from: Ipv4Addr, question: &Request) -> Response {
    connect(server, from).ask(question)
}

fn alice(question: Request) -> Request {
    let both = base64::engine::general_purpose::STANDARD.encode("alice:wonder");
    question.field("Authorization", format!("Basic {both}"))
}

#[track_caller]
fn expect_full(answer: Response, words: &str) {
    let answer = answer.expect_problem(503);
    assert_eq!(answer.field("Retry-After"), Some("1"), "{answer}");
    assert!(answer.text().contains(words), "{answer}");
}

#[test]
fn an_address_that_has_its_share_is_refused_and_others_still_upload() {
    let server = launch().start();
    let one = hold(&server, ONE, put("/one", "1234"));
    let two = hold(&server, ONE, put("/two", "1234"));
    let words =
        "This address has as many uploads under way as one may have (2 of 8); try again when one has ended.";
    // Before the body: to a client that waits, to one that does not, and to one whose body is there already.
    for question in [
        put("/three", "x").field("Expect", "100-continue").only_head(),
        put("/three", vec![b'x'; 1 << 20]).only_head(),
        put("/three", "x"),
        request("PUT", "/three").chunked("x", 1),
    ] {
        let mut client = connect(&server, ONE);
        client.send(question.bytes());
        // Without a 100 before it.
        let mut answer = client.next_head(&question).unwrap();
        client.try_read_rest(&mut answer).unwrap();
        expect_full(answer, words);
    }
    assert!(!server.folder().path("three").exists());
    // A small body is read over, so that the connection goes on; what is no upload needs no place.
    let mut client = connect(&server, ONE);
    expect_full(client.ask(&put("/three", "x")), words);
    client.ask(&delete("/missing")).expect(404);
    ask(&server, TWO, &put("/three", "x")).expect(201);
    // An upload that ends gives its place back, and so does one that is cut.
    one.finish().expect(201);
    ask(&server, ONE, &put("/four", "x")).expect(201);
    drop(two);
    eventually("the place comes back", || {
        let answers = [ONE, ONE].map(|from| begin(&server, from));
        answers.iter().all(|(status, _)| *status == 100).then_some(())
    });
    assert!(!server.folder().path("two").exists());
}

/// An upload that may be refused: the status before its body.
fn begin(server: &Server, from: Ipv4Addr) -> (u16, Client) {
    let question = put("/five", "1234").field("Expect", "100-continue").only_head();
    let mut client = connect(server, from);
    client.send(question.bytes());
    (client.next_head(&question).unwrap().status, client)
}

#[test]
fn accounts_upload_while_clients_without_one_hold_their_half() {
    let folder = Arc::new(Folder::new());
    folder.write_outside("accounts", format!("{ALICE}\n@/inbox:rw\n"));
    let server = launch().args(["--auth-file", "accounts"]).start_in(folder);
    let guests: Vec<Upload> = [(ONE, "1"), (ONE, "2"), (TWO, "3"), (TWO, "4")]
        .map(|(from, name)| hold(&server, from, put(format!("/inbox/{name}"), "1234")))
        .into();
    expect_full(
        ask(&server, THREE, &put("/inbox/5", "x")),
        "Clients without an account have as many uploads under way as they may have together (4 of 8)",
    );
    // Also from the address of a guest, and where no account is needed.
    ask(&server, ONE, &alice(put("/inbox/5", "x"))).expect(201);
    let held = ["/6", "/inbox/7"].map(|target| hold(&server, ONE, alice(put(target, "1234"))));
    let words = "This account has as many uploads under way as one may have (2 of 8)";
    expect_full(ask(&server, TWO, &alice(put("/8", "x"))), words);
    // A wrong password is no account, and no obstacle where none is needed.
    let wrong = put("/inbox/8", "x").field("Authorization", "Basic YWxpY2U6Ym9i");
    expect_full(ask(&server, THREE, &wrong), "Clients without an account");
    for upload in guests.into_iter().chain(held) {
        upload.finish().expect(201);
    }
    ask(&server, THREE, &wrong).expect(201);
}

#[test]
fn where_no_address_has_a_limit_one_may_have_all_places() {
    let server = launch().args(["--max-connections-per-address", "0"]).start();
    let held: Vec<Upload> =
        (0..8).map(|number| hold(&server, ONE, put(format!("/{number}"), "1234"))).collect();
    let words = "This server has as many uploads under way as it takes (8, --max-uploads)";
    expect_full(ask(&server, TWO, &put("/x", "x")), words);
    for upload in held {
        upload.finish().expect(201);
    }
    ask(&server, TWO, &put("/x", "x")).expect(201);
}

#[test]
fn without_a_number_there_are_256_places() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let held: Vec<Upload> =
        (0..64).map(|number| hold(&server, TWO, put(format!("/{number}"), "1234"))).collect();
    expect_full(ask(&server, TWO, &put("/x", "x")), "(64 of 256)");
    ask(&server, ONE, &put("/x", "x")).expect(201);
    drop(held);
}

//! Accounts behind a proxy: what was kept for somebody who may read a file is not given to others.

use crate::harness::{Folder, Launch, Request, get, head, put, tag_of};
use crate::proxies::{KINDS, Kind, Stack, Whose};

const SECRET: &str = "for those who have a token";

/// A token, and the account that goes with it.
fn token() -> (String, String) {
    let mut command = Launch::new().command(&Folder::new());
    let output = command.current_dir("/").args(["hash-password", "--token", "robot"]).output().unwrap();
    let [told, account] = [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap());
    (told.trim_end().rsplit(' ').next().unwrap().to_owned(), account.trim_end().to_owned())
}

fn keeps_the_secret(kind: Kind) {
    let (token, account) = token();
    let stack = Stack::with(kind, Whose::Ours, Launch::writing().args(["--private", "-a", &account]));
    stack.server.folder().write("secret.txt", SECRET);
    let tag = tag_of(SECRET.as_bytes());
    let known = |request: Request| request.field("Authorization", format!("Bearer {token}"));
    let secret = || get("/secret.txt");
    for round in ["nothing is kept yet", "it may be kept by now"] {
        assert_eq!(stack.ask(&known(secret())).expect(200).text(), SECRET, "{round}");
        stack.ask(&known(secret().field("If-None-Match", &tag))).expect(304);
        for (name, request) in [
            ("GET", secret()),
            ("HEAD", head("/secret.txt")),
            ("the tag", secret().field("If-None-Match", &tag)),
            ("any tag", secret().field("If-None-Match", "*")),
            ("a part", secret().field("Range", "bytes=0-9")),
            ("another tag", secret().field("If-Match", "\"stale\"")),
            ("an upload", put("/secret.txt", "x").field("If-Match", &tag)),
            ("a wrong token", secret().field("Authorization", "Bearer wrong")),
        ] {
            let answer = stack.ask(&request).expect(401);
            let told = answer.field("ETag").is_some() || answer.body.starts_with(b"for those");
            assert!(!told && answer.field("WWW-Authenticate").is_some(), "{name}, {round}: {answer}");
        }
    }
}

#[test]
fn what_is_kept_for_one_is_not_given_to_another() {
    std::thread::scope(|scope| {
        let kinds = KINDS.map(|kind| (kind, scope.spawn(move || keeps_the_secret(kind))));
        let failed = kinds.into_iter().filter_map(|(kind, done)| done.join().err().map(|_| kind.file()));
        assert_eq!(failed.collect::<Vec<_>>(), [""; 0], "the reasons stand above");
    });
}

//! Accounts: who may read and write what, and that nothing is told to others.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;

use crate::harness::{
    Client, Folder, Launch, Request, Server, delete, eventually, get, head, put, request, tag_of,
};

/// What `ifmatch hash-password` prints for this password, or for a token.
pub(crate) fn hash(arguments: &[&str], password: &str) -> Vec<String> {
    let folder = Folder::new();
    let mut command = Launch::new().command(&folder);
    command.arg("hash-password").args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It does not ask for one to make a token.
    let _ = writeln!(child.stdin.take().unwrap(), "{password}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A hash of "wonder" that is computed at once.
const CHEAP: &str = "alice:$2y$04$AzUuCvSXDuQKgyjurPtmaeMErsblz6G1f7ANpuJJVVwDcVqa2lZ7C";

fn as_user(request: Request, name: &str, password: &str) -> Request {
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    request.field("Authorization", format!("Basic {both}"))
}

/// alice may everything, bob may write below /docs, everybody may read all but /secret.
fn serving(launch: Launch) -> Server {
    let folder = Arc::new(Folder::new());
    for name in
        ["open.txt", "docs/a.txt", "secret/a.txt", "secret/index.html", "half/index.html", "half/b.txt"]
    {
        folder.write(name, name);
    }
    folder.write("404.html", "nothing here");
    let (alice, bob) = (hash(&["alice"], "wonder").remove(0), hash(&["bob"], "builder").remove(0));
    let accounts = format!("# who\n\n{alice}\n{bob}@/docs:rw\n@/secret:-\n@/half/index.html:-\n");
    std::fs::write(folder.outside("accounts"), accounts).unwrap();
    let server = launch.args(["-A", "--auth-file", "accounts"]).start_in(folder);
    for target in ["/open.txt", "/docs/a.txt", "/half/b.txt"] {
        // It is in memory from now on.
        server.ask(&get(target));
    }
    server
}

#[test]
fn everybody_has_the_rights_that_were_given() {
    let server = serving(Launch::new());
    for (target, everybody, bob, alice) in [
        ("/open.txt", 200, 200, 200),
        ("/docs/a.txt", 200, 200, 200),
        ("/secret/a.txt", 401, 403, 200),
        ("/secret/", 401, 403, 200),
        ("/secret", 401, 403, 301),
        ("/secret/missing", 401, 403, 404),
        ("/missing", 404, 404, 404),
        ("/half/b.txt", 200, 200, 200),
        ("/half/index.html", 401, 403, 200),
        // It stands for its index.
        ("/half/", 401, 403, 200),
        ("/half", 301, 301, 301),
        ("/__ifmatch__/health", 200, 200, 200),
    ] {
        for ask in [get, head] {
            server.ask(&ask(target)).expect(everybody);
            server.ask(&as_user(ask(target), "bob", "builder")).expect(bob);
            server.ask(&as_user(ask(target), "alice", "wonder")).expect(alice);
        }
    }
    for (target, everybody, bob, alice) in [
        ("/new.txt", 401, 403, 201),
        ("/docs/new.txt", 401, 201, 204),
        ("/secret/new.txt", 401, 403, 201),
        ("/docsnew.txt", 401, 403, 201),
    ] {
        for (visitor, status) in
            [(None, everybody), (Some(("bob", "builder")), bob), (Some(("alice", "wonder")), alice)]
        {
            let asked = put(target, "x");
            let asked = visitor.map_or(asked.clone(), |(name, password)| as_user(asked, name, password));
            server.ask(&asked).expect(status);
        }
    }
    server.ask(&delete("/docs/new.txt")).expect(401);
    server.ask(&as_user(delete("/docs/new.txt"), "bob", "builder")).expect(204);
    // Neither the method nor an unknown one opens anything.
    server.ask(&request("OPTIONS", "/secret/a.txt")).expect(204);
    server.ask(&request("POST", "/secret/a.txt")).expect(405);
}

#[test]
fn a_refusal_tells_nothing_of_what_is_there() {
    let server = serving(Launch::new());
    server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).expect(200);
    let tag = tag_of(b"secret/a.txt");
    let bare = |target: &str| {
        let answer = server.ask(&get(target)).expect(401);
        assert!(answer.field("ETag").is_none() && answer.field("Last-Modified").is_none(), "{answer}");
        assert!(
            answer.field("WWW-Authenticate").is_some_and(|value| value.starts_with("Basic ")),
            "{answer}"
        );
        String::from_utf8(answer.body).unwrap()
    };
    assert_eq!(bare("/secret/a.txt"), bare("/secret/missing"));
    assert_eq!(bare("/secret/a.txt"), bare("/secret/"));
    for condition in ["If-Match", "If-None-Match"] {
        for value in [tag.as_str(), "*", "\"other\""] {
            let asked = get("/secret/a.txt").field(condition, value);
            assert!(server.ask(&asked).expect(401).field("ETag").is_none());
            let asked = put("/secret/a.txt", "x").field(condition, value);
            assert!(server.ask(&asked).expect(401).field("ETag").is_none());
        }
    }
    server.ask(&get("/secret/a.txt").field("Range", "bytes=0-0")).expect(401);
    // Wrong ones are not told apart from unknown ones.
    let [wrong, unknown] = [("alice", "wrong"), ("nobody", "wrong")]
        .map(|(name, password)| server.ask(&as_user(get("/secret/a.txt"), name, password)).expect(401).body);
    assert_eq!(wrong, unknown);
}

#[test]
fn the_path_that_is_judged_is_the_path_that_is_opened() {
    let server = serving(Launch::new());
    server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).expect(200);
    for target in [
        "/secret/a.txt",
        "//secret/a.txt",
        "/secret//a.txt",
        "/%73ecret/a.txt",
        "/secret/%61.txt",
        "/secret/a.txt?x",
        "/%73%65%63%72%65%74/%61%2e%74%78%74",
        "http://localhost/secret/a.txt",
        "/docs/../secret/a.txt",
        "/docs/%2e%2e/secret/a.txt",
        "/docs//../secret/./a.txt",
        "/secret/x/../a.txt",
    ] {
        server.ask(&get(target)).expect(401);
        server.ask(&put(target, "x")).expect(401);
    }
    for target in ["/secret/../docs/a.txt", "/secret/%2E./docs/a.txt", "/./docs/a.txt"] {
        server.ask(&get(target)).expect_file(b"docs/a.txt");
    }
    for target in ["/../secret/a.txt", "/secret%2fa.txt", "/docs/..%2fsecret/a.txt"] {
        let answer = server.ask(&get(target));
        assert!((400..500).contains(&answer.status) && answer.field("ETag").is_none(), "{answer}");
    }
    assert_eq!(std::fs::read(server.folder().path("secret/a.txt")).unwrap(), b"secret/a.txt");
}

#[test]
fn what_may_not_be_read_is_not_shown_by_another_path() {
    let server = serving(Launch::new());
    let half = server.ask(&as_user(get("/half/"), "alice", "wonder")).expect(200);
    assert_eq!(half.body, b"half/index.html");
    // Where the index may not be read, what else there is is not told instead.
    server.ask(&get("/half/").field("Accept", "application/json")).expect(401);
    let empty = Launch::new().args(["-a", "@/index.html:-"]).start();
    assert_eq!(empty.ask(&get("/")).expect(401).body, server.ask(&get("/half/")).expect(401).body);
    let root = |asked: Request| {
        let answer = server.ask(&asked.field("Accept", "application/json")).expect(200);
        String::from_utf8(answer.body).unwrap()
    };
    assert!(!root(get("/")).contains("secret"));
    assert!(root(as_user(get("/"), "alice", "wonder")).contains("secret"));
    // Nor does the page for what is missing.
    let server = serving(Launch::new().args(["-a", "@/404.html:-"]));
    let answer = server.ask(&get("/missing").field("Accept", "text/html")).expect(404);
    assert!(!String::from_utf8_lossy(&answer.body).contains("nothing here"), "{answer}");
    // Nor the page of an application.
    let folder = Arc::new(Folder::new());
    folder.write("index.html", "app");
    let server = Launch::new().args(["--spa", "-a", "@/index.html:-"]).start_in(folder);
    server.ask(&get("/").field("Accept", "text/html")).expect(401);
    server.ask(&get("/some/page").field("Accept", "text/html")).expect(401);
    server.ask(&get("/some/script.js")).expect(404);
    let folder = Arc::new(Folder::new());
    folder.write("index.html", "app");
    let server = Launch::new().args(["--spa", "-a", CHEAP, "-a", "@/index.html:-"]).start_in(folder);
    for target in ["/", "/some/page", "/some/page/"] {
        let asked = as_user(get(target).field("Accept", "text/html"), "alice", "wonder");
        let answer = server.ask(&asked).expect(200);
        assert_eq!(
            (&answer.body[..], answer.field("Cache-Control")),
            (&b"app"[..], Some("private, no-cache"))
        );
    }
    server.ask(&get("/index.html")).expect(401);
}

#[test]
fn private_means_that_everything_needs_an_account() {
    let server = serving(Launch::new().arg("--private"));
    for target in ["/", "/open.txt", "/missing", "/.hidden", "/a%00b", "/docs/"] {
        server.ask(&get(target)).expect(401);
    }
    server.ask(&as_user(get("/open.txt"), "alice", "wonder")).expect(200);
    server.ask(&as_user(get("/docs/a.txt"), "bob", "builder")).expect(200);
    server.ask(&as_user(get("/open.txt"), "bob", "builder")).expect(403);
}

#[test]
fn a_program_may_come_with_a_token() {
    let folder = Folder::new();
    let output = Launch::new().command(&folder).args(["hash-password", "--token", "robot"]).output().unwrap();
    let [told, line] = [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap());
    let token = told.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(!line.contains(&token) && line.starts_with("robot:") && line.lines().count() == 1, "{line}");
    let account = format!("{}@/docs:rw", line.trim());
    let server = serving(Launch::new().args(["-a", &account]));
    let bearer = |asked: Request, token: &str| asked.field("Authorization", format!("Bearer {token}"));
    server.ask(&bearer(put("/docs/by-robot", "x"), &token)).expect(201);
    server.ask(&bearer(put("/by-robot", "x"), &token)).expect(403);
    server.ask(&bearer(put("/docs/by-robot", "x"), &token[1..])).expect(401);
    server.ask(&as_user(put("/docs/by-robot", "x"), "robot", &token)).expect(401);
    let refused = server.ask(&put("/docs/by-robot", "x")).expect(401);
    assert!(refused.field("WWW-Authenticate").is_some_and(|value| value.contains("Bearer")), "{refused}");
}

#[test]
fn an_upload_without_an_account_is_refused_before_its_body() {
    let server = serving(Launch::new());
    let mut client = server.connect();
    let asked = put("/docs/large", "").field("Expect", "100-continue");
    client.send(
        "PUT /docs/large HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\n\r\n",
    );
    let answer = client.next_head(&asked).unwrap();
    assert_eq!(answer.status, 401, "{answer}");
}

#[test]
fn wrong_passwords_by_the_hundred_keep_nobody_from_reading() {
    let server = serving(Launch::new());
    server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).expect(200);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..8)
            .map(|guesser| {
                let (server, stop) = (&server, &stop);
                scope.spawn(move || {
                    let mut statuses = [0; 2];
                    for guess in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        // Each under a name of its own, so that nobody has to wait for having failed.
                        let name = format!("guess-{guesser}-{guess}");
                        match server.ask(&as_user(get("/secret/a.txt"), &name, "wrong")).status {
                            401 => statuses[0] += 1,
                            429 => statuses[1] += 1,
                            other => panic!("{other}"),
                        }
                    }
                    statuses
                })
            })
            .collect();
        for _ in 0..200 {
            server.ask(&get("/open.txt")).expect_file(b"open.txt");
            // Who has proved it once is believed without another computation.
            server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).expect(200);
        }
        stop.store(true, Ordering::Relaxed);
        let total: u32 =
            guessing.into_iter().map(|guesser| guesser.join().unwrap().iter().sum::<u32>()).sum();
        assert!(total > 0);
    });
    // One who goes on guessing one name has to wait.
    let wrong = as_user(get("/secret/a.txt"), "alice", "wrong");
    for _ in 0..7 {
        server.ask(&wrong);
    }
    let last = server.ask(&wrong).expect(429);
    assert!(last.field("Retry-After").is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{last}");
    // Not who has proved it before.
    server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).expect(200);
}

#[test]
fn accounts_that_make_no_sense_are_told_and_their_secrets_are_not() {
    let folder = Folder::new();
    std::fs::write(folder.outside("plain"), "# accounts\nalice:tops3cret\n").unwrap();
    let other = CHEAP.replace("alice:$2y", "alice:$2b");
    std::fs::write(folder.outside("twice"), format!("{CHEAP}\n\n@/x:r\n{other}\n")).unwrap();
    std::fs::write(folder.outside("nothing"), "# later\n\n").unwrap();
    std::fs::write(folder.outside("dear"), CHEAP.replace("$04$", "$31$")).unwrap();
    for (arguments, words) in [
        (&["-a", "alice:tops3cret"][..], "ifmatch hash-password alice"),
        (&["--auth-file", "plain"], "plain, line 2"),
        (&["--auth-file", "none"], "no such file"),
        (&["--auth-file", "twice"], "twice, line 4: \"alice\" has two different hashes"),
        (&["--auth-file", "nothing"], "nothing: it says nothing"),
        (&["--auth-file", "dear"], "dear, line 1: the hash of \"alice\" would take too long"),
        (&["-a", &CHEAP[5..]], "there is no name before the colon"),
        (&["-a", "@/%73ecret:-"], "\"%73ecret\": names are written as they are, not percent-encoded"),
        (&["--private"], "no account"),
    ] {
        let mut command = Launch::new().command(&folder);
        command.args(arguments).args(["-p", "0"]).arg(folder.root());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(words) && !said.contains("tops3cret"), "{said}");
    }
}

#[test]
fn a_name_that_a_list_would_read_otherwise_gets_no_line() {
    let folder = Folder::new();
    for name in ["", "a:b", "#x", " x", "x ", "a\nb", "a@/b", "a;b"] {
        let mut command = Launch::new().command(&folder);
        let output = command.args(["hash-password", "--token", name]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{name:?}");
        assert!(error.starts_with("ifmatch: the name of an account"), "{name:?}: {error}");
    }
    for name in ["alice", "Zoë K.", "a@b.example", "x#"] {
        let lines = hash(&["--token", name], "");
        folder.write_outside("accounts", lines.join("\n"));
        let mut command = Launch::new().command(&folder);
        let output = command.args(["check", "root", "--auth-file", "accounts"]).output().unwrap();
        assert!(output.status.success(), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn with_accounts_writing_may_be_allowed_where_others_can_come() {
    let folder = Arc::new(Folder::new());
    let account = hash(&["alice"], "wonder").remove(0);
    let server = Launch::new().args(["-A", "-b", "0.0.0.0", "-a", &account]).start_in(folder);
    drop(server);
    // Not if everybody may write.
    let folder = Folder::new();
    let mut command =
        Launch::new().args(["-A", "-b", "0.0.0.0", "-a", &account, "-a", "@/in:rw"]).command(&folder);
    let output = command.args(["-p", "0"]).arg(folder.root()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_page_that_asks_for_much_at_once_logs_in_once() {
    let server = serving(Launch::new());
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..60)
            .map(|_| scope.spawn(|| server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).status))
            .collect();
        let statuses: Vec<u16> = asking.into_iter().map(|asked| asked.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    });
}

#[test]
fn one_who_guesses_many_names_keeps_nobody_else_out() {
    let folder = Arc::new(Folder::new());
    folder.write("a.txt", "a");
    let server = Launch::new().args(["--private", "-a", CHEAP]).start_in(folder);
    let elsewhere = || Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), server.address());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for guesser in 0..40 {
            let (stop, elsewhere) = (&stop, &elsewhere);
            scope.spawn(move || {
                let mut client = elsewhere();
                for guess in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let asked = as_user(get("/a.txt"), &format!("guess-{guesser}-{guess}"), "wrong");
                    let status = client.ask(&asked).status;
                    assert!(matches!(status, 401 | 429), "{status}");
                }
            });
        }
        eventually("so many wait that some are sent away", || {
            let asked = as_user(get("/a.txt"), "another", "wrong");
            (elsewhere().ask(&asked).status == 429).then_some(())
        });
        // Each new password is computed; none is known from before.
        let statuses: Vec<u16> = ["a", "b", "c", "wonder"]
            .map(|password| server.ask(&as_user(get("/a.txt"), "alice", password)).status)
            .into();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(statuses, [401, 401, 401, 200]);
    });
}

#[test]
fn credentials_in_two_fields_prove_nothing() {
    let server = serving(Launch::new());
    let once = as_user(get("/secret/a.txt"), "alice", "wonder");
    server.ask(&once).expect(200);
    server.ask(&as_user(once.clone(), "alice", "wonder")).expect(401);
    server.ask(&as_user(once, "bob", "builder")).expect(401);
}

#[test]
fn a_list_of_accounts_may_come_from_any_editor() {
    let folder = Arc::new(Folder::new());
    folder.write("a.txt", "a");
    std::fs::write(folder.outside("accounts"), format!("\u{feff}{CHEAP}\r\n\r\n  # who\r\n@/b:r\r\n"))
        .unwrap();
    let server = Launch::new().args(["--private", "--auth-file", "accounts"]).start_in(folder);
    server.ask(&as_user(get("/a.txt"), "alice", "wonder")).expect(200);
    server.ask(&get("/b")).expect(404);
}

#[test]
fn caches_for_many_do_not_keep_what_few_may_read() {
    let launch = Launch::new().args(["--cache-control", "public, max-age=60, s-maxage=600, must-revalidate"]);
    let server = serving(launch);
    let alice = |asked: Request| as_user(asked, "alice", "wonder");
    let tag = tag_of(b"secret/a.txt");
    let (many, few) =
        ("public, max-age=60, s-maxage=600, must-revalidate", "private, max-age=60, must-revalidate");
    for (asked, status, wanted) in [
        (get("/open.txt"), 200, many),
        (alice(get("/open.txt")), 200, many),
        (alice(get("/secret/a.txt")), 200, few),
        (alice(head("/secret/a.txt")), 200, few),
        (alice(get("/secret/")), 200, few),
        (alice(get("/half/")), 200, few),
        (alice(get("/secret/a.txt").field("Range", "bytes=0-0")), 206, few),
        (alice(get("/secret/a.txt").field("If-None-Match", &tag)), 304, few),
    ] {
        let answer = server.ask(&asked).expect(status);
        assert_eq!(answer.field("Cache-Control"), Some(wanted), "{answer}");
    }
    // What is no answer with the bytes tells of them all the same.
    for (asked, status) in [
        (alice(get("/secret/a.txt").field("If-Match", "\"other\"")), 412),
        (alice(get("/secret/a.txt").field("Range", "bytes=99-")), 416),
        (alice(get("/secret/missing")), 404),
        (alice(get("/secret")), 301),
        (get("/secret/a.txt"), 401),
        (get("/half/"), 401),
        (alice(put("/secret/a.txt", "x").field("If-Match", "\"other\"")), 412),
        // A listing that is longer for some.
        (get("/"), 200),
        (alice(get("/")), 200),
    ] {
        let answer = server.ask(&asked).expect(status);
        assert_eq!(answer.lines("Cache-Control"), ["private, no-cache"], "{asked:?} {answer}");
    }
    for asked in [get("/docs/"), get("/missing"), alice(get("/docs/")), alice(get("/docs"))] {
        assert_eq!(server.ask(&asked).field("Cache-Control"), Some("no-cache"), "{asked:?}");
    }
    // Nor under a name that says that the bytes never change.
    let folder = Arc::new(Folder::new());
    folder.write("secret/app.3f2a9c1b.js", "x");
    let server = Launch::new().args(["--immutable", "-a", CHEAP, "-a", "@/secret:-"]).start_in(folder);
    let answer = server.ask(&alice(get("/secret/app.3f2a9c1b.js"))).expect(200);
    assert_eq!(answer.field("Cache-Control"), Some("private, max-age=31536000, immutable"), "{answer}");
}

#[test]
fn a_folder_that_needs_an_account_needs_it_however_well_its_index_is_known() {
    let server = serving(Launch::new().args(["-a", "@/secret/index.html:r"]));
    for _ in 0..3 {
        server.ask(&get("/secret/index.html")).expect(200);
        server.ask(&get("/secret/")).expect(401);
    }
}

#[test]
fn a_conflict_copy_of_what_few_may_read_is_for_those_few() {
    let server = serving(Launch::new().args(["-a", "@/open.txt:-"]));
    let copy = "open.conflict-20261122T151309Z-1a2b3c.txt";
    server.folder().write(copy, "kept");
    server.ask(&get(format!("/{copy}"))).expect(401);
    let listing = server.ask(&get("/").field("Accept", "application/json")).expect(200);
    assert!(!String::from_utf8_lossy(&listing.body).contains("conflict"), "{listing}");
    server.ask(&as_user(get(format!("/{copy}")), "alice", "wonder")).expect_file(b"kept");
}

//! The configuration file: what counts more than what, errors that name the line, rules by path, and reading it again.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::harness::{Client, Folder, Launch, Response, Server, eventually, get, put};

/// A server with this configuration, in a folder with a few files.
fn serving(config: &str, launch: Launch) -> Server {
    let folder = Arc::new(Folder::new());
    for name in
        ["file.txt", "page.html", "assets/app.js", "assets/deep/a.txt", "drafts/a.txt", "drafts/index.html"]
    {
        folder.write(name, name);
    }
    folder.write_outside("ifmatch.toml", config);
    launch.args(["--config", "ifmatch.toml"]).start_in(folder)
}

fn by_both_ways(server: &Server, target: &str) -> [Response; 2] {
    server.get(target);
    [server.get(target), server.ask(&get(target).field("Want-Repr-Digest", "unknown=1"))]
}

/// Writes another configuration and waits until a line of the log tells what became of it.
fn change(server: &Server, config: &str, line: &str) {
    let count = |server: &Server| server.stderr().matches(line).count();
    let before = count(server);
    server.folder().write_outside("ifmatch.toml", config);
    eventually(line, || (count(server) > before).then_some(()));
}

const READ_AGAIN: &str = "the configuration was read again";

#[test]
fn a_flag_counts_more_than_a_variable_and_that_more_than_the_file() {
    let file = "cache-control = \"max-age=1\"\nheader = [\"X-A: file\"]\nspa = true\n";
    let (variable, flag) = (("IFMATCH_CACHE_CONTROL", "max-age=2"), ["--cache-control", "max-age=3"]);
    let off = ("IFMATCH_SPA", "false");
    let cases = [
        (serving(file, Launch::new()), "max-age=1", true),
        (serving(file, Launch::new().env(variable.0, variable.1)), "max-age=2", true),
        (serving(file, Launch::new().env(variable.0, variable.1).args(flag)), "max-age=3", true),
        (serving(file, Launch::new().env(off.0, off.1)), "max-age=1", false),
        (serving("", Launch::new()), "no-cache", false),
    ];
    for (server, cache_control, single_page) in cases {
        server.folder().write("index.html", "app");
        let response = server.get("/file.txt");
        assert_eq!(response.field("Cache-Control"), Some(cache_control), "{response}");
        let page = server.ask(&get("/place").field("Accept", "text/html"));
        assert_eq!(page.status == 200, single_page, "{page}");
    }
}

#[test]
fn paths_in_the_file_are_those_of_its_folder() {
    let folder = Arc::new(Folder::new());
    folder.write_outside("etc/conf/accounts", "@/a:-\n");
    folder.write_outside("etc/conf/site/file", "x");
    folder
        .write_outside("etc/ifmatch.toml", "root = \"conf/site\"\nauth-file = \"conf/accounts\"\nport = 0\n");
    let mut command = Launch::bare().command(&folder);
    let output = command.args(["check", "-c", "etc/ifmatch.toml"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the server could start\n");
    assert!(output.status.success());
    fs::remove_dir_all(folder.outside("etc/conf/site")).unwrap();
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("conf/site; name one that exists"), "{error}");
}

#[test]
fn what_is_typed_takes_the_place_of_what_contradicts_it_in_the_file() {
    let folder = Folder::new();
    let missing = |of: &str| format!("ifmatch: cannot speak HTTPS with {of}: there is no such file");
    let fine = "the server could start".to_owned();
    type Case<'a> = (&'a str, &'a [&'a str], (&'a str, &'a str), String);
    let cases: [Case<'_>; 10] = [
        ("quiet = true", &["-v"], ("A", ""), fine.clone()),
        ("verbose = 2", &["-q"], ("A", ""), fine.clone()),
        ("verbose = 2", &[], ("IFMATCH_QUIET", "true"), fine.clone()),
        ("verbose = 2", &[], ("IFMATCH_QUIET", "false"), fine.clone()),
        ("quiet = true", &[], ("IFMATCH_VERBOSE", "1"), fine),
        (
            "tls-cert = \"c\"",
            &["--tls-key", "k"],
            ("A", ""),
            missing("./c").replace("ifmatch:", "ifmatch: ifmatch.toml, line 1:"),
        ),
        ("tls-key = \"k\"", &["--tls-cert", "c"], ("A", ""), missing("c")),
        ("", &["--tls-cert", "c"], ("A", ""), "ifmatch: --tls-cert needs --tls-key".to_owned()),
        ("", &["-qv"], ("A", ""), "ifmatch: --quiet and --verbose contradict each other".to_owned()),
        ("", &["--redirect-from", "80"], ("A", ""), "ifmatch: --redirect-from needs --tls-cert".to_owned()),
    ];
    for (config, typed, (name, value), expected) in cases {
        folder.write_outside("ifmatch.toml", config);
        let mut command = Launch::bare().env(name, value).command(&folder);
        let output = command.args(["check", "-c", "ifmatch.toml", "root"]).args(typed).output().unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.starts_with(&expected), "{config} {typed:?} {name}={value}: {told}");
    }
}

#[test]
fn a_number_may_be_written_in_another_base() {
    let folder = Arc::new(Folder::new());
    folder.write_outside("ifmatch.toml", "max-upload-size = 0x1_0\nallow-upload = true\nverbose = 0b1\n");
    let server = Launch::new().args(["--config", "ifmatch.toml"]).start_in(folder);
    server.ask(&put("/a", "0123456789abcdef")).expect(201);
    server.ask(&put("/b", "0123456789abcdefg")).expect(413);
}

#[test]
fn what_is_wrong_with_the_file_is_told_with_its_line() {
    let cases = [
        ("\nalow-upload = true", "line 2: there is no key \"alow-upload\"; did you mean \"allow-upload\"?"),
        ("allow_upload = true", "line 1: there is no key \"allow_upload\"; did you mean \"allow-upload\"?"),
        ("xyzzy = 1", "line 1: there is no key \"xyzzy\"; the keys are the long names"),
        (
            "[[rule]]\nfiles = \"a\"\nspa = true",
            "line 3: there is no key \"spa\" in a rule; it has files, cache-control, content-type, content-encoding, headers, cors and auth, and options stand above",
        ),
        ("config = \"other\"", "line 1: there is no key \"config\""),
        ("port = \"x\"", "line 1: invalid value 'x' for '--port <PORT>': a port is a number from 0 to 65535"),
        ("index = \"foo\"", "line 1: invalid value 'foo' for '--index <MODE>'"),
        ("spa = \"yes\"", "line 1: spa is a switch: write true or false"),
        ("verbose = true", "line 1: verbose is a number: 1, 2 or 3"),
        ("port = [1]", "line 1: port has one value: write it without brackets"),
        ("root = \"\"", "line 1: root is empty: write a path, or leave the line out"),
        ("auth-file = \"\"", "line 1: auth-file is empty"),
        ("\nroot = \"none\"", "line 2: there is no folder"),
        ("root = \"root\"\nbind = \"203.0.113.1\"", "line 2: 203.0.113.1 is not an address of this machine"),
        (
            "root = \"root\"\nbind = \"unix:/none/socket\"",
            "line 2: there is no folder for the socket /none/socket",
        ),
        ("root = {}", "line 1: root has a value of text, a whole number, or a list of them"),
        ("port = 80.5", "line 1: port has a value of text, a whole number"),
        ("port = 0x1FFFF", "line 1: invalid value '131071' for '--port <PORT>'"),
        ("verbose = 3000000000", "line 1: verbose is a number: 1, 2 or 3"),
        ("\nheader = \"X-A\"", "line 2: --header: \"X-A\" has no colon"),
        ("cors = \"a\"", "line 1: --cors: \"a\" is not an origin"),
        ("auth = \"alice:secret\"", "line 1: --auth: what stands behind \"alice\" is not a hash"),
        ("index-file = \"../x\"", "line 1: --index-file \"../x\" is not the name of a file"),
        ("create-only = true", "line 1: --create-only says how PUT works"),
        ("spa = true\nspa = true", "line 2: duplicate key"),
        ("port = ", "line 1: "),
        ("tls-cert = \"x\"", "line 1: --tls-cert needs --tls-key"),
        ("[[rule]]\nfiles = \"/a/../b\"", "line 2: \"/a/../b\" is not a pattern: no path has"),
        ("rule = 1", "line 1: a rule is a table of its own, headed [[rule]]"),
        ("[[rule]]", "line 1: the rule has no files"),
        ("[[rule]]\nfile = \"a\"", "line 2: there is no key \"file\"; did you mean \"files\"?"),
        ("[[rule]]\nfiles = \"a[\"", "line 2: \"a[\" is not a pattern"),
        ("[[rule]]\nfiles = \"a\"\ncors = \"x\"", "line 3: \"x\" is not an origin"),
        ("[[rule]]\nfiles = \"a\"\nheaders = { A = { b = \"c\" } }", "line 3: the value is a text in quotes"),
        ("[[rule]]\nfiles = \"a\"\nheaders = 1", "line 3: the value is a table of names and values"),
        ("[[rule]]\nfiles = \"a\"\nheaders = { ETag = \"x\" }", "line 3: ETag is made by the server itself"),
        (
            "[[rule]]\nfiles = \"a\"\nheaders = { Content-Type = \"text/html\" }",
            "line 3: Content-Type is for files; a rule has the key content-type for it",
        ),
        ("[[rule]]\nfiles = \"a\"\ncontent-type = \"html\"", "line 3: \"html\" is not a media type; write"),
        (
            "[[rule]]\nfiles = \"a\"\n\ncontent-type = \"text/a\\nb\"",
            "line 4: \"text/a\\nb\" is not a media type",
        ),
        ("[[rule]]\nfiles = \"a\"\ncontent-type = 1", "line 3: the value is a text in quotes"),
        (
            "[[rule]]\nfiles = \"a\"\ncontent-encoding = \"g zip\"",
            "line 3: \"g zip\" is not a content coding; write",
        ),
        ("[[rule]]\nfiles = \"a\"\ncontent-encoding = \"\"", "line 3: \"\" is not a content coding"),
        (
            "[[rule]]\nfiles = \"a\"\nauth = { bob = \"r\" }",
            "line 3: there is no account \"bob\"; * stands for everybody",
        ),
        (
            "[[rule]]\nfiles = \"a\"\nauth = { \"*\" = \"x\" }",
            "line 3: \"x\" is not a right; they are r, rw and -",
        ),
    ];
    let folder = Folder::new();
    for (config, expected) in cases {
        folder.write_outside("ifmatch.toml", config);
        for check in [true, false] {
            let mut command = Launch::bare().command(&folder);
            command.args(check.then_some("check")).args(["-c", "ifmatch.toml"]);
            let output = command.output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(matches!(output.status.code(), Some(1 | 2)), "{config}: {error}");
            assert!(
                error.starts_with("ifmatch: ifmatch.toml") && error.contains(expected),
                "{config}: {error}"
            );
            assert_eq!(error.lines().count(), 1, "{config}: {error}");
        }
    }
    for (name, expected) in [("none", "there is no such file"), (".", "it cannot be read")] {
        let output = Launch::bare().command(&folder).args(["-c", name]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("ifmatch: --config {name}: {expected}")), "{error}");
    }
}

#[test]
fn rules_are_about_files_by_pattern() {
    let server = serving(
        "[[rule]]\nfiles = [\"/assets/**\", \"*.html\"]\ncache-control = \"max-age=60\"\nheaders = { X-A = \"one\" }\n\
         [[rule]]\nfiles = \"*.js\"\nheaders = { X-A = [\"two\", \"too\"], X-B = \"js\" }\ncors = \"*\"\n",
        Launch::new(),
    );
    let none = None;
    for (target, cache_control, a, b, origin) in [
        ("/file.txt", "no-cache", none, none, none),
        ("/page.html", "max-age=60", Some("one"), none, none),
        ("/assets/deep/a.txt", "max-age=60", Some("one"), none, none),
        ("/assets/app.js", "max-age=60", Some("two, too"), Some("js"), Some("*")),
        // The index answers, and what is said of it counts.
        ("/drafts/", "max-age=60", Some("one"), none, none),
    ] {
        for response in by_both_ways(&server, target) {
            assert_eq!(response.field("Cache-Control"), Some(cache_control), "{response}");
            assert_eq!(response.lines("X-A").join(", "), a.unwrap_or_default(), "{response}");
            assert_eq!(response.field("X-B"), b, "{response}");
            assert_eq!(response.field("Access-Control-Allow-Origin"), origin, "{response}");
        }
    }
    let missing = server.get("/assets/missing").expect_problem(404);
    assert_eq!(missing.field("X-A"), Some("one"), "{missing}");
    assert_eq!(server.get("/missing").expect_problem(404).field("X-A"), None);
}

#[test]
fn rules_give_and_take_rights() {
    let hash = "alice:$2y$04$7JBdRTmcgkWQdNKNBJsfYeJLqfVdLZVbHXDIqLhmDUZhNwxbDYCqy";
    let config = format!(
        "allow-upload = true\nauth = [\"{hash}\"]\n\
         [[rule]]\nfiles = \"/drafts/**\"\nauth = {{ \"*\" = \"-\" }}\n\
         [[rule]]\nfiles = \"*.secret\"\nauth = {{ \"*\" = \"-\" }}\n\
         [[rule]]\nfiles = \"/inbox/*.txt\"\nauth = {{ \"*\" = \"rw\" }}\n\
         [[rule]]\nfiles = \"*.html\"\nauth = {{ \"*\" = \"r\" }}\n\
         [[rule]]\nfiles = \"/assets/deep\"\nauth = {{ \"*\" = \"-\" }}\n"
    );
    let server = serving(&config, Launch::new());
    for (target, status) in [
        ("/file.txt", 200),
        ("/drafts/a.txt", 401),
        ("/drafts/missing", 401),
        ("/drafts/", 401),
        ("/drafts", 401),
        ("//drafts/a.txt", 401),
        ("/%64rafts/a.txt", 401),
        ("/any/where.secret", 401),
        ("/any/where.secret/x", 401),
        ("/drafts/index.html", 200),
        ("/assets/deep", 401),
        ("/assets/deep/a.txt", 401),
        ("/assets/app.js", 200),
    ] {
        for response in by_both_ways(&server, target) {
            response.expect(status);
        }
    }
    server.ask(&put("/inbox/a.txt", "x")).expect(201);
    server.ask(&put("/inbox/a.bin", "x")).expect(401);
    server.ask(&put("/inbox/a.txt/a.bin", "x")).expect(401);
    server.ask(&put("/file.txt", "x")).expect(401);
    let listing = server.get("/").text();
    assert!(!listing.contains("drafts") && listing.contains("inbox"), "{listing}");
}

#[test]
fn what_can_be_changed_changes_without_an_end_of_connections() {
    let server = serving("cache-control = \"max-age=1\"\n", Launch::new().arg("-v"));
    let mut client = server.connect();
    assert_eq!(client.ask(&get("/file.txt")).field("Cache-Control"), Some("max-age=1"));
    let changed = "cache-control = \"max-age=2\"\n[[rule]]\nfiles = \"/drafts/**\"\nauth = { \"*\" = \"-\" }\n\
                   [[rule]]\nfiles = \"*.txt\"\nheaders = { X-A = \"new\" }\n";
    change(&server, changed, READ_AGAIN);
    for response in by_both_ways(&server, "/file.txt").into_iter().chain([client.ask(&get("/file.txt"))]) {
        assert_eq!(response.field("Cache-Control"), Some("max-age=2"), "{response}");
        assert_eq!(response.field("X-A"), Some("new"), "{response}");
    }
    client.ask(&get("/drafts/a.txt")).expect(401);
    // By a signal as well, when nothing has changed.
    let before = server.stderr().matches(READ_AGAIN).count();
    server.signal(Signal::HUP);
    eventually("a signal is heard", || (server.stderr().matches(READ_AGAIN).count() > before).then_some(()));
    client.ask(&get("/file.txt")).expect(200);
}

#[test]
fn reloading_under_load_fails_and_mixes_nothing() {
    const ROUNDS: usize = 20;
    let config = |round: usize| {
        format!("allow-upload = true\ncache-control = \"max-age={round}\"\nheader = [\"X-Round: {round}\"]\n")
    };
    let server = serving(&config(0), Launch::new().arg("-v"));
    server.folder().write("counter", "0");
    let over = AtomicBool::new(false);
    let address = server.address();
    std::thread::scope(|scope| {
        let _ending = Ending(&over);
        let read = || {
            let (mut client, mut count) = (Client::connect(address), 0);
            while !over.load(Ordering::Relaxed) {
                for asked in [
                    get("/file.txt"),
                    get("/file.txt").field("Want-Repr-Digest", "unknown=1"),
                    get("/missing"),
                ] {
                    let response = client.ask(&asked).expect_one_of(&[200, 404]);
                    if response.status == 200 {
                        let age = response.field("Cache-Control").unwrap().strip_prefix("max-age=");
                        assert_eq!(
                            age,
                            response.field("X-Round"),
                            "two configurations in one answer\n{response}"
                        );
                        response.expect_file(b"file.txt");
                    }
                    count += 1;
                }
            }
            count
        };
        let count = || {
            let (mut client, mut wins) = (Client::connect(address), 0);
            while !over.load(Ordering::Relaxed) {
                let seen = client.ask(&get("/counter")).expect(200);
                let next = seen.text().parse::<usize>().unwrap() + 1;
                let asked = put("/counter", next.to_string()).field("If-Match", seen.tag());
                wins += usize::from(client.ask(&asked).expect_one_of(&[204, 412]).status == 204);
            }
            wins
        };
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        let counters: Vec<_> = (0..2).map(|_| scope.spawn(count)).collect();
        for round in 1..=ROUNDS {
            let before = server.stderr().matches(READ_AGAIN).count();
            server.folder().write_outside("ifmatch.toml", config(round));
            server.signal(Signal::HUP);
            eventually("it is reloaded", || {
                (server.stderr().matches(READ_AGAIN).count() > before).then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
        let read: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        let wins: usize = counters.into_iter().map(|counter| counter.join().unwrap()).sum();
        assert!(read > ROUNDS && wins > 0, "{read} {wins}");
        assert_eq!(server.get("/counter").text(), wins.to_string());
        println!("{ROUNDS} reloads, {read} answers, {wins} writes");
    });
}

/// Lets the threads end when the test fails in between.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn accounts_are_read_again_when_their_file_changes() {
    let folder = Arc::new(Folder::new());
    folder.write("file", "x");
    let accounts = folder.write_outside("accounts", "@/:r\n");
    let server = Launch::new().args(["-v", "--auth-file", "accounts"]).start_in(folder);
    server.get("/file").expect_file(b"x");
    fs::write(&accounts, "@/:-\nalice:$2y$04$7JBdRTmcgkWQdNKNBJsfYeJLqfVdLZVbHXDIqLhmDUZhNwxbDYCqy\n")
        .unwrap();
    eventually("the accounts are read again", || server.stderr().contains(READ_AGAIN).then_some(()));
    server.get("/file").expect(401);
    // Somebody saves it in place, slowly: that must not open everything for the while.
    fs::write(&accounts, "").unwrap();
    eventually("the empty list is told", || server.stderr().contains("it says nothing").then_some(()));
    server.get("/file").expect(401);
    fs::write(&accounts, "nonsense\n").unwrap();
    let kept = "the new configuration cannot be used, and the one before stays in use: --auth-file accounts, line 1: it has no colon";
    eventually("the bad line is told", || server.stderr().contains(kept).then_some(()));
    server.get("/file").expect(401);
}

#[test]
fn a_configuration_that_could_not_be_read_is_tried_again() {
    let server = serving("", Launch::new().arg("-v"));
    change(&server, "auth-file = \"accounts\"\n", "--auth-file ./accounts: there is no such file");
    server.get("/drafts/a.txt").expect(200);
    // Nothing that was read before changes.
    server.folder().write_outside("accounts", "@/drafts:-\n");
    eventually("the accounts are read", || server.stderr().contains(READ_AGAIN).then_some(()));
    server.get("/drafts/a.txt").expect(401);
    assert_eq!(server.stderr().matches("there is no such file").count(), 1, "{}", server.stderr());
}

#[test]
fn a_file_that_is_being_written_is_not_read() {
    use std::io::Write as _;
    let server = serving("private = true\nauth = [\"@/assets:r\"]\n", Launch::new().arg("-v"));
    server.get("/file.txt").expect(401);
    // Truncated, and saved by a program that takes its time.
    let mut saving = fs::File::create(server.folder().outside("ifmatch.toml")).unwrap();
    saving.write_all(b"spa = true\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    server.get("/file.txt").expect(401);
    saving.write_all(b"private = true\nauth = [\"@/assets:r\", \"@/drafts:r\"]\n").unwrap();
    drop(saving);
    eventually("it is read", || server.stderr().contains(READ_AGAIN).then_some(()));
    server.get("/file.txt").expect(401);
    server.get("/drafts/a.txt").expect(200);
}

#[test]
fn what_cannot_be_used_changes_nothing_and_what_cannot_be_changed_is_told() {
    let server = serving("cache-control = \"max-age=1\"\n", Launch::new().arg("-v"));
    change(&server, "cache-contrl = \"max-age=2\"\n", "did you mean \"cache-control\"?");
    assert_eq!(server.get("/file.txt").field("Cache-Control"), Some("max-age=1"));
    let other = "cache-control = \"max-age=3\"\nmemory = \"1M\"\nlog-format = \"json\"\n";
    change(&server, other, "these options take effect at the next start only: log-format, memory\n");
    assert_eq!(server.get("/file.txt").field("Cache-Control"), Some("max-age=3"));
}

#[test]
fn all_waits_with_what_says_who_may_reach_what() {
    let config = "allow-upload = true\nprivate = true\nauth = [\"alice:$2y$04$7JBdRTmcgkWQdNKNBJsfYeJLqfVdLZVbHXDIqLhmDUZhNwxbDYCqy\"]\n";
    let folder = Folder::new();
    folder.write_outside("open/file.txt", "for everybody");
    folder.write_outside("closed/file.txt", "for alice");
    folder.write_outside("closed/.hidden", "for nobody");
    let inside = |root: &str| format!("{config}root = {root:?}\nport = 0\n");
    folder.write_outside("ifmatch.toml", inside("closed"));
    let path = folder.outside("ifmatch.toml");
    let server = Launch::bare().args(["-v", "-c", path.to_str().unwrap()]).start_in(Arc::new(folder));
    for (other, waiting) in [
        // Neither accounts nor uploads: taken by itself that lets nobody write. But uploads end at the next start only.
        ("root = \"closed\"\nport = 0\n", "allow-upload"),
        // A folder for everybody: but until the next start it is the other one.
        ("allow-upload = true\nroot = \"open\"\nport = 0\nhidden = true\n", "root"),
        ("allow-upload = true\nroot = \"closed\"\nport = 0\nfollow-symlinks = \"deny\"\n", "follow-symlinks"),
    ] {
        let line = format!(
            "nothing of the new configuration takes effect before the next start, because these options can change only then: {waiting}\n"
        );
        change(&server, other, &line);
        server.ask(&put("/file.txt", "x")).expect(401);
        server.get("/file.txt").expect(401);
        server.get("/.hidden").expect(401);
    }
    change(&server, &inside("closed").replace("private = true", ""), READ_AGAIN);
    server.get("/file.txt").expect_file(b"for alice");
}

#[test]
fn health_is_told_where_it_was_at_start() {
    for (config, other) in [("", "admin-bind = \"127.0.0.1:0\"\n"), ("admin-bind = \"127.0.0.1:0\"\n", "")] {
        let server = serving(config, Launch::new().arg("-v"));
        let before = server.get("/__ifmatch__/health").status;
        change(&server, other, "these options take effect at the next start only: admin-bind\n");
        assert_eq!(server.get("/__ifmatch__/health").status, before, "{config:?}");
    }
}

#[test]
fn the_check_takes_the_options_of_the_server() {
    let folder = Folder::new();
    for (arguments, expected) in [
        (vec!["check", "--cors=x"], "ifmatch: --cors: \"x\" is not an origin"),
        (vec!["check", "missing"], "ifmatch: there is no folder"),
        (
            vec!["check", "root", "--tls-cert", "a", "--tls-key", "b"],
            "ifmatch: cannot speak HTTPS with a: there is no such file",
        ),
        (
            vec!["check", "-A", "--bind", "0.0.0.0"],
            "ifmatch: writing is allowed and --bind 0.0.0.0 can be reached",
        ),
        (vec!["check", "--bind", "203.0.113.1"], "ifmatch: 203.0.113.1 is not an address of this machine"),
        (
            vec!["check", "-p", "7", "--admin-bind", "127.0.0.1:7"],
            "ifmatch: 127.0.0.1:7 is asked for twice (0.0.0.0 and :: are all addresses); choose another with --admin-bind",
        ),
        (vec!["check", "--bind", "127.0.0.1,127.0.0.1"], "ifmatch: 127.0.0.1:8080 is asked for twice"),
        (vec!["check", "--bind", "0.0.0.0,127.0.0.1"], "ifmatch: 127.0.0.1:8080 is asked for twice"),
        (vec!["check", "--bind", "unix:/tmp/a,unix:/tmp/a"], "ifmatch: --bind unix:/tmp/a is said twice"),
        (vec!["check", "--bind", "unix:/none/socket"], "ifmatch: there is no folder for the socket"),
        (vec!["check", "--bind", "unix:/etc/passwd"], "ifmatch: /etc/passwd is there and is no socket"),
    ] {
        let output = Launch::bare().command(&folder).args(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)) && error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_check_does_not_mind_a_server_that_runs() {
    let server = Launch::new().start();
    let port = server.address().port().to_string();
    let output = Launch::bare().command(server.folder()).args(["check", "-p", &port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn secrets_in_the_served_folder_are_refused() {
    let folder = Folder::new();
    let certificate = crate::tls::write_certificate;
    certificate(&folder, "one", 3000);
    folder.write("accounts", "@/:r\n");
    folder.write("sub/.hidden/accounts", "@/:r\n");
    folder.write("ifmatch.toml", "");
    fs::copy(folder.outside("one.key"), folder.path("one.key")).unwrap();
    std::os::unix::fs::symlink("root/accounts", folder.outside("link")).unwrap();
    std::os::unix::fs::symlink("../one.key", folder.path("link.key")).unwrap();
    folder.write_outside("fine", "@/:r\n");
    std::os::unix::fs::symlink("sub/.hidden", folder.path("shown")).unwrap();
    std::os::unix::fs::symlink("..", folder.path("out")).unwrap();
    std::os::unix::fs::symlink("root", folder.outside("alias")).unwrap();
    let tls = |key| vec!["root", "--tls-cert", "one.crt", "--tls-key", key];
    for (arguments, told) in [
        (vec!["root", "--auth-file", "root/accounts"], Some("--auth-file root/accounts")),
        (vec!["root", "--auth-file", "./root/sub/../accounts"], Some("--auth-file ./root/sub/../accounts")),
        (vec!["root", "--auth-file", "link"], Some("--auth-file link")),
        (vec![".", "--auth-file", "root/accounts"], Some("--auth-file root/accounts")),
        (vec!["root", "-c", "root/ifmatch.toml"], Some("--config root/ifmatch.toml")),
        (tls("root/one.key"), Some("--tls-key root/one.key")),
        (tls("root/link.key"), Some("--tls-key root/link.key")),
        // A name that is not served may be reached by a link all the same.
        (
            vec!["root", "--auth-file", "root/sub/.hidden/accounts"],
            Some("--auth-file root/sub/.hidden/accounts"),
        ),
        (vec!["root", "--auth-file", "root/shown/accounts"], Some("--auth-file root/shown/accounts")),
        (
            vec!["root", "--follow-symlinks", "all", "--auth-file", "root/out/fine"],
            Some("--auth-file root/out/fine"),
        ),
        (vec!["alias", "--auth-file", "root/accounts"], Some("--auth-file root/accounts")),
        (vec!["alias", "--auth-file", "alias/accounts"], Some("--auth-file alias/accounts")),
        (tls("one.key"), None),
        (vec!["root", "--auth-file", "fine"], None),
    ] {
        let output = Launch::bare().command(&folder).arg("check").args(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        match told {
            None => assert!(output.status.success(), "{arguments:?}: {said}"),
            Some(told) => {
                let told =
                    format!("ifmatch: {told}: it lies in the served folder, where requests may reach it; ");
                assert!(!output.status.success() && said.starts_with(&told), "{arguments:?}: {said}");
            }
        }
    }
}

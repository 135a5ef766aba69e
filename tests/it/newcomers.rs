//! What somebody types who knows another server, and what is said to it: a hint, in a sentence, and one exit code.

use std::process::{Output, Stdio};

use crate::harness::server::wait;
use crate::harness::{Folder, Launch};

/// Runs the program until it ends by itself.
#[track_caller]
fn run(launch: Launch, folder: &Folder, last: &[&str]) -> Output {
    let mut command = launch.command(folder);
    command.args(last).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait(&mut child);
    child.wait_with_output().unwrap()
}

/// What is said on standard error, with the exit code.
#[track_caller]
fn said(launch: Launch, folder: &Folder, last: &[&str]) -> (Option<i32>, String) {
    let output = run(launch, folder, last);
    assert!(output.stdout.is_empty(), "{last:?}: {output:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A folder with another one, `pub`, and a file, `film.iso`, outside the usual root.
fn outside() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.outside("pub")).unwrap();
    std::fs::create_dir(folder.outside("pub2")).unwrap();
    folder.write_outside("film.iso", "film");
    folder
}

#[test]
fn what_other_servers_call_it_gets_a_hint() {
    let folder = outside();
    let cases: &[(&[&str], &str)] = &[
        (&["serve", "pub"], "there is no command serve, and none is needed: ifmatch pub"),
        (&["-p", "0", "serve", "pub"], "there is no command serve, and none is needed: ifmatch pub"),
        (&["http.server", "8000"], "ifmatch --port 8000"),
        (&["pub", "pub2"], "only one folder is served, and \"pub2\" is a second name"),
        (&["pub", "8000"], "to listen at that port, say --port 8000"),
        (&["-p", "0", "check", "pub"], "the options of a command stand behind it: ifmatch check [OPTIONS]"),
        (&["--open"], "opens no browser"),
        (&["--root", "pub"], "ifmatch FOLDER"),
        (&["--directory", "pub", "8000"], "ifmatch FOLDER"),
        (&["-d", "pub"], "ifmatch FOLDER"),
        (&["--root=pub"], "there is no option --root: "),
        (&["--listen", ":8080"], "--bind ADDRESS and the port with --port PORT"),
        (&["--cert", "a", "--key", "b"], "--tls-cert FILE --tls-key FILE"),
        (&["--key", "b"], "--tls-cert FILE --tls-key FILE"),
        (&["--ssl"], "--tls-cert FILE --tls-key FILE"),
        (&["--log-file", "log"], "2>>FILE"),
        (&["--readonly"], "nothing is written unless"),
        (&["--read-only"], "nothing is written unless"),
        (&["--upload"], "--allow-upload"),
        (&["--dotfiles"], "--hidden"),
        (&["--gzip"], "put a proxy in front"),
    ];
    for (last, hint) in cases {
        let (code, words) = said(Launch::new(), &folder, last);
        assert_eq!(code, Some(2), "{last:?}: {words}");
        assert!(words.starts_with("ifmatch: ") && words.lines().count() == 1, "{last:?}: {words}");
        assert!(words.contains(hint), "{last:?}: {words}");
    }
}

#[test]
fn a_folder_that_is_not_there_may_have_been_meant_as_something_else() {
    let folder = outside();
    for (last, hint) in [
        ("8000", "; to listen at port 8000, say --port 8000\n"),
        ("serve", "; to serve the folder you are in, type ifmatch without a name\n"),
    ] {
        let (code, words) = said(Launch::new(), &folder, &["-p", "0", last]);
        assert_eq!(code, Some(1), "{words}");
        assert!(words.starts_with("ifmatch: there is no folder ") && words.ends_with(hint), "{words}");
    }
}

#[test]
fn a_single_file_is_not_served_and_the_error_says_what_to_type() {
    let folder = outside();
    let (_, words) = said(Launch::new(), &folder, &["-p", "0", "film.iso"]);
    let file = folder.outside("film.iso").display().to_string();
    assert!(words.contains(&format!("{file} is not a folder")), "{words}");
    assert!(words.contains(&format!("mkdir share && ln {file} share/ && ifmatch share")), "{words}");
}

#[test]
fn host_and_address_mean_bind() {
    for name in ["--host", "--address"] {
        let server = Launch::new().args([name, "127.0.0.2"]).start();
        assert_eq!(server.address().ip().to_string(), "127.0.0.2");
    }
}

#[test]
fn what_makes_no_sense_ends_with_2_wherever_it_was_said() {
    let folder = outside();
    folder.write_outside("wrong.toml", "port = \"many\"\n");
    let cases: [(Launch, &[&str]); 8] = [
        (Launch::new(), &["--no-such-option"]),
        (Launch::new(), &["--port", "many"]),
        (Launch::new(), &["-q", "-v"]),
        (Launch::new(), &["--index-file", "a/b"]),
        (Launch::new(), &["--user", "no-such-user"]),
        (Launch::new(), &["--config", "wrong.toml"]),
        (Launch::new().env("IFMATCH_PORT", "many"), &[]),
        (Launch::new().env("PORT", "many"), &["check"]),
    ];
    for (launch, last) in cases {
        let (code, words) = said(launch, &folder, last);
        assert_eq!(code, Some(2), "{last:?}: {words}");
    }
    // What makes sense and cannot be done is something else, and so is the health of a server, for which 2 is reserved.
    assert_eq!(said(Launch::new(), &folder, &["missing"]).0, Some(1));
    assert_eq!(said(Launch::new(), &folder, &["health", "--no-such-option"]).0, Some(1));
    assert_eq!(said(Launch::new(), &folder, &["health", "nothing"]).0, Some(1));
}

#[test]
fn an_error_about_a_variable_names_it_and_not_the_option() {
    let folder = outside();
    for (variable, value, option) in [
        ("IFMATCH_BIND", "nonsense", "--bind"),
        ("IFMATCH_PORT", "many", "--port"),
        ("IFMATCH_ETAG_HASH", "md5", "--etag-hash"),
        ("IFMATCH_INDEX_FILE", "a/b", "--index-file"),
        ("IFMATCH_CACHE_CONTROL", "a\u{1}b", "--cache-control"),
        ("IFMATCH_USER", "no-such-user", "--user"),
        ("IFMATCH_CREATE_ONLY", "1", "--create-only"),
        ("IFMATCH_AUTH", "alice", "--auth"),
        ("IFMATCH_RATE_LIMIT", "20", "--rate-limit"),
        ("IFMATCH_IDLE_TIMEOUT", "soon", "--idle-timeout"),
        ("IFMATCH_CONFIG", "missing.toml", "--config"),
        // Only the server finds out.
        ("IFMATCH_ROOT", "missing", "[ROOT]"),
        ("IFMATCH_BIND", "203.0.113.1", "--bind"),
        ("IFMATCH_INDEX_CACHE", "root", "--index-cache"),
    ] {
        let last: &[&str] = if variable == "IFMATCH_ROOT" { &[] } else { &["root"] };
        let last = if variable == "IFMATCH_PORT" { last.to_vec() } else { [&["-p", "0"], last].concat() };
        let (_, words) = said(Launch::new().env(variable, value), &folder, &last);
        assert!(words.starts_with("ifmatch: ") && words.lines().count() == 1, "{variable}: {words}");
        let is_named = |name: &str| words.split(&[' ', ':', ';', ',', '=', '\n']).any(|word| word == name);
        assert!(is_named(variable) && !is_named(option), "{variable}: {words}");
    }
    // What is typed counts more, and is what is wrong then.
    let launch = Launch::new().env("IFMATCH_BIND", "127.0.0.1");
    let (_, words) = said(launch, &folder, &["--bind", "nonsense", "root"]);
    assert!(words.contains("--bind") && !words.contains("IFMATCH_BIND"), "{words}");
}

#[test]
fn an_option_about_writing_without_writing_is_a_mistake() {
    let folder = outside();
    for (last, instead) in [
        (&["--create-only"][..], "--allow-upload"),
        (&["--max-upload-size", "5M"], "--allow-upload"),
        (&["--max-uploads", "5"], "--allow-upload"),
        (&["--if-match-replay"], "--allow-upload"),
        (&["--require-preconditions"], "--allow-delete"),
        (&["--durability", "full"], "--allow-delete"),
        (&["--insecure-writes"], "--allow-delete"),
        (&["--create-only", "--allow-delete"], "--allow-upload"),
    ] {
        let (code, words) = said(Launch::new(), &folder, &[&["-p", "0", "root"], last].concat());
        assert_eq!(code, Some(2), "{words}");
        assert!(words.starts_with(&format!("ifmatch: {} says how ", last[0])), "{words}");
        assert!(words.contains(instead), "{words}");
    }
}

#[test]
fn a_rate_needs_its_unit() {
    let (code, words) = said(Launch::new(), &outside(), &["--rate-limit", "20", "root"]);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("unit") && words.contains("20/s"), "{words}");
}

#[test]
fn the_short_help_fits_two_screens() {
    for columns in ["80", "100", "200"] {
        let output = run(Launch::new().env("COLUMNS", columns), &Folder::new(), &["-h"]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.lines().count() <= 60, "{help}");
        assert!(help.lines().all(|line| line.len() <= columns.parse::<usize>().unwrap()), "{help}");
        assert!(!help.contains("IFMATCH_"), "{help}");
        for heading in ["Options:", "Listening:", "Files:", "Accounts:", "HTTPS:", "Writing:"] {
            assert!(help.lines().any(|line| line == heading), "{heading} in\n{help}");
        }
    }
    let output = run(Launch::new(), &Folder::new(), &["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for heading in [
        "Options:",
        "Listening:",
        "Files:",
        "Accounts:",
        "HTTPS:",
        "Writing:",
        "Index:",
        "Limits:",
        "Process:",
    ] {
        assert_eq!(help.lines().filter(|line| *line == heading).count(), 1, "{heading} in\n{help}");
    }
    assert!(help.contains("IFMATCH_BIND") && help.contains("Exit codes: "), "{help}");
}

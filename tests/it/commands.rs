//! The commands for those who install and watch the program: `health`, `completions` and `man`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};

use crate::harness::{Folder, Launch, Server};

/// What the program answers to these arguments, in an environment with these variables.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = Folder::new();
    let mut command = Launch::new().command(&folder);
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Whether the program says that a server is well, and the one line that it says.
fn health(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let output = run(&[&["health"], arguments].concat(), variables);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let code = output.status.code();
    match code {
        Some(0) => assert_eq!(stderr, ""),
        _ => assert_eq!((stdout.as_str(), code), ("", Some(1)), "{stderr}"),
    }
    let said = stdout + &stderr;
    assert_eq!(said.matches('\n').count(), 1, "one sentence: {said}");
    (code == Some(0), said)
}

#[track_caller]
fn assert_well(arguments: &[&str], variables: &[(&str, &str)]) {
    let (well, said) = health(arguments, variables);
    assert!(well && said.contains("well (ifmatch "), "{said}");
}

#[track_caller]
fn assert_not_well(arguments: &[&str], variables: &[(&str, &str)], why: &str) {
    let (well, said) = health(arguments, variables);
    assert!(!well && said.contains(why), "{why:?} was expected: {said}");
}

fn port(server: &Server) -> String {
    server.address().port().to_string()
}

#[test]
fn health_asks_where_the_environment_says_that_the_server_listens() {
    let server = Launch::new()
        .args(["--private", "--auth", "a:$2y$04$abcdefghijklmnopqrstuu5s0gC5mjxLZHS4OE4E5CqmIyWVZgPLS"])
        .start();
    let port = port(&server);
    assert_well(&[], &[("IFMATCH_PORT", &port)]);
    assert_well(&[], &[("PORT", &port)]);
    assert_well(&[], &[("IFMATCH_PORT", &port), ("IFMATCH_BIND", "0.0.0.0")]);
    assert_well(&[], &[("IFMATCH_PORT", &port), ("IFMATCH_BIND", "127.0.0.1,127.0.0.2")]);
    assert_well(&[&format!("http://127.0.0.1:{port}")], &[]);
    assert_well(&[&format!("http://localhost:{port}/__ifmatch__/health")], &[("IFMATCH_PORT", "1")]);
    let file = server.folder().write_outside("ifmatch.toml", format!("port = {port}\n"));
    assert_well(&[], &[("IFMATCH_CONFIG", file.to_str().unwrap())]);
    std::fs::rename(server.folder().root(), server.folder().outside("away")).unwrap();
    assert_not_well(&[], &[("IFMATCH_PORT", &port)], "not well (503): the served folder is not there");
}

#[test]
fn health_asks_at_the_address_that_is_for_it_alone() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Launch::new().args(["--admin-bind", &free]).start();
    assert_well(&[], &[("IFMATCH_ADMIN_BIND", &free)]);
    assert_well(&[&format!("http://{free}/health")], &[]);
    assert_not_well(
        &[],
        &[("IFMATCH_PORT", &port(&server))],
        "is not ifmatch, or does not tell its health there",
    );
}

#[test]
fn health_asks_a_server_that_encrypts_whatever_has_become_of_its_files() {
    let folder = Arc::new(Folder::new());
    let key = KeyPair::generate().unwrap();
    // Neither the name nor the signature is one that anybody else would believe.
    let certificate = CertificateParams::new(["elsewhere".to_owned()]).unwrap().self_signed(&key).unwrap();
    let [certificate, key] = [("one.crt", certificate.pem()), ("one.key", key.serialize_pem())]
        .map(|(name, text)| folder.write_outside(name, text).display().to_string());
    let accounts = folder.write_outside("accounts", "@/:r\n").display().to_string();
    let server =
        Launch::new().args(["--tls-cert", "one.crt", "--tls-key", "one.key"]).start_in(Arc::clone(&folder));
    let port = port(&server);
    let variables: [(&str, &str); 4] = [
        ("IFMATCH_PORT", &port),
        ("IFMATCH_TLS_CERT", &certificate),
        ("IFMATCH_TLS_KEY", &key),
        ("IFMATCH_AUTH_FILE", &accounts),
    ];
    assert_well(&[], &variables);
    assert_well(&[&format!("https://localhost:{port}/")], &[]);
    for file in ["one.crt", "one.key", "accounts"] {
        folder.write_outside(file, "half of");
    }
    assert_well(&[], &variables);
    std::fs::remove_file(&certificate).unwrap();
    assert_well(&[], &variables);
    assert!(
        !health(&[], &[("IFMATCH_PORT", &port)]).0,
        "it asks in plain text where nothing tells otherwise"
    );
}

#[test]
fn health_asks_at_a_socket() {
    let folder = Arc::new(Folder::new());
    let socket = format!("unix:{}", folder.outside("socket").display());
    assert_not_well(&[], &[("IFMATCH_BIND", &socket)], "socket: nobody listens there");
    let server = Launch::new().args(["--bind", &socket, "--bind", "127.0.0.1"]).start_in(Arc::clone(&folder));
    assert_well(&[], &[("IFMATCH_BIND", &socket)]);
    assert_well(&[&socket], &[]);
    drop(server);
    assert_not_well(&[&socket], &[], "nobody listens there");
    assert_not_well(&["unix:socket"], &[], "unix:/PATH");
}

#[test]
fn health_says_in_a_sentence_why_there_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/");
    let stranger = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "nonsense", ""] {
            let mut stream = listener.accept().unwrap().0;
            // What is not read before the end would be answered with a reset.
            let read = stream.read(&mut [0; 4096]).unwrap();
            assert!(read > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for _ in 0..3 {
        assert_not_well(&[&url], &[], "is not ifmatch");
    }
    stranger.join().unwrap();
    assert_not_well(&[&url], &[], "nobody listens there");
    assert_not_well(&["http://example.org/"], &[], "an address in numbers");
    assert_not_well(&[], &[("IFMATCH_PORT", "0")], "name the one that it got");
    assert_not_well(&[], &[("IFMATCH_PORT", "many")], "65535");
    assert_not_well(&[], &[("IFMATCH_CONFIG", "/missing.toml")], "/missing.toml");
    assert_not_well(&["--port", "80"], &[], "--port");
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = String::from_utf8(run(&["--help"], &[]).stdout).unwrap();
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let found: Vec<String> =
        names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect();
    assert!(found.iter().any(|name| name == "man"), "{help}");
    found
}

#[test]
fn every_manual_page_is_well_formed_and_names_every_option() {
    let mut pages = vec![vec!["man".to_owned()]];
    pages.extend(commands().into_iter().map(|command| vec!["man".to_owned(), command]));
    let folder = Folder::new();
    for arguments in pages {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments, &[]);
        assert!(output.status.success(), "{arguments:?}");
        let page = folder.write("page.1", output.stdout);
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&page).output();
        let lint = lint.expect("mandoc (Debian package mandoc)");
        assert!(lint.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&lint.stdout));
        let shown =
            Command::new("mandoc").args(["-T", "utf8", "-O", "width=500"]).arg(&page).output().unwrap();
        // Bold is a letter printed twice.
        let text = String::from_utf8(shown.stdout).unwrap();
        let letters: Vec<char> = text.chars().collect();
        let kept = letters
            .iter()
            .enumerate()
            .filter(|(at, letter)| **letter != '\u{8}' && letters.get(at + 1) != Some(&'\u{8}'));
        let text: String = kept.map(|(_, letter)| *letter).collect();
        let help = run(&[&arguments[1..], &["--help"]].concat(), &[]);
        let help = String::from_utf8(help.stdout).unwrap();
        let options = help
            .lines()
            .filter_map(|line| line.trim().split("--").nth(1).filter(|_| line.trim().starts_with('-')));
        let mut count = 0;
        for option in options.map(|option| option.split([' ', ',', '.']).next().unwrap()) {
            count += 1;
            assert!(text.contains(&format!("--{option}")), "{arguments:?}: --{option} is not in\n{text}");
        }
        assert!(count > 0, "{help}");
        if arguments.len() == 1 {
            assert!(text.contains("IFMATCH_BIND") && text.contains("ifmatch-health(1)"), "{text}");
        }
    }
    let wrong = run(&["man", "nothing"], &[]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("health"));
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = Folder::new();
    let script = folder.write("completions", run(&["completions", "bash"], &[]).stdout);
    let bash = |code: &str| {
        let output = Command::new("bash")
            .args(["--norc", "-c", code])
            .arg("bash")
            .arg(&script)
            .output()
            .expect("bash");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    bash("bash -n \"$1\"");
    for (words, expected) in [
        ("ifmatch --allow-", vec!["--allow-upload", "--allow-delete", "--allow-all", "--allow-host"]),
        ("ifmatch hea", vec!["health"]),
        ("ifmatch --follow-symlinks ", vec!["deny", "within", "all"]),
        ("ifmatch completions z", vec!["zsh"]),
    ] {
        // As readline does it: what stands on the line, and the word the cursor is in.
        let said = bash(&format!(
            "source \"$1\"; function=$(complete -p ifmatch | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             COMP_WORDS=({words}{}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             \"$function\" ifmatch \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            if words.ends_with(' ') { "''" } else { "" }
        ));
        assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{words}");
    }
}

#[test]
fn there_is_a_script_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell], &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("require-preconditions"), "{shell}: {text}");
    }
    assert!(!run(&["completions", "cmd"], &[]).status.success());
}

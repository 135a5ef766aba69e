//! The sandbox: what the process could not do even if it tried, and that whatever it is promised to do still works.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use crate::harness::server::wait;
use crate::harness::{Folder, Launch, Server, delete, eventually, put, tag_of};

const MODES: [&str; 2] = ["auto", "require"];

/// A kernel without Landlock, as far as the server can tell.
const WITHOUT: [&str; 9] = [
    "strace",
    // The server is the process that is started, and strace a child of it.
    "-D",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    "trace=landlock_create_ruleset",
    "-e",
    "inject=landlock_create_ruleset:error=EOPNOTSUPP",
];

fn sandbox(mode: &str) -> Launch {
    Launch::new().args(["--sandbox", mode])
}

/// `releases/1` and `releases/2`, to the first of which the served folder is a link, and `elsewhere/3`.
fn releases() -> Arc<Folder> {
    let folder = Folder::new();
    for (release, text) in [("releases/1", "one"), ("releases/2", "two"), ("elsewhere/3", "three")] {
        folder.write_outside(&format!("{release}/page"), text);
        folder.write_outside(&format!("{release}/public/page"), format!("{text}, public"));
    }
    fs::remove_dir(folder.root()).unwrap();
    symlink("releases/1", folder.root()).unwrap();
    Arc::new(folder)
}

/// Lets a link lead elsewhere, in one step.
fn switch(link: &Path, target: &str) {
    let new = std::path::PathBuf::from(format!("{}.new", link.display()));
    symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

/// Runs a program that ends by itself.
#[track_caller]
fn run(launch: &Launch, folder: &Folder, first: &[&str]) -> Output {
    let mut command = launch.command(folder);
    command.args(first).args(["-p", "0"]).arg(folder.root());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child);
    child.wait_with_output().unwrap()
}

#[test]
fn it_is_told_how_far_the_process_is_confined() {
    for (mode, health, told) in [
        ("auto", "full", "; connects to nobody"),
        ("require", "full", "; connects to nobody"),
        ("off", "off", "off (--sandbox off)"),
    ] {
        let server = sandbox(mode).args(["-A", "-v"]).start();
        assert_eq!(server.health()["sandbox"], health, "{mode}");
        let line = eventually("the start is told", || {
            server.stdout().lines().find_map(|line| line.strip_prefix("  sandbox: ").map(str::to_owned))
        });
        assert!(line.contains(told), "{mode}: {line}");
        let root = server.folder().root().display().to_string();
        let written = line.split("; ").find(|part| part.starts_with("writes only in "));
        assert_eq!(written.is_some_and(|part| part.ends_with(&root)), mode == "require", "{mode}: {line}");
    }
}

#[test]
fn no_thread_can_gain_rights() {
    for mode in ["auto", "require", "off"] {
        let server = sandbox(mode).start();
        server.get("/").expect(200);
        let tasks = fs::read_dir(format!("/proc/{}/task", server.process())).unwrap();
        for task in tasks {
            // One that has ended meanwhile has no rights either.
            let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
            assert!(status.contains("\nNoNewPrivs:\t1\n"), "{mode}\n{status}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_kernel_refuses_every_thread_what_a_server_has_no_need_of() {
    use crate::harness::syscall::{Thread, threads};
    use nix::libc::{EACCES, O_CREAT, O_DIRECTORY, O_RDONLY, O_WRONLY};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (mode, writes) in [("auto", ""), ("auto", "-A"), ("require", ""), ("require", "-A"), ("off", "-A")] {
        let folder = Arc::new(Folder::new());
        let inside = folder.write("file", "inside").display().to_string();
        let outside = folder.write_outside("secrets/file", "outside").display().to_string();
        let new = |path: &str| format!("{path}.new");
        let mut launch = sandbox(mode).arg("--index=eager");
        if !writes.is_empty() {
            launch = launch.arg(writes);
        }
        let server = launch.start_in(folder);
        server.get("/file").expect_file(b"inside");
        let (open, may_write) = (mode == "off", !writes.is_empty());
        // The folder above is treated alike with `auto`.
        let beside = mode != "require";
        for thread in threads(server.process()) {
            let Some(thread) = Thread::stop(thread) else { continue };
            for (what, allowed, said) in [
                ("read inside", true, thread.open(&inside, O_RDONLY)),
                ("write inside", may_write, thread.open(&inside, O_WRONLY)),
                ("create inside", may_write, thread.open(&new(&inside), O_WRONLY | O_CREAT)),
                ("read beside", beside, thread.open(&outside, O_RDONLY)),
                ("write beside", open || beside && may_write, thread.open(&outside, O_WRONLY)),
                (
                    "create beside",
                    open || beside && may_write,
                    thread.open(&new(&outside), O_WRONLY | O_CREAT),
                ),
                ("read a file of the system", open, thread.open("/etc/passwd", O_RDONLY)),
                ("read a folder of the system", open, thread.open("/etc", O_RDONLY | O_DIRECTORY)),
                ("read what processes there are", open, thread.open("/proc", O_RDONLY | O_DIRECTORY)),
                ("connect", open, thread.connect(port)),
                ("bind", open, thread.bind(0)),
            ] {
                let expected = if allowed { said.is_ok() } else { said == Err(EACCES) };
                assert!(expected, "{mode} {writes}: {what}: {said:?}");
            }
            if mode != "off" {
                assert_eq!(thread.execute("/bin/true"), Err(EACCES), "{mode}");
            }
        }
        server.get("/file").expect_file(b"inside");
    }
}

#[test]
fn a_switched_release_is_served_and_what_lies_elsewhere_is_not() {
    for below in ["", "public"] {
        let text = |number: &str| match below {
            "" => number.to_owned(),
            _ => format!("{number}, public"),
        };
        for (mode, elsewhere) in [("auto", 403), ("require", 403), ("off", 200)] {
            let folder = releases();
            let link = folder.outside("current");
            symlink("releases/1", &link).unwrap();
            let server = serve(&sandbox(mode), &folder, &link.join(below));
            server.get("/page").expect_file(text("one").as_bytes());
            switch(&link, "releases/2");
            server.get("/page").expect_file(text("two").as_bytes());
            folder.write_outside("releases/4/page", "four");
            folder.write_outside("releases/4/public/page", "four, public");
            switch(&link, "releases/4");
            server.get("/page").expect_file(text("four").as_bytes());
            switch(&link, "elsewhere/3");
            server.get("/page").expect(elsewhere);
            assert_told(&server, elsewhere == 403);
            switch(&link, "releases/1");
            server.get("/page").expect_file(text("one").as_bytes());
        }
    }
}

/// That the served folder is out of reach.
#[track_caller]
fn assert_told(server: &Server, expected: bool) {
    let is_told = || server.stderr().contains("the sandbox does not let it be read");
    match expected {
        true => eventually("it is logged", || is_told().then_some(())),
        false => assert!(!is_told(), "{}", server.stderr()),
    }
}

/// A server of another folder than `root`.
fn serve(launch: &Launch, folder: &Arc<Folder>, root: &Path) -> Server {
    let _ = fs::remove_file(folder.root());
    symlink(root, folder.root()).unwrap();
    launch.clone().start_in(Arc::clone(folder))
}

#[test]
fn a_folder_put_in_the_place_of_another_is_served_unless_confinement_is_required() {
    for (mode, status) in [("auto", 200), ("require", 403), ("off", 200)] {
        let server = sandbox(mode).start();
        let folder = server.folder();
        folder.write("page", "old");
        server.get("/page").expect_file(b"old");
        fs::rename(folder.root(), folder.outside("old")).unwrap();
        folder.write("page", "new");
        server.get("/page").expect(status);
        assert_told(&server, status == 403);
    }
}

#[test]
fn links_to_anywhere_and_confinement_exclude_each_other() {
    let folder = Arc::new(Folder::new());
    let outside = folder.write_outside("secret", "outside");
    symlink(&outside, folder.path("link")).unwrap();
    let server = sandbox("auto").args(["--follow-symlinks", "all"]).start_in(Arc::clone(&folder));
    server.get("/link").expect_file(b"outside");
    assert_eq!(server.health()["sandbox"], "off");
    assert!(
        server.stdout().contains("sandbox: off (--follow-symlinks all may lead anywhere)"),
        "{}",
        server.stdout()
    );
    for first in [&[][..], &["check"]] {
        let output =
            run(&Launch::new(), &folder, &[first, &["--sandbox=require", "--follow-symlinks=all"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("ifmatch: --sandbox require: --follow-symlinks all"), "{said}");
    }
}

#[test]
fn a_kernel_without_it_is_told_of_or_refused() {
    let server = sandbox("auto").through(&WITHOUT).start();
    server.get("/").expect(200);
    assert_eq!(server.health()["sandbox"], "off");
    assert!(
        server.stdout().contains("sandbox: off (the kernel does not offer it: Landlock)"),
        "{}",
        server.stdout()
    );
    for first in [&[][..], &["check"]] {
        let launch = Launch::new().through(&WITHOUT);
        let output = run(&launch, server.folder(), &[first, &["--sandbox=require"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.starts_with("ifmatch: --sandbox require: this kernel cannot confine files and TCP"),
            "{said}"
        );
    }
    assert!(run(&Launch::new(), server.folder(), &["check", "--sandbox=require"]).status.success());
}

#[test]
fn all_ways_to_write_work_in_it() {
    for mode in MODES {
        let server = sandbox(mode).arg("-A").start();
        let folder = server.folder();
        server.ask(&put("/new/deep/file", "one")).expect(201);
        server.ask(&put("/new/deep/file", "two").field("If-Match", tag_of(b"one"))).expect(204);
        server.ask(&put("/new/deep/file", "three").field("If-Match", tag_of(b"one"))).expect(412);
        let large = "x".repeat(3 << 20);
        server.ask(&put("/new/deep/file", large.as_str()).field("If-Match", tag_of(b"two"))).expect(204);
        server.ask(&put("/new/other", "four").field("If-None-Match", "*")).expect(201);
        fs::create_dir(folder.path("elsewhere")).unwrap();
        fs::write(folder.path("elsewhere/target"), "old").unwrap();
        symlink("elsewhere/target", folder.path("link")).unwrap();
        server.ask(&put("/link", "through a link")).expect(204);
        server.ask(&delete("/link").field("If-Match", "*")).expect(204);
        server.ask(&delete("/new/deep/file").field("If-Match", tag_of(large.as_bytes()))).expect(204);
        assert_eq!(server.health()["writes"]["cas_guard"], "lease", "{mode}");
        assert_eq!(fs::read(folder.path("new/other")).unwrap(), b"four");
    }
}

/// Where a certificate and its key are, and what is switched to renew both.
struct Renewal {
    name: &'static str,
    certificate: &'static str,
    key: &'static str,
    /// A link, and where it leads before and after.
    links: &'static [(&'static str, &'static str, &'static str)],
    renewed: bool,
}

const RENEWALS: &[Renewal] = &[
    Renewal {
        name: "a secret of Kubernetes",
        certificate: "secret/tls.crt",
        key: "secret/tls.key",
        links: &[("secret/..data", "..one", "..two")],
        renewed: true,
    },
    Renewal {
        name: "certbot",
        certificate: "live/fullchain.pem",
        key: "live/privkey.pem",
        links: &[
            ("live/fullchain.pem", "../archive/one.crt", "../archive/two.crt"),
            ("live/privkey.pem", "../archive/one.key", "../archive/two.key"),
        ],
        renewed: true,
    },
    Renewal {
        name: "elsewhere",
        certificate: "live/fullchain.pem",
        key: "live/privkey.pem",
        links: &[
            ("live/fullchain.pem", "../archive/one.crt", "../elsewhere/two.crt"),
            ("live/privkey.pem", "../archive/one.key", "../elsewhere/two.key"),
        ],
        renewed: false,
    },
];

#[test]
fn renewed_certificates_are_seen_where_they_are_expected_only() {
    for renewal in RENEWALS {
        for (mode, renewed) in [("require", renewal.renewed), ("off", true)] {
            let folder = certificates();
            for (link, before, _) in renewal.links {
                symlink(before, folder.outside(link)).unwrap();
            }
            let files = ["--tls-cert", renewal.certificate, "--tls-key", renewal.key];
            let server = sandbox(mode).args(files).arg("-v").start_in(Arc::clone(&folder));
            for (link, _, after) in renewal.links {
                switch(&folder.outside(link), after);
            }
            let expected = match renewed {
                true => "the certificate was read again",
                false => "the server's user may not read it",
            };
            eventually(renewal.name, || server.stderr().contains(expected).then_some(()));
        }
    }
}

/// Two certificates and their keys, laid out for [`RENEWALS`].
fn certificates() -> Arc<Folder> {
    let folder = Folder::new();
    for name in ["one", "two"] {
        crate::tls::write_certificate(&folder, name, 3000);
        for end in ["crt", "key"] {
            let bytes = fs::read(folder.outside(&format!("{name}.{end}"))).unwrap();
            for place in
                [format!("archive/{name}"), format!("elsewhere/{name}"), format!("secret/..{name}/tls")]
            {
                folder.write_outside(&format!("{place}.{end}"), &bytes);
            }
        }
    }
    fs::create_dir(folder.outside("live")).unwrap();
    for end in ["crt", "key"] {
        symlink(format!("..data/tls.{end}"), folder.outside(&format!("secret/tls.{end}"))).unwrap();
    }
    Arc::new(folder)
}

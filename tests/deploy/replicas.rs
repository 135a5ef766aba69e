//! Two replicas behind nginx, which asks them in turn, and a client that keeps its copies: what does it download again when
//! nothing has changed, and when the replicas are deployed anew? The same with nginx as the file server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::copies::Reader;
use crate::debian::{Configuration, Program, Running, free_port};
use crate::figures::{settle, table};
use crate::harness::folder::set_modified;
use crate::harness::{Folder, Launch, Server, version_bytes};
use crate::proxies::HOST;

/// An odd number, so that each file is asked of the other replica the next time.
const FILES: usize = 41;

/// What serves, and what the modification times of the two copies are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    Ifmatch,
    Nginx,
    /// Both copies get the same times, as `rsync -t` would see to.
    NginxWithEqualTimes,
}

/// How a copy comes into its folder.
#[derive(Clone, Copy)]
enum Deployed {
    ByCopying,
    ByCheckingOut,
}

/// Each ends when it is dropped.
#[expect(dead_code, reason = "held while they serve")]
enum Replica {
    Ours(Server),
    Theirs(Running),
}

struct Site {
    means: Means,
    folders: [Arc<Folder>; 2],
    source: PathBuf,
    deployments: u64,
}

impl Site {
    fn new(means: Means) -> Site {
        let folders = [Arc::new(Folder::new()), Arc::new(Folder::new())];
        let source = folders[0].outside("source");
        fs::create_dir(&source).unwrap();
        git(&source, &["init", "--quiet"]);
        let site = Site { means, folders, source, deployments: 0 };
        for index in 0..FILES {
            site.write(index, 1);
        }
        site
    }

    /// Commits a version of a file.
    fn write(&self, index: usize, version: u64) {
        fs::write(self.source.join(name(index)), version_bytes(version, 10_000 + 1000 * index)).unwrap();
        git(&self.source, &["add", "--all"]);
        git(
            &self.source,
            &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "x"],
        );
    }

    /// Puts what is committed into both folders, some minutes after one another and hours after the last time.
    fn deploy(&mut self) {
        self.deployments += 1;
        for (at, how) in [Deployed::ByCopying, Deployed::ByCheckingOut].into_iter().enumerate() {
            let root = self.folders[at].root();
            for index in 0..FILES {
                // The first time there is nothing to remove.
                let _ = fs::remove_file(root.join(name(index)));
            }
            match how {
                Deployed::ByCopying => run(Command::new("cp")
                    .args((0..FILES).map(|index| self.source.join(name(index))))
                    .arg(&root)),
                Deployed::ByCheckingOut => {
                    git(
                        &self.source,
                        &[
                            "--work-tree",
                            root.to_str().unwrap(),
                            "checkout",
                            "--quiet",
                            "--force",
                            "HEAD",
                            "--",
                            ".",
                        ],
                    );
                }
            }
            let later = if self.means == Means::NginxWithEqualTimes { 0 } else { 180 * at as u64 };
            let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 36_000 * self.deployments + later);
            for index in 0..FILES {
                set_modified(&root.join(name(index)), time);
            }
        }
    }

    fn replica(&self, folder: &Arc<Folder>) -> (Replica, String) {
        if self.means == Means::Ifmatch {
            let server = Launch::new().args(["--allow-host", HOST]).start_in(Arc::clone(folder));
            let address = server.address().to_string();
            return (Replica::Ours(server), address);
        }
        let port = free_port();
        let server = Configuration::read("tests/deploy/servers/nginx.conf", &folder.outside("nginx"))
            .put("listen 80;", &format!("listen 127.0.0.1:{port};"))
            .put("/srv/files", folder.root().to_str().unwrap())
            .start(Program::Nginx, port);
        let address = server.address().to_string();
        (Replica::Theirs(server), address)
    }
}

fn name(index: usize) -> String {
    format!("file-{index}.bin")
}

fn git(folder: &Path, arguments: &[&str]) {
    run(Command::new("git").current_dir(folder).args(arguments));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}");
}

/// What is downloaded at each visit, in bytes.
fn visits(means: Means) -> [usize; 5] {
    let mut site = Site::new(means);
    site.deploy();
    let (_one, first) = site.replica(&site.folders[0]);
    let (_other, second) = site.replica(&site.folders[1]);
    let port = free_port();
    let front = Configuration::read("deploy/nginx-replicas.conf", &site.folders[0].outside("front"))
        .put("listen 80;", &format!("listen 127.0.0.1:{port};"))
        .put("127.0.0.1:8080", &first)
        .put("127.0.0.1:8081", &second)
        .start(Program::Nginx, port);
    let mut reader = Reader::default();
    let mut visit = |site: &Site| -> usize {
        let look = |index| {
            let (bytes, downloaded) = reader.look(front.address(), &format!("/{}", name(index)));
            assert!(
                bytes == fs::read(site.source.join(name(index))).unwrap(),
                "other bytes of {}",
                name(index)
            );
            downloaded
        };
        (0..FILES).map(look).sum()
    };
    let (one, two) = (visit(&site), visit(&site));
    site.deploy();
    let (three, four) = (visit(&site), visit(&site));
    site.write(7, 2);
    site.deploy();
    [one, two, three, four, visit(&site)]
}

#[test]
fn unchanged_bytes_are_downloaded_once_whichever_replica_answers() {
    let ours = visits(Means::Ifmatch);
    let theirs = visits(Means::Nginx);
    let with_equal_times = visits(Means::NginxWithEqualTimes);
    let all: usize = (0..FILES).map(|index| 10_000 + 1000 * index).sum();
    assert_eq!(ours, [all, 0, 0, 0, 17_000]);
    // The same test must be able to fail.
    assert_eq!(theirs, [all; 5]);
    assert_eq!(with_equal_times, [all, 0, all, 0, all]);
    let names = [
        "the first visit",
        "the second visit",
        "after a deployment that changed no byte",
        "once more",
        "after a deployment that changed one file of 17,000 bytes",
    ];
    let rows: Vec<(&str, Vec<String>)> = names
        .into_iter()
        .enumerate()
        .map(|(at, name)| (name, [ours, theirs, with_equal_times].map(|bytes| grouped(bytes[at])).to_vec()))
        .collect();
    let headings = ["bytes downloaded", "ifmatch", "nginx", "nginx, equal times on both"];
    settle("behind-a-proxy.md", "replicas", &[Program::Nginx.version()], &table(&headings, &rows));
}

/// A number with a comma before each three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

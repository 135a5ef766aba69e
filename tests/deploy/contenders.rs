//! The file servers that are compared: ifmatch, nginx and Apache httpd, each with a folder of its own and uploads allowed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::debian::{Configuration, Program, Running, free_port, make_public, ticks_of};
use crate::exchange;
use crate::harness::folder::set_modified_seconds;
use crate::harness::{Folder, Launch, Request, Response, Server};

/// When files were changed, if nothing else is said: long ago, so that no server has doubts about the time.
pub(crate) const THEN: i64 = 1_600_000_000;

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ifmatch,
    Nginx,
    Apache,
    ApacheDigest,
}

/// All of them.
pub(crate) const KINDS: [Kind; 4] = [Kind::Ifmatch, Kind::Nginx, Kind::Apache, Kind::ApacheDigest];

impl Kind {
    /// The heading of its column.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Kind::Ifmatch => "ifmatch",
            Kind::Nginx => "nginx: `etag on`, `dav_methods`",
            Kind::Apache => "Apache: `FileETag MTime Size`, mod_dav",
            Kind::ApacheDigest => "Apache: `FileETag Digest`, mod_dav",
        }
    }
}

/// A server that runs.
pub(crate) struct Contender {
    running: Either,
    folder: Arc<Folder>,
}

enum Either {
    Ours(Server),
    Theirs(Running),
}

impl Contender {
    /// Starts it.
    pub(crate) fn start(kind: Kind) -> Contender {
        let folder = Arc::new(Folder::new());
        make_public(&folder.root());
        let running = match kind {
            Kind::Ifmatch => Either::Ours(Launch::writing().start_in(Arc::clone(&folder))),
            Kind::Nginx => Either::Theirs(nginx(&folder)),
            Kind::Apache => Either::Theirs(apache(&folder, "apache.conf")),
            Kind::ApacheDigest => Either::Theirs(apache(&folder, "apache-digest.conf")),
        };
        Contender { running, folder }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.running {
            Either::Ours(server) => server.address(),
            Either::Theirs(running) => running.address(),
        }
    }

    /// The processor time of its processes so far, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        match &self.running {
            Either::Ours(server) => ticks_of(server.process()),
            Either::Theirs(running) => ticks_of(running.process()),
        }
    }

    /// Writes a file in place, as a program on the machine does, and sets its time.
    pub(crate) fn save(&self, name: &str, bytes: impl AsRef<[u8]>, modified: i64) -> PathBuf {
        let path = self.folder.write(name, bytes);
        make_public(&path);
        set_modified_seconds(&path, modified);
        path
    }

    /// The bytes of a file, if there is one.
    pub(crate) fn stands(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path(name)).ok()
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Response {
        exchange::ask(self.address(), request)
    }

    /// The tag of a file, asked for with a GET.
    #[track_caller]
    pub(crate) fn tag(&self, target: &str) -> String {
        self.ask(&crate::harness::get(target)).tag()
    }
}

fn nginx(folder: &Folder) -> Running {
    let port = free_port();
    Configuration::read("tests/deploy/servers/nginx.conf", &folder.outside("nginx"))
        .put("listen 80;", &format!("listen 127.0.0.1:{port};"))
        .put("/srv/files", folder.root().to_str().unwrap())
        .start(Program::Nginx, port)
}

fn apache(folder: &Folder, file: &str) -> Running {
    Configuration::read(&format!("tests/deploy/servers/{file}"), &folder.outside("apache"))
        .put("/srv/files", folder.root().to_str().unwrap())
        .place("/var/lock/dav", "dav.locks")
        .start(Program::Apache, free_port())
}

//! ifmatch behind each of the proxies, with the configuration of `deploy/` or with the one that people usually write.

use std::net::SocketAddr;

use crate::debian::{Configuration, Program, Running, free_port};
use crate::exchange;
use crate::harness::{Launch, Request, Response, Server, eventually};

/// The public name, as it stands in `deploy/`.
pub(crate) const HOST: &str = "files.example.com";

/// A proxy, with a cache or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    NginxCache,
    Apache,
    ApacheCache,
    Caddy,
    Haproxy,
    Varnish,
}

/// All of them.
pub(crate) const KINDS: [Kind; 7] = [
    Kind::Nginx,
    Kind::NginxCache,
    Kind::Apache,
    Kind::ApacheCache,
    Kind::Caddy,
    Kind::Haproxy,
    Kind::Varnish,
];

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Usual,
}

impl Kind {
    /// The name of the configuration, and the heading of its column.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx.conf",
            Kind::NginxCache => "nginx-cache.conf",
            Kind::Apache => "apache.conf",
            Kind::ApacheCache => "apache-cache.conf",
            Kind::Caddy => "Caddyfile",
            Kind::Haproxy => "haproxy.cfg",
            Kind::Varnish => "varnish.vcl",
        }
    }

    pub(crate) fn program(self) -> Program {
        match self {
            Kind::Nginx | Kind::NginxCache => Program::Nginx,
            Kind::Apache | Kind::ApacheCache => Program::Apache,
            Kind::Caddy => Program::Caddy,
            Kind::Haproxy => Program::Haproxy,
            Kind::Varnish => Program::Varnish,
        }
    }
}

/// The versions of all proxies.
pub(crate) fn versions() -> Vec<String> {
    [Program::Nginx, Program::Apache, Program::Caddy, Program::Haproxy, Program::Varnish]
        .map(Program::version)
        .to_vec()
}

/// ifmatch with a proxy before it. The proxy ends first.
pub(crate) struct Stack {
    proxy: Running,
    pub(crate) server: Server,
}

impl Stack {
    /// Starts both.
    #[track_caller]
    pub(crate) fn start(kind: Kind, whose: Whose) -> Stack {
        Stack::with(kind, whose, Launch::writing())
    }

    /// Starts both, ifmatch with options.
    #[track_caller]
    pub(crate) fn with(kind: Kind, whose: Whose, launch: Launch) -> Stack {
        let server = launch.args(["-v", "--allow-host", HOST]).start();
        let folder = match whose {
            Whose::Ours => "deploy",
            Whose::Usual => "tests/deploy/usual",
        };
        let text =
            Configuration::read(&format!("{folder}/{}", kind.file()), &server.folder().outside("proxy"));
        let (origin, port) = (server.address(), free_port());
        let text = match kind {
            Kind::Varnish => text.put("\"8080\"", &format!("\"{}\"", origin.port())),
            _ => text.put("127.0.0.1:8080", &origin.to_string()),
        };
        let text = match kind {
            Kind::Nginx | Kind::NginxCache => text
                .put("listen 80;", &format!("listen 127.0.0.1:{port};"))
                .place("/run/nginx-ifmatch.sock", "ifmatch.sock")
                .place("/var/cache/nginx/ifmatch", "cache"),
            Kind::Apache | Kind::ApacheCache => {
                text.put("*:80", &format!("*:{port}")).place("/var/cache/apache2/mod_cache_disk", "cache")
            }
            // Without the scheme Caddy would get a certificate.
            Kind::Caddy => text.put("\nfiles.example.com {", &format!("\nhttp://{HOST}:{port} {{")),
            Kind::Haproxy => text.put("bind :80", &format!("bind 127.0.0.1:{port}")),
            Kind::Varnish => text,
        };
        let proxy = text.start(kind.program(), port);
        Stack { proxy, server }
    }

    /// Where clients ask.
    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Asks the proxy, under the public name.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Response {
        exchange::ask(self.address(), &request.clone().host(HOST))
    }

    /// What ifmatch has answered to GETs of this target so far, by its own log.
    pub(crate) fn answered(&self, target: &str) -> Vec<String> {
        let wanted = format!("\"GET {target} HTTP/1.1\" ");
        let log = self.server.stderr();
        let found = log.lines().filter_map(|line| Some(line.split_once(&wanted)?.1[..3].to_owned()));
        found.collect()
    }

    /// Waits until the log tells of this many GETs of this target.
    pub(crate) fn answered_at_least(&self, target: &str, count: usize) -> Vec<String> {
        eventually("ifmatch has logged its answers", || {
            Some(self.answered(target)).filter(|answers| answers.len() >= count)
        })
    }
}

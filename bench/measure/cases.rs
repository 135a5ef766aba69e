//! What is asked for, and what ifmatch is to cost in comparison. How it is measured stands elsewhere.

use crate::contender::FLOOR;

/// One line of the tables.
pub(crate) struct Case {
    /// As the option `--only` has it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) what: What,
    pub(crate) connections: usize,
    /// CPU time per request of ifmatch over that of another server, at most.
    pub(crate) targets: &'static [(&'static str, f64)],
}

/// What each request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A file.
    Whole(&'static str),
    /// A file that the client has: If-None-Match with the tag that this very server gave.
    NotModified(&'static str),
    /// 64 KiB of a file, from this position.
    Part(&'static str, usize),
    /// A name that is not there.
    Missing,
    /// One file after the other of many, the popular ones more often.
    Mix,
    /// A file, while many other connections are open and idle.
    Idle(&'static str),
    /// A file at a fixed rate.
    Rate(&'static str),
}

pub(crate) const PART: usize = 64 << 10;

/// Connections that ask for nothing, in [`What::Idle`].
pub(crate) const IDLE_CONNECTIONS: usize = 5_000;

/// Connections that ask.
pub(crate) const CONNECTIONS: usize = 64;

const SMALL: &str = "/1k.html";

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("1k", "1 KiB", What::Whole(SMALL), &[("nginx", 0.80), ("h2o", 1.00), ("floor", 1.25)]),
    case("304", "304 for 1 KiB", What::NotModified(SMALL), &[("nginx", 1.00), ("h2o", 1.00), ("floor", 1.25)]),
    case("10k", "10 KiB", What::Whole("/10k.html"), &[("nginx", 0.85), ("h2o", 1.00)]),
    case("100k", "100 KiB", What::Whole("/100k.html"), &[("nginx", 0.75), ("h2o", 1.00), ("floor", 1.20)]),
    case("1m", "1 MiB", What::Whole("/1m.html"), &[("nginx", 0.50), ("h2o", 0.70), ("floor", 1.20)]),
    Case { connections: 4, ..case("100m", "100 MiB", What::Whole("/100m.bin"), &[("nginx", 0.80), ("h2o", 0.85)]) },
    case("206", "64 KiB of 1 MiB", What::Part("/1m.html", 256 << 10), &[("nginx", 0.90), ("h2o", 1.00)]),
    case("206-100m", "64 KiB of 100 MiB", What::Part("/100m.bin", 50 << 20), &[("nginx", 0.90), ("h2o", 1.00)]),
    case("404", "404", What::Missing, &[("nginx", 1.00), ("h2o", 1.00)]),
    case("mix", "10,000 files", What::Mix, &[("nginx", 0.85), ("h2o", 1.00)]),
    case("idle", "1 KiB, 5,000 idle connections", What::Idle(SMALL), &[]),
    case("latency", "1 KiB at a fixed rate", What::Rate(SMALL), &[]),
];

const fn case(
    name: &'static str,
    title: &'static str,
    what: What,
    targets: &'static [(&'static str, f64)],
) -> Case {
    Case { name, title, what, connections: CONNECTIONS, targets }
}

/// The cases that are wanted, in their order; all if no name is given.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Case>, String> {
    if let Some(unknown) = names.iter().find(|name| CASES.iter().all(|case| case.name != name.as_str())) {
        let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("no case {unknown}; there are {}", known.join(", ")));
    }
    let wanted = |case: &&Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(CASES.iter().filter(wanted).collect())
}

impl Case {
    /// Whether the contender takes part. The floor holds no large files and no trees.
    pub(crate) fn includes(&self, contender: &str) -> bool {
        contender != FLOOR || !matches!(self.name, "100m" | "206-100m" | "mix")
    }

    pub(crate) fn target(&self, contender: &str) -> Option<f64> {
        self.targets.iter().find(|(name, _)| *name == contender).map(|(_, target)| *target)
    }
}

//! CPU time of a process and all its descendants, from /proc. What the kernel does for them in threads of its own (the
//! journal, the writing back of pages) is not in it, for no contender.

use std::collections::HashMap;
use std::fs;

/// The unit of the times in /proc/PID/stat, which is the same on every architecture that Rust supports.
pub(crate) const MICROS_PER_TICK: u64 = 10_000;

/// One line of /proc/PID/stat.
struct Stat {
    parent: u32,
    ticks: u64,
}

/// User and system time of `root` and its descendants, those included that have ended and been waited for.
pub(crate) fn cpu_micros(root: u32) -> Result<u64, String> {
    Ok(tree(root)?.iter().map(|(_, ticks)| ticks).sum::<u64>() * MICROS_PER_TICK)
}

/// `root` and its descendants: process ids, and the ticks that each has used.
pub(crate) fn tree(root: u32) -> Result<Vec<(u32, u64)>, String> {
    let mut all: HashMap<u32, Stat> = HashMap::new();
    for entry in fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?.flatten() {
        // A process may end at any moment; its parent has its time from then on.
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let stat = fs::read_to_string(entry.path().join("stat")).ok().and_then(|line| Stat::parse(&line));
        if let (Some(pid), Some(stat)) = (pid, stat) {
            all.insert(pid, stat);
        }
    }
    if !all.contains_key(&root) {
        return Err(format!("process {root} is gone"));
    }
    let mut members = Vec::new();
    let mut left = vec![root];
    while let Some(pid) = left.pop() {
        members.extend(all.get(&pid).map(|stat| (pid, stat.ticks)));
        left.extend(all.iter().filter(|(_, stat)| stat.parent == pid).map(|(child, _)| child));
    }
    Ok(members)
}

impl Stat {
    fn parse(line: &str) -> Option<Stat> {
        // The second field is the program's name in parentheses; it may contain anything, these included.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // proc_pid_stat(5): 14 utime, 15 stime, 16 cutime, 17 cstime; the third field is the first of these.
        let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

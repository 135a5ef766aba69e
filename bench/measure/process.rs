//! CPU time: of process trees, as for the benchmark of PUT, and of cores.

#[path = "../../tests/bench_put/process.rs"]
mod trees;

use std::fs;

pub(crate) use trees::{MICROS_PER_TICK, cpu_micros, tree};

/// The time that the cores (`cpu0` and so on) have been at work or withheld by a hypervisor.
pub(crate) fn busy_micros(cores: &[&str]) -> Result<u64, String> {
    let text = fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    let mut ticks = 0;
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first().is_some_and(|name| cores.contains(name)) {
            // proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal.
            let times = fields.iter().enumerate().filter(|(column, _)| matches!(column, 1..=3 | 6..=8));
            ticks += times.filter_map(|(_, time)| time.parse::<u64>().ok()).sum::<u64>();
        }
    }
    Ok(ticks * MICROS_PER_TICK)
}

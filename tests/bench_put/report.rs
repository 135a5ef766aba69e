//! Medians, and the tables as text.

use std::fmt::Write;

use crate::contender::{Contender, Durability};
use crate::round::{Load, Sample};

/// What a contender has come to under one load.
pub(crate) struct Row<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) outcome: Result<Summary, String>,
}

/// Several rounds together.
pub(crate) struct Summary {
    /// Each figure by itself.
    medians: Sample,
    /// Between the cheapest and the dearest round, in percent of the median. It tells how quiet the machine was.
    cpu_spread: f64,
}

/// The medians of at least one round.
pub(crate) fn median(samples: &[Sample]) -> Summary {
    let sorted = |figure: fn(&Sample) -> f64| {
        let mut all: Vec<f64> = samples.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let middle = |figure: fn(&Sample) -> f64| {
        let all = sorted(figure);
        (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
    };
    let cpu = sorted(|sample| sample.cpu_micros);
    let medians = Sample {
        requests_per_second: middle(|sample| sample.requests_per_second),
        cpu_micros: middle(|sample| sample.cpu_micros),
        median_micros: middle(|sample| sample.median_micros),
        p99_micros: middle(|sample| sample.p99_micros),
    };
    let cpu_spread = (cpu[cpu.len() - 1] - cpu[0]) / medians.cpu_micros * 100.0;
    Summary { medians, cpu_spread }
}

/// The table of one load.
pub(crate) fn table(load: &Load, rows: &[Row<'_>]) -> String {
    let mut text = format!(
        "\n{}\n{:<18} {:<7} {:>9} {:>11} {:>6} {:>9} {:>9} {:>8}\n",
        title(load),
        "contender",
        "durable",
        "PUT/s",
        "CPU us/PUT",
        "spread",
        "p50 us",
        "p99 us",
        "CPU/bare"
    );
    for row in rows {
        let durable = match row.contender.durability {
            Durability::Full => "yes",
            Durability::File => "bytes",
            Durability::None => "no",
        };
        let _ = write!(text, "{:<18} {durable:<7} ", row.contender.name);
        let _ = match &row.outcome {
            Err(why) => writeln!(text, "void: {why}"),
            Ok(summary) => writeln!(text, "{}", cells(summary, bare_cpu(rows, row.contender.durability))),
        };
    }
    text
}

/// For each contender whose name begins with `ifmatch` and that is durable: its CPU time over that of the bare sequence.
pub(crate) fn against_bare(load: &Load, rows: &[Row<'_>]) -> Vec<String> {
    let ours = |row: &&Row<'_>| {
        row.contender.name.starts_with("ifmatch") && row.contender.durability == Durability::Full
    };
    let line = |row: &Row<'_>| {
        let ratio = match (&row.outcome, bare_cpu(rows, Durability::Full)) {
            (Ok(summary), Some(bare)) => format!("{:.2}", summary.medians.cpu_micros / bare),
            _ => "void".to_owned(),
        };
        format!("{:<22} {:<18} {ratio:>5}", title(load), row.contender.name)
    };
    rows.iter().filter(ours).map(line).collect()
}

fn cells(summary: &Summary, bare: Option<f64>) -> String {
    let figures = &summary.medians;
    format!(
        "{:>9.0} {:>11.1} {:>5.0}% {:>9.0} {:>9.0} {:>8}",
        figures.requests_per_second,
        figures.cpu_micros,
        summary.cpu_spread,
        figures.median_micros,
        figures.p99_micros,
        bare.map_or("-".to_owned(), |bare| format!("{:.2}", figures.cpu_micros / bare))
    )
}

/// CPU time per PUT of the bare sequence with the same promise.
fn bare_cpu(rows: &[Row<'_>], durability: Durability) -> Option<f64> {
    let bare =
        rows.iter().find(|row| row.contender.name == "bare" && row.contender.durability == durability)?;
    Some(bare.outcome.as_ref().ok()?.medians.cpu_micros)
}

fn title(load: &Load) -> String {
    let size = match load.bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    };
    format!("{size}, {} client{}", load.clients, if load.clients == 1 { "" } else { "s" })
}

//! The tables, in Markdown, and their places in a file. What stands between the places is written by hand and stays.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::cases::Case;
use crate::contender::{NGINX, OURS};
use crate::rate::Latencies;
use crate::rounds::Summary;
use crate::wrk::Sample;

/// When the generator of load was late with more of the requests, in percent, a p99 is its own rather than the server's.
const JUDGED: f64 = 0.5;

/// The samples of a contender by its name, or why there are none.
pub(crate) type Named<T> = (String, Result<Vec<T>, String>);

/// What was measured of one case.
pub(crate) struct Row {
    pub(crate) case: &'static Case,
    pub(crate) outcomes: Vec<Named<Sample>>,
}

/// What was measured at a fixed rate.
pub(crate) struct LatencyTable {
    pub(crate) rate: f64,
    pub(crate) connections: usize,
    pub(crate) outcomes: Vec<Named<Latencies>>,
}

impl Row {
    pub(crate) fn samples(&self, name: &str) -> Option<&Vec<Sample>> {
        self.outcome(name)?.as_ref().ok()
    }

    fn outcome(&self, name: &str) -> Option<&Result<Vec<Sample>, String>> {
        self.outcomes.iter().find(|(contender, _)| contender == name).map(|(_, outcome)| outcome)
    }

    /// The void figures, each as a sentence.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        failures(self.case.title, &self.outcomes)
    }

    /// CPU time of ifmatch over that of another, round by round, since neighbours in time share their disturbances.
    fn ratio(&self, other: &str) -> Option<Summary> {
        let pairs = self.samples(OURS)?.iter().zip(self.samples(other)?);
        Summary::of(pairs.map(|(ours, theirs)| ours.cpu_micros / theirs.cpu_micros))
    }
}

impl LatencyTable {
    /// The void figures, each as a sentence.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        failures("latency", &self.outcomes)
    }
}

/// CPU time per request, with the spread.
pub(crate) fn cpu_table(rows: &[Row], names: &[&str]) -> String {
    let mut text = header("CPU us per request", names);
    for row in rows {
        let cells = names.iter().map(|name| match row.outcome(name) {
            None => "-".to_owned(),
            Some(Err(_)) => "void".to_owned(),
            Some(Ok(samples)) => Summary::of(samples.iter().map(|sample| sample.cpu_micros))
                .map_or("-".to_owned(), |summary| summary.with_spread(micros)),
        });
        line(&mut text, row.case.title, cells);
    }
    let mut failed = rows.iter().flat_map(Row::failures).peekable();
    if failed.peek().is_some() {
        text.push_str("\nVoid:\n\n");
        failed.for_each(|why| _ = writeln!(text, "- {why}"));
    }
    text
}

/// CPU time of ifmatch over that of each other server.
pub(crate) fn ratio_table(rows: &[Row], names: &[&str]) -> String {
    let others: Vec<&str> = names.iter().copied().filter(|name| *name != OURS).collect();
    let mut text = header("ifmatch over", &others);
    let (mut met, mut missed) = (0, 0);
    for row in rows {
        let cells = others.iter().map(|name| {
            let Some(ratio) = row.ratio(name) else { return "-".to_owned() };
            let shown = format!("{:.2}", ratio.median);
            match row.case.target(name) {
                None => shown,
                // As many digits as the target has.
                Some(target) if ratio.median < target + 0.005 => {
                    met += 1;
                    format!("{shown} (≤ {target:.2} met)")
                }
                Some(target) => {
                    missed += 1;
                    format!("**{shown} (≤ {target:.2} missed)**")
                }
            }
        });
        line(&mut text, row.case.title, cells);
    }
    let _ = writeln!(text, "\n{met} targets met, {missed} missed.");
    text
}

/// Latencies at the fixed rate.
pub(crate) fn latency_table(table: &LatencyTable) -> String {
    let mut text = format!(
        "{:.0} requests per second over {} connections.\n\n{}",
        table.rate,
        table.connections,
        header("server", &["p50 us", "p99 us", "p99.9 us", "answered per second", "sent late, %"])
    );
    let median = |samples: &[Latencies], figure: fn(&Latencies) -> f64| {
        Summary::of(samples.iter().map(figure)).map(|summary| summary.median)
    };
    let of = |name: &str, figure: fn(&Latencies) -> f64| {
        let (_, outcome) = table.outcomes.iter().find(|(contender, _)| contender == name)?;
        median(outcome.as_ref().ok()?, figure)
    };
    for (name, outcome) in &table.outcomes {
        match outcome {
            Err(why) => line(&mut text, name, [format!("void: {why}")].into_iter()),
            Ok(samples) => {
                let figure = |figure: fn(&Latencies) -> f64, digits: usize| {
                    median(samples, figure).map_or("-".to_owned(), |value| format!("{value:.digits$}"))
                };
                let cells = [
                    figure(|one| one.p50, 0),
                    figure(|one| one.p99, 0),
                    figure(|one| one.p999, 0),
                    figure(|one| one.rate, 0),
                    figure(|one| one.late, 2),
                ];
                line(&mut text, name, cells.into_iter());
            }
        }
    }
    if let (Some(ours), Some(theirs)) = (of(OURS, |one| one.p99), of(NGINX, |one| one.p99)) {
        let late = [OURS, NGINX].iter().filter_map(|name| of(name, |one| one.late)).fold(0.0, f64::max);
        let verdict = if late > JUDGED {
            "not judged, since the generator of load was late"
        } else if ours <= theirs {
            "met"
        } else {
            "**missed**"
        };
        let _ = writeln!(text, "\nTarget: p99 of ifmatch no longer than that of nginx: {verdict}.");
    }
    text
}

/// The first two lines of a table.
pub(crate) fn header(first: &str, columns: &[&str]) -> String {
    let mut text = String::new();
    line(&mut text, first, columns.iter().map(|column| (*column).to_owned()));
    line(&mut text, "---", columns.iter().map(|_| "--:".to_owned()));
    text
}

/// One line of a table.
pub(crate) fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let _ = write!(text, "| {first} |");
    cells.for_each(|cell| _ = write!(text, " {cell} |"));
    text.push('\n');
}

/// Three digits at least, and no decimals where they say nothing.
pub(crate) fn micros(value: f64) -> String {
    match value {
        value if value < 100.0 => format!("{value:.1}"),
        value if value < 10_000.0 => format!("{value:.0}"),
        value => format!("{},{:03}", value.round() as u64 / 1000, value.round() as u64 % 1000),
    }
}

/// Prints the sections and puts each between its marks in the file. A section without marks is added at the end.
pub(crate) fn publish(path: &Path, title: &str, sections: &[(&str, String)]) -> Result<(), String> {
    let mut text = fs::read_to_string(path).unwrap_or_else(|_| format!("# {title}\n"));
    for (name, section) in sections {
        println!("\n{section}");
        let (begin, end) = (format!("<!-- begin {name} -->"), format!("<!-- end {name} -->"));
        let inner = format!("{begin}\n\n{}\n\n{end}", section.trim_end());
        match (text.find(&begin), text.find(&end)) {
            (Some(from), Some(to)) if from < to => text.replace_range(from..to + end.len(), &inner),
            (None, None) => _ = write!(text, "\n## {name}\n\n{inner}\n"),
            _ => return Err(format!("{}: the marks of {name} are not a pair", path.display())),
        }
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Names what is void, each as a sentence.
pub(crate) fn failures<T>(what: &str, outcomes: &[Named<T>]) -> impl Iterator<Item = String> {
    outcomes
        .iter()
        .filter_map(move |(name, outcome)| outcome.as_ref().err().map(|why| format!("{what}, {name}: {why}")))
}

/// An error if there are failures.
pub(crate) fn verdict(failures: impl Iterator<Item = String>) -> Result<(), String> {
    let all: Vec<String> = failures.collect();
    if all.is_empty() { Ok(()) } else { Err(format!("void:\n{}", all.join("\n"))) }
}

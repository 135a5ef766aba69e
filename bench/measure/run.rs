//! `bench/run`: every case with every contender, and the tables of it.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::cases::{self, CONNECTIONS, Case, IDLE_CONNECTIONS, What};
use crate::check::{self, Failure, Load};
use crate::contender::{Contender, NGINX};
use crate::http::Request;
use crate::idle::Idle;
use crate::rate::{self, Latencies};
use crate::report::{self, LatencyTable, Row};
use crate::rounds::{Outcomes, Summary, interleave};
use crate::settings::Settings;
use crate::wrk::{self, Sample};

/// How much of nginx's peak rate the latencies are measured at.
const PART_OF_PEAK: f64 = 0.7;

/// Measures what is wanted and writes the tables.
pub(crate) fn run(settings: &Settings, contenders: &[Contender]) -> Result<(), String> {
    let mut rows: Vec<Row> = Vec::new();
    let mut latencies = None;
    for case in cases::chosen(&settings.only)? {
        let taking_part: Vec<&Contender> =
            contenders.iter().filter(|contender| case.includes(&contender.name)).collect();
        eprintln!("{}", case.title);
        if let What::Rate(_) = case.what {
            let rate = match settings.rate {
                Some(rate) => rate,
                None => PART_OF_PEAK * peak(settings, contenders, &rows)?,
            };
            latencies = Some(latency(settings, case, &taking_part, rate));
        } else {
            let outcomes = interleave(settings.rounds, taking_part.len(), |index| {
                turn(settings, case, taking_part[index])
            });
            let names = taking_part.iter().map(|contender| contender.name.clone());
            rows.push(Row { case, outcomes: names.zip(outcomes).collect() });
        }
    }
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name.as_str()).collect();
    let others =
        rows.iter().flat_map(|row| row.outcomes.iter()).flat_map(|(_, outcome)| outcome.iter().flatten());
    let mut sections = vec![("machine", about(settings, others)?)];
    if !rows.is_empty() {
        sections.push(("cpu", report::cpu_table(&rows, &names)));
        sections.push(("ratios", report::ratio_table(&rows, &names)));
    }
    if let Some(table) = &latencies {
        sections.push(("latency", report::latency_table(table)));
    }
    report::publish(&settings.output, "Benchmarks", &sections)?;
    report::verdict(
        rows.iter().flat_map(Row::failures).chain(latencies.iter().flat_map(LatencyTable::failures)),
    )
}

/// What the script has found out about the machine, how long the turns were, and how much of them went to others.
pub(crate) fn about<'s>(
    settings: &Settings,
    samples: impl Iterator<Item = &'s Sample>,
) -> Result<String, String> {
    let mut text = fs::read_to_string(&settings.about).map_err(|error| format!("about: {error}"))?;
    let (rounds, seconds) = (settings.rounds, settings.time.as_secs());
    let _ =
        writeln!(text, "| each figure | the median of {rounds} rounds of {seconds} s, the servers in turn |");
    if let Some(others) = Summary::of(samples.map(|sample| sample.others * 100.0)) {
        let _ = writeln!(
            text,
            "| cores 0 and 1 | {:.1} % for other programs (the median of all turns; at most {:.0} %) |",
            others.median, others.most
        );
    }
    Ok(text)
}

/// One turn: check, then measure.
fn turn(settings: &Settings, case: &Case, contender: &Contender) -> Result<Sample, String> {
    let load = check::prepare(case, contender, &settings.folder)?;
    let mut idle = match case.what {
        What::Idle(_) => Some(Idle::open(contender, &load.request, IDLE_CONNECTIONS)?),
        _ => None,
    };
    let sample = wrk::measure(contender, &load, settings.time, &settings.script)?;
    idle.as_mut().map_or(Ok(()), Idle::verify)?;
    Ok(sample)
}

/// Requests for 1 KiB that nginx answers in a second at most: from the case that was measured, or measured now.
fn peak(settings: &Settings, contenders: &[Contender], rows: &[Row]) -> Result<f64, String> {
    let needed = "the latency needs nginx's peak rate, or --rate";
    if let Some(row) = rows.iter().find(|row| row.case.name == "1k") {
        let samples = row.samples(NGINX).ok_or(needed)?;
        let rates = samples.iter().map(|sample| sample.requests_per_second);
        return Summary::of(rates).map(|summary| summary.median).ok_or_else(|| needed.to_owned());
    }
    let nginx = contenders.iter().find(|contender| contender.name == NGINX).ok_or(needed)?;
    let load = Load {
        request: Request::get("/1k.html"),
        list: None,
        connections: CONNECTIONS,
        body: Some(1 << 10),
        failure: Failure::Unwanted,
    };
    let time = settings.time.max(Duration::from_secs(2));
    Ok(wrk::measure(nginx, &load, time, &settings.script)?.requests_per_second)
}

fn latency(settings: &Settings, case: &Case, contenders: &[&Contender], rate: f64) -> LatencyTable {
    let outcomes: Outcomes<Latencies> = interleave(settings.rounds, contenders.len(), |index| {
        let load = check::prepare(case, contenders[index], &settings.folder)?;
        rate::measure(contenders[index], &load, rate, settings.time)
    });
    let names = contenders.iter().map(|contender| contender.name.clone());
    LatencyTable { rate, connections: case.connections, outcomes: names.zip(outcomes).collect() }
}

//! `bench/scaling`: how cost and memory grow with files, folders, connections and workers.

use std::path::Path;

use crate::cases::CONNECTIONS;
use crate::check::{self, Failure, Load};
use crate::contender::Contender;
use crate::files::{self, DEPTHS};
use crate::http::{Client, Request};
use crate::idle::Idle;
use crate::report;
use crate::rounds::{Summary, interleave};
use crate::run;
use crate::settings::Settings;
use crate::wrk::{self, Sample};

const CLIENTS: [usize; 6] = [1, 16, 64, 256, 1024, 5000];
const IDLE: usize = 10_000;

/// What a contender's name ends with when it has two workers.
const TWO_WORKERS: &str = "/2";

/// A table while it grows.
struct Table<'a> {
    settings: &'a Settings,
    contenders: &'a [Contender],
    text: String,
    failures: Vec<String>,
    samples: Vec<Sample>,
}

/// Measures servers with one worker and writes the tables. Memory comes first, while the servers are fresh.
pub(crate) fn scaling(settings: &Settings, contenders: &[Contender]) -> Result<(), String> {
    let (memory, mut failures) = memory(contenders);
    let tables = [
        ("connections", connections(settings, contenders)),
        ("depth", depth(settings, contenders)),
        ("files", trees(settings, contenders)),
    ];
    let samples = tables.iter().flat_map(|(_, table)| &table.samples);
    let mut sections = vec![("scaling-machine", run::about(settings, samples)?), ("memory", memory)];
    for (name, table) in tables {
        sections.push((name, table.text));
        failures.extend(table.failures);
    }
    report::publish(&settings.output, "Benchmarks", &sections)?;
    report::verdict(failures.into_iter())
}

/// Compares servers with one worker to their twins with two.
pub(crate) fn workers(settings: &Settings, contenders: &[Contender]) -> Result<(), String> {
    let (text, failures) = pairs(settings, contenders);
    report::publish(&settings.output, "Benchmarks", &[("workers", text)])?;
    report::verdict(failures.into_iter())
}

fn memory(contenders: &[Contender]) -> (String, Vec<String>) {
    let columns = ["at start, MiB", "10,000 idle connections, MiB", "KiB per connection"];
    let (mut text, mut failures) = (report::header("memory", &columns), Vec::new());
    for contender in contenders {
        eprintln!("memory, {}", contender.name);
        let measure = || -> Result<(u64, u64), String> {
            let before = contender.memory_kib()?;
            let mut idle = Idle::open(contender, &Request::get("/1k.html"), IDLE)?;
            let after = contender.memory_kib()?;
            idle.verify()?;
            Ok((before, after))
        };
        let cells = match measure() {
            Ok((before, after)) => vec![
                format!("{:.1}", before as f64 / 1024.0),
                format!("{:.1}", after as f64 / 1024.0),
                format!("{:.1}", after.saturating_sub(before) as f64 / IDLE as f64),
            ],
            Err(why) => {
                failures.push(format!("memory, {}: {why}", contender.name));
                vec!["void".to_owned()]
            }
        };
        report::line(&mut text, &contender.name, cells.into_iter());
    }
    (text, failures)
}

fn connections<'a>(settings: &'a Settings, contenders: &'a [Contender]) -> Table<'a> {
    let mut table = Table::new(settings, contenders, "connections");
    for count in CLIENTS {
        table.add(&count.to_string(), Load { connections: count, ..one_file("/1k.html") });
    }
    table
}

fn depth<'a>(settings: &'a Settings, contenders: &'a [Contender]) -> Table<'a> {
    let mut table = Table::new(settings, contenders, "folders above the file");
    for depth in DEPTHS {
        table.add(&depth.to_string(), one_file(&files::deep_path(depth)));
    }
    table
}

/// Every file is asked for once before it counts.
fn trees<'a>(settings: &'a Settings, contenders: &'a [Contender]) -> Table<'a> {
    let mut table = Table::new(settings, contenders, "files");
    for count in &settings.trees {
        let load =
            Load { list: Some(files::list(&settings.folder, &format!("tree-{count}"))), ..one_file("/") };
        for contender in contenders {
            let mut client = Client::new(contender.port);
            let checked = files::tree_paths(*count)
                .try_for_each(|path| check::whole(&mut client, &path, &settings.folder).map(|_| ()));
            table
                .failures
                .extend(checked.err().map(|why| format!("{count} files, {}: {why}", contender.name)));
        }
        table.add(&count.to_string(), load);
    }
    table
}

fn pairs(settings: &Settings, contenders: &[Contender]) -> (String, Vec<String>) {
    let columns = ["1 worker, requests/s", "2 workers, requests/s", "CPU us, 1 worker", "CPU us, 2 workers"];
    let (mut text, mut failures) = (report::header("server", &columns), Vec::new());
    for twin in contenders {
        let Some(name) = twin.name.strip_suffix(TWO_WORKERS) else { continue };
        let Some(single) = contenders.iter().find(|contender| contender.name == name) else { continue };
        eprintln!("workers, {name}");
        let pair = [single, twin];
        let outcomes = interleave(settings.rounds, pair.len(), |index| {
            check_file(pair[index], "/1k.html", &settings.folder)?;
            let load = one_file("/1k.html");
            wrk::measure_with_threads(pair[index], &load, settings.time, &settings.script, 2)
        });
        let outcomes: Vec<report::Named<Sample>> =
            pair.iter().map(|contender| contender.name.clone()).zip(outcomes).collect();
        let cell = |index: usize, figure: fn(&Sample) -> f64| {
            let samples = outcomes[index].1.as_ref().ok()?;
            Summary::of(samples.iter().map(figure)).map(|summary| report::micros(summary.median))
        };
        let cells = [
            cell(0, |sample| sample.requests_per_second),
            cell(1, |sample| sample.requests_per_second),
            cell(0, |sample| sample.cpu_micros),
            cell(1, |sample| sample.cpu_micros),
        ];
        report::line(&mut text, name, cells.into_iter().map(|cell| cell.unwrap_or("void".to_owned())));
        failures.extend(report::failures("workers", &outcomes));
    }
    (text, failures)
}

impl<'a> Table<'a> {
    fn new(settings: &'a Settings, contenders: &'a [Contender], what: &str) -> Table<'a> {
        let names: Vec<&str> = contenders.iter().map(|contender| contender.name.as_str()).collect();
        let text = report::header(&format!("{what}; CPU us per request"), &names);
        Table { settings, contenders, text, failures: Vec::new(), samples: Vec::new() }
    }

    /// Measures one load with everybody and adds the line.
    fn add(&mut self, title: &str, load: Load) {
        eprintln!("{title}");
        let (settings, contenders) = (self.settings, self.contenders);
        let outcomes = interleave(settings.rounds, contenders.len(), |index| {
            if load.list.is_none() {
                check_file(&contenders[index], &load.request.path, &settings.folder)?;
            }
            wrk::measure(&contenders[index], &load, settings.time, &settings.script)
        });
        let outcomes: Vec<report::Named<Sample>> =
            contenders.iter().map(|contender| contender.name.clone()).zip(outcomes).collect();
        self.failures.extend(report::failures(title, &outcomes));
        let cells = outcomes.iter().map(|(_, outcome)| {
            let samples = outcome.as_ref().ok()?;
            let summary = Summary::of(samples.iter().map(|sample| sample.cpu_micros))?;
            Some(summary.with_spread(report::micros))
        });
        report::line(&mut self.text, title, cells.map(|cell| cell.unwrap_or("void".to_owned())));
        self.samples.extend(outcomes.into_iter().filter_map(|(_, outcome)| outcome.ok()).flatten());
    }
}

fn check_file(contender: &Contender, path: &str, folder: &Path) -> Result<(), String> {
    check::whole(&mut Client::new(contender.port), path, folder).map(|_| ())
}

/// Every file here is of 1 KiB.
fn one_file(path: &str) -> Load {
    Load {
        request: Request::get(path),
        list: None,
        connections: CONNECTIONS,
        body: Some(1 << 10),
        failure: Failure::Unwanted,
    }
}

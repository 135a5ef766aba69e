//! One turn of one contender: wrk asks as fast as it is answered, and the server's CPU time is divided by what was answered.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::check::{Failure, Load};
use crate::contender::Contender;
use crate::process;

/// From this length on, answers that were cut off by the end of the turn count by their bytes.
const LARGE: usize = 1 << 20;

/// More than a head takes.
const LONGEST_HEAD: usize = 2048;

/// The server's core and that of the generator of load, as the scripts have it.
const CORES: [&str; 2] = ["cpu0", "cpu1"];

/// The figures of one turn.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) cpu_micros: f64,
    pub(crate) requests_per_second: f64,
    /// The part of cores 0 and 1 that went to neither the server nor the generator of load.
    pub(crate) others: f64,
}

/// What wrk has counted.
#[derive(Debug, Default)]
struct Counted {
    requests: f64,
    micros: f64,
    bytes: f64,
    /// Connections that failed, in whichever way.
    failed: f64,
    /// Answers with a status of 400 and above.
    status: f64,
}

/// Measures one turn.
pub(crate) fn measure(
    contender: &Contender,
    load: &Load,
    time: Duration,
    script: &Path,
) -> Result<Sample, String> {
    measure_with_threads(contender, load, time, script, 1)
}

/// The same with more threads of wrk, for a server with more workers.
pub(crate) fn measure_with_threads(
    contender: &Contender,
    load: &Load,
    time: Duration,
    script: &Path,
    threads: usize,
) -> Result<Sample, String> {
    let own = || process::cpu_micros(std::process::id());
    let begun = Instant::now();
    let before = (contender.cpu_micros()?, own()?, process::busy_micros(&CORES)?);
    let counted = run(contender, load, time, script, threads)?;
    let after = (contender.cpu_micros()?, own()?, process::busy_micros(&CORES)?);
    let cpu = after.0 - before.0;
    let others = (after.2 - before.2).saturating_sub(cpu + after.1 - before.1);
    counted.verify(load)?;
    let requests = match load.body {
        Some(length) if length >= LARGE => counted.bytes / length as f64,
        _ => counted.requests,
    };
    if requests < 1.0 {
        return Err("nothing was answered".to_owned());
    }
    Ok(Sample {
        cpu_micros: cpu as f64 / requests,
        requests_per_second: requests / (counted.micros / 1e6),
        others: others as f64 / 1e6 / (begun.elapsed().as_secs_f64() * CORES.len() as f64),
    })
}

fn run(
    contender: &Contender,
    load: &Load,
    time: Duration,
    script: &Path,
    threads: usize,
) -> Result<Counted, String> {
    let mut command = Command::new("wrk");
    command.arg(format!("-t{threads}")).arg(format!("-c{}", load.connections.max(threads)));
    command.arg(format!("-d{}s", time.as_secs())).args(["--timeout", "60s"]).arg("-s").arg(script);
    for field in &load.request.fields {
        command.args(["-H", field]);
    }
    command.arg(format!("http://127.0.0.1:{}{}", contender.port, load.request.path));
    command.args(load.list.as_ref().map(|list| list.as_os_str()));
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("counted "));
    line.map_or_else(
        || Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr))),
        Counted::parse,
    )
}

impl Counted {
    fn parse(line: &str) -> Result<Counted, String> {
        let mut counted = Counted::default();
        for (name, value) in line.split(' ').filter_map(|word| word.split_once('=')) {
            let value: f64 = crate::number(value)?;
            match name {
                "requests" => counted.requests = value,
                "micros" => counted.micros = value,
                "bytes" => counted.bytes = value,
                "status" => counted.status = value,
                _ => counted.failed += value,
            }
        }
        Ok(counted)
    }

    /// The answers were of the kind that was checked before: neither errors nor bodies of another length.
    fn verify(&self, load: &Load) -> Result<(), String> {
        if self.failed > 0.0 {
            return Err(format!("{} connections failed or timed out", self.failed));
        }
        match load.failure {
            Failure::Unwanted if self.status > 0.0 => {
                return Err(format!("{} of {} answers were errors", self.status, self.requests));
            }
            Failure::Wanted if self.status < self.requests => {
                return Err(format!(
                    "{} of {} answers were no errors",
                    self.requests - self.status,
                    self.requests
                ));
            }
            _ => {}
        }
        if let Some(length) = load.body.filter(|length| *length < LARGE) {
            let mean = self.bytes / self.requests.max(1.0);
            // What was cut off by the end of the turn is among the bytes, at most one answer for each connection.
            let most =
                (length + LONGEST_HEAD) as f64 * (1.0 + load.connections as f64 / self.requests.max(1.0));
            if mean < length as f64 || mean > most {
                return Err(format!("{mean:.0} bytes for each answer, where the body has {length}"));
            }
        }
        Ok(())
    }
}

//! The measuring half of `tests/bench-put`: replaces files through each contender in turn and compares what that costs.
//! The script starts the servers and names them here; nothing in this program starts or ends a process.
//!
//!     bench_put ports COUNT
//!     bench_put run ROUNDS SECONDS SIZES CLIENTS CONTENDER...
//!
//! `ports` prints free ports. `run` measures every size in SIZES (bytes, with commas) with every number in CLIENTS. A
//! contender is six fields with commas between them: `bare|put|if-match`, its name, `full|file|none`, port, process id,
//! folder. It ends with code 1 when a figure is void.

mod bare;
mod contender;
mod http;
mod process;
mod report;
mod round;

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use contender::Contender;
use report::Row;
use round::{Load, Sample};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ports", count] => free_ports(count),
        ["run", rounds, seconds, sizes, clients, contenders @ ..] if !contenders.is_empty() => {
            plan(rounds, seconds, sizes, clients, contenders).and_then(|plan| compare(&plan))
        }
        _ => Err("usage: bench_put ports COUNT | run ROUNDS SECONDS SIZES CLIENTS CONTENDER...".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench_put: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be measured.
struct Plan {
    rounds: u32,
    loads: Vec<Load>,
    contenders: Vec<Contender>,
}

fn plan(rounds: &str, seconds: &str, sizes: &str, clients: &str, specs: &[&str]) -> Result<Plan, String> {
    let seconds: f64 = number(seconds)?;
    let mut loads = Vec::new();
    for size in sizes.split(',') {
        for count in clients.split(',') {
            let (bytes, clients): (usize, usize) = (number(size)?, number(count)?);
            if bytes < round::SMALLEST_BODY || clients == 0 {
                return Err(format!("{bytes} bytes by {clients} clients cannot be measured"));
            }
            loads.push(Load { bytes, clients, time: Duration::from_secs_f64(seconds) });
        }
    }
    let contenders = specs.iter().map(|spec| Contender::parse(spec)).collect::<Result<_, _>>()?;
    Ok(Plan { rounds: number(rounds)?, loads, contenders })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// Each round measures every contender once, so that a disturbance of some seconds falls on all of them; and each round
/// begins with another one, so that none always follows the same neighbour.
fn compare(plan: &Plan) -> Result<(), String> {
    let mut void = 0;
    let mut summary = Vec::new();
    for load in &plan.loads {
        let count = plan.contenders.len();
        let mut samples: Vec<Result<Vec<Sample>, String>> = vec![Ok(Vec::new()); count];
        for round in 0..plan.rounds as usize {
            for index in (0..count).map(|turn| (turn + round) % count) {
                let contender = &plan.contenders[index];
                if let Ok(taken) = &mut samples[index] {
                    match round::measure(contender, load) {
                        Ok(sample) => taken.push(sample),
                        Err(why) => samples[index] = Err(why),
                    }
                }
            }
        }
        let rows: Vec<Row> = plan
            .contenders
            .iter()
            .zip(samples)
            .map(|(contender, samples)| Row { contender, outcome: samples.map(|all| report::median(&all)) })
            .collect();
        void += rows.iter().filter(|row| row.outcome.is_err()).count();
        print!("{}", report::table(load, &rows));
        summary.extend(report::against_bare(load, &rows));
    }
    if !summary.is_empty() {
        println!(
            "\nCPU per PUT of ifmatch, durable, over that of the bare sequence, durable (aim: at most 1.5)"
        );
    }
    summary.iter().for_each(|line| println!("  {line}"));
    if void > 0 { Err(format!("{void} figures are void")) } else { Ok(()) }
}

/// Prints ports that are free now. All are held until the last is known, so that they differ.
fn free_ports(count: &str) -> Result<(), String> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held = (0..number::<u16>(count)?).map(bind).collect::<Result<Vec<_>, _>>();
    for listener in held.map_err(|error| error.to_string())? {
        println!("{}", listener.local_addr().map_err(|error| error.to_string())?.port());
    }
    Ok(())
}

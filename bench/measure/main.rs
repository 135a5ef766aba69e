//! The measuring half of `bench/run` and `bench/scaling`: has each contender answer in turn and compares what that costs.
//! The scripts start the servers and name them here; this program starts nothing but `wrk`.
//!
//!     bench_read ports COUNT
//!     bench_read files FOLDER SETTING=VALUE...
//!     bench_read run SETTING=VALUE... CONTENDER...
//!     bench_read scaling SETTING=VALUE... CONTENDER...
//!     bench_read workers SETTING=VALUE... CONTENDER...
//!
//! `ports` prints free ports. `files` writes what is served to FOLDER. The others measure, and put their tables
//! into a Markdown file. A contender is `NAME,PORT,PROCESS`; `settings.rs` has the settings. The exit code is 1 when an
//! answer was wrong or a figure is void.

mod cases;
mod check;
mod contender;
mod files;
mod http;
mod idle;
mod process;
mod rate;
mod report;
mod rounds;
mod run;
mod scaling;
mod settings;
mod wrk;

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use contender::Contender;
use settings::Settings;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ports", count] => free_ports(count),
        ["files", folder, rest @ ..] => Settings::parse(rest)
            .and_then(|(settings, _)| files::write(std::path::Path::new(folder), &settings)),
        ["run", rest @ ..] => contenders(rest).and_then(|(settings, all)| run::run(&settings, &all)),
        ["scaling", rest @ ..] => {
            contenders(rest).and_then(|(settings, all)| scaling::scaling(&settings, &all))
        }
        ["workers", rest @ ..] => {
            contenders(rest).and_then(|(settings, all)| scaling::workers(&settings, &all))
        }
        _ => Err("usage: bench_read ports COUNT | files FOLDER | run|scaling|workers SETTINGS CONTENDERS"
            .to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench_read: {why}");
            ExitCode::FAILURE
        }
    }
}

fn contenders(words: &[&str]) -> Result<(Settings, Vec<Contender>), String> {
    let (settings, rest) = Settings::parse(words)?;
    let all = rest.iter().map(|spec| Contender::parse(spec)).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() { Err("nobody to measure".to_owned()) } else { Ok((settings, all)) }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
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

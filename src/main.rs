//! The program: parse, set up logging, run; every failure is one sentence and an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use ifmatch::cli::{Action, Cli};
use ifmatch::config::{LogConfig, LogFormat};
use ifmatch::server;
use log::LevelFilter;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ifmatch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    match Cli::parse().lower()? {
        Action::Serve(config) => {
            init_logging(config.log);
            server::run(&config)?;
        }
        Action::PrintTags(request) => {
            for line in request.lines()? {
                println!("{line}");
            }
        }
    }
    Ok(())
}

/// Lines go to standard error; `RUST_LOG` wins over the flags.
fn init_logging(config: LogConfig) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(config.level.min(LevelFilter::Warn));
    builder.filter_module("ifmatch", config.level);
    if config.level < LevelFilter::Debug {
        // It reports what clients do wrong as errors of its own, a line for each malformed request.
        builder.filter_module("actix_http", LevelFilter::Off);
    }
    builder.parse_default_env();
    if config.format == LogFormat::Json {
        builder.format(|out, record| {
            let line = serde_json::json!({
                "time": out.timestamp_millis().to_string(),
                "level": record.level().as_str(),
                "target": record.target(),
                "message": record.args().to_string(),
            });
            writeln!(out, "{line}")
        });
    }
    builder.init();
}

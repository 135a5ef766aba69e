//! The program: parse, set up logging, run; every failure is one sentence and an exit code.

mod log_output;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use env_logger::WriteStyle;
use ifmatch::cli::{Action, Cli, Refused, UsageError};
use ifmatch::config::{LogConfig, LogFormat};
use ifmatch::server;
use log::LevelFilter;
use log::kv::{Key, Value, VisitSource};
use log_output::LogOutput;

/// The exit code for a command line, an environment or a configuration file that makes no sense; clap ends with the same.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Cli::resolve(&arguments) {
        Ok(Action::Serve(config)) => {
            init_logging(config.log);
            let again = move || match Cli::resolve(&arguments) {
                Ok(Action::Serve(config)) => Ok(*config),
                Ok(_) => Err("the command line means something else now".to_owned()),
                Err(Refused::CommandLine(error)) => Err(error.to_string()),
                Err(Refused::Usage(error) | Refused::Unwell(error)) => Err(error.to_string()),
            };
            server::run(*config, again).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
        }
        Ok(Action::Check(config)) => match server::check(&config) {
            Ok(()) => print_lines([Ok("the server could start".to_owned())].into_iter()),
            Err(error) => fail(&error),
        },
        Ok(Action::PrintTags(request)) => print_lines(request.lines()),
        Ok(Action::HashPassword(request)) => match request.answer() {
            Ok(answer) => {
                if let Some(token) = answer.token {
                    // Apart from the line, so that it does not end in the file with that.
                    let _ = writeln!(io::stderr(), "the token, for \"Authorization: Bearer ...\": {token}");
                }
                print_lines([Ok(answer.line)].into_iter())
            }
            Err(error) => fail(&error),
        },
        Ok(Action::AskHealth(target)) => match server::probe(&target) {
            Ok(line) => print_lines([Ok(line)].into_iter()),
            Err(error) => fail(&error),
        },
        Ok(Action::Print(text)) => print(&text),
        Err(Refused::CommandLine(error)) => error.exit(),
        Err(Refused::Usage(error)) => {
            fail(&error);
            ExitCode::from(USAGE)
        }
        Err(Refused::Unwell(error)) => fail(&error),
    }
}

fn print_lines(lines: impl Iterator<Item = Result<String, UsageError>>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for line in lines {
        match line {
            Ok(line) => match writeln!(io::stdout(), "{line}") {
                Ok(()) => {}
                // Whoever wanted them has gone.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return code,
                Err(error) => return fail(&error),
            },
            Err(error) => code = fail(&error),
        }
    }
    code
}

/// Prints a text that ends its own lines. Whoever wanted it may have gone.
fn print(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn Error) -> ExitCode {
    // Where nobody listens any more there is nobody to tell.
    let _ = writeln!(io::stderr(), "ifmatch: {error}");
    ExitCode::FAILURE
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
    if config.format == LogFormat::Text && is_for_eyes() {
        builder.write_style(WriteStyle::Always);
    }
    builder.parse_default_env();
    if config.format == LogFormat::Json {
        builder.format(|out, record| {
            let mut line = serde_json::json!({
                "time": out.timestamp_millis().to_string(),
                "level": record.level().as_str(),
                "target": record.target(),
                "message": record.args().to_string(),
            });
            // Fails for what cannot be a member of JSON, which is nothing here.
            let _ = record.key_values().visit(&mut Members(&mut line));
            writeln!(out, "{line}")
        });
    }
    let told = match config.format {
        LogFormat::Text => |lost| format!("[WARN  ifmatch] {}\n", lines_lost(lost)),
        LogFormat::Json => |lost| {
            let line = serde_json::json!({"level": "WARN", "target": "ifmatch", "message": lines_lost(lost)});
            format!("{line}\n")
        },
    };
    builder.target(env_logger::Target::Pipe(Box::new(LogOutput::new(io::stderr(), told))));
    builder.init();
}

/// Whether colours are wanted (no-color.org), as far as `RUST_LOG_STYLE` says nothing.
fn is_for_eyes() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn lines_lost(count: u64) -> String {
    format!("lines of the log are lost, {count} of them: nobody took them from standard error")
}

/// Puts what a record tells by name beside its message.
struct Members<'a>(&'a mut serde_json::Value);

impl<'a> VisitSource<'a> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), log::kv::Error> {
        self.0[key.as_str()] = match value.to_u64() {
            Some(number) => number.into(),
            None => value.to_string().into(),
        };
        Ok(())
    }
}

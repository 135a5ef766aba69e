//! Asks any server, given its URL and the folder it serves, whether it does what RFC 9110 and 9112 say about validators,
//! conditional requests, ranges, codings and writes, and whether old attacks work on it. `tests/conformance/run` starts
//! the servers; what a case is stands in `case.rs`, the cases in `cases/`.
//!
//! ```text
//! conformance check --url URL --folder DIR [--name NAME] [--only PREFIX] [--results FILE] [--accepted FILE]
//! conformance report --about FILE --output FILE RESULTS...
//! conformance self-test
//! conformance ports COUNT
//! conformance redbot --accepted FILE HAR...
//! conformance collections --url URL --folder DIR
//! ```
//!
//! `check` ends with 0 when every case was asked; with `--accepted`, only if exactly the cases in that file were missed.

use std::process::ExitCode;

mod case;
mod cases;
mod collections;
mod options;
mod question;
mod redbot;
mod report;
#[allow(dead_code, reason = "shared with the integration tests, which need more of it")]
#[path = "../it/harness/request.rs"]
mod request;
mod score;
mod self_test;
mod site;
mod wire;

use options::Options;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let ended = Options::parse(arguments).and_then(|options| match command.as_str() {
        "check" => score::check(&options),
        "report" => report::report(&options),
        "self-test" => self_test::run(&options),
        "ports" => options.ports(),
        "redbot" => redbot::judge(&options),
        "collections" => collections::run(&options),
        _ => {
            Err("conformance check|report|self-test|ports|redbot|collections; see tests/conformance/main.rs"
                .to_owned())
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("conformance: {why}");
            ExitCode::FAILURE
        }
    }
}

//! A guard of the path that most requests take: counts the instructions that the server executes for one request, and
//! compares them with `tests/instructions.txt`.
//!
//!     cargo test --test instructions [-- --update]
//!
//! Time differs from machine to machine and from minute to minute; instructions in user space hardly do, so that a few
//! per cent can be told from noise. The server is the real program, built with the profile `guard`. What the kernel
//! executes for it is not counted, nor what threads other than the worker do: this says nothing about how long a
//! request takes. It ends with code 0 when every figure is near the one in the file, or when the two cannot be
//! compared, which it says; `--update` writes the file anew.

#[cfg(target_arch = "x86_64")]
mod cases;
#[cfg(target_arch = "x86_64")]
mod client;
#[cfg(target_arch = "x86_64")]
mod count;
#[cfg(target_arch = "x86_64")]
mod figures;
#[cfg(target_arch = "x86_64")]
mod server;
#[cfg(target_arch = "x86_64")]
mod worker;

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => count::count().and_then(|counted| figures::compare(&counted)),
        ["--update"] => count::count().and_then(|counted| figures::update(&counted)),
        _ => Err("usage: cargo test --test instructions [-- --update]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("instructions: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Registers have other names elsewhere, and the figures would be others too.
#[cfg(not(target_arch = "x86_64"))]
fn main() -> ExitCode {
    println!("instructions: they are counted on x86_64 only, and nothing is concluded here");
    ExitCode::SUCCESS
}

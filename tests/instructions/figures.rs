//! The figures of this machine and those in `tests/instructions.txt`: what they depend on, and how far they may differ.

use std::arch::is_x86_feature_detected;
use std::fs;
use std::process::Command;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions.txt");

const ABOUT: &str = "\
# Instructions of one request in user space; tests/instructions/main.rs says how they are counted.
# Written by: cargo test --test instructions -- --update
";

/// How many per cent more than in the file fail.
const MORE: f64 = 5.0;

/// How many per cent less than in the file fail: what has been won is to be kept.
const LESS: f64 = 10.0;

/// Instructions by the names of the cases, and what they depend on besides the sources.
pub(crate) struct Figures {
    /// `rustc`, `libc` and `cpu`, with a line of text each.
    conditions: Vec<(String, String)>,
    counts: Vec<(String, u64)>,
}

/// The middle one.
pub(crate) fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// Prints the figures beside those in the file.
///
/// # Errors
/// A sentence, if one differs by too much.
pub(crate) fn compare(counted: &Figures) -> Result<(), String> {
    let text = fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
    let kept = Figures::parse(&text)?;
    let mut wrong = Vec::new();
    println!("{:20} {:>10} {:>10} {:>8}", "instructions", "kept", "counted", "change");
    for (name, count) in &counted.counts {
        let Some(&(_, before)) = kept.counts.iter().find(|(other, _)| other == name) else {
            println!("{name:20} {:>10} {count:>10}", "-");
            wrong.push(format!("{name} is new"));
            continue;
        };
        let change = (*count as f64 / before as f64 - 1.0) * 100.0;
        println!("{name:20} {before:>10} {count:>10} {change:>+7.1}%");
        if change > MORE {
            wrong.push(format!("{name} takes {change:.1} % more"));
        } else if change < -LESS {
            wrong.push(format!("{name} takes {:.1} % less, which is to be kept", -change));
        }
    }
    if kept.conditions != counted.conditions {
        println!("These cannot be compared, so nothing is concluded from them. The file is of");
        kept.conditions.iter().for_each(|(what, which)| println!("    {what} {which}"));
        println!("and this is");
        counted.conditions.iter().for_each(|(what, which)| println!("    {what} {which}"));
        return Ok(());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}. If that is meant, `cargo test --test instructions -- --update` writes the new figures, and the \
         commit says why",
        wrong.join("; ")
    ))
}

/// Writes the figures to the file.
pub(crate) fn update(counted: &Figures) -> Result<(), String> {
    let text = counted.to_text();
    print!("{text}");
    fs::write(PATH, text).map_err(|error| format!("{PATH}: {error}"))
}

impl Figures {
    /// Figures that have been counted by this process.
    pub(crate) fn of_this_machine(counts: Vec<(String, u64)>) -> Result<Figures, String> {
        // memchr and httparse choose when they run, as glibc does.
        let cpu = if is_x86_feature_detected!("avx2") { "x86_64 with avx2" } else { "x86_64 without avx2" };
        let conditions = vec![
            ("rustc".to_owned(), said_by("rustc", "--version")?.trim_start_matches("rustc ").to_owned()),
            ("libc".to_owned(), said_by("getconf", "GNU_LIBC_VERSION")?),
            ("cpu".to_owned(), cpu.to_owned()),
        ];
        Ok(Figures { conditions, counts })
    }

    fn parse(text: &str) -> Result<Figures, String> {
        let mut figures = Figures { conditions: Vec::new(), counts: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, value) = line.split_once(' ').ok_or_else(|| format!("{PATH}: {line:?}"))?;
            let (name, value) = (name.to_owned(), value.trim());
            match (name.as_str(), value.parse()) {
                ("rustc" | "libc" | "cpu", _) => figures.conditions.push((name, value.to_owned())),
                (_, Ok(1..)) => figures.counts.push((name, value.parse().unwrap_or(1))),
                _ => return Err(format!("{PATH}: {line:?}")),
            }
        }
        Ok(figures)
    }

    fn to_text(&self) -> String {
        let conditions = self.conditions.iter().map(|(what, which)| format!("{what} {which}\n"));
        let counts = self.counts.iter().map(|(name, count)| format!("{name:20} {count:>8}\n"));
        let lines: String = conditions.chain(counts).collect();
        format!("{ABOUT}{lines}")
    }
}

/// The first line of what a program writes.
fn said_by(program: &str, argument: &str) -> Result<String, String> {
    let output = Command::new(program).arg(argument).output();
    let output = output.map_err(|error| format!("{program} {argument}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned).ok_or_else(|| format!("{program} {argument} says nothing"))
}

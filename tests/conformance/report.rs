//! Puts the results of several servers side by side into a page, between two marks; what stands around them is written
//! by hand.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::case::{Case, Level};
use crate::cases;
use crate::options::{Options, read};

const BEGIN: &str = "<!-- tables: begin (written by tests/conformance/run) -->";
const END: &str = "<!-- tables: end -->";

/// The results of one server.
struct Server {
    name: String,
    cases: Value,
}

impl Server {
    fn read(path: &str) -> Result<Server, String> {
        let value: Value =
            serde_json::from_str(&read(Path::new(path))?).map_err(|error| format!("{path}: {error}"))?;
        let name = value["name"].as_str().ok_or_else(|| format!("{path}: no name"))?.to_owned();
        Ok(Server { name, cases: value["cases"].clone() })
    }

    fn verdict(&self, case: &Case) -> &str {
        self.cases[case.id]["verdict"].as_str().unwrap_or("not asked")
    }

    /// `passed/offered` of the cases that are chosen.
    fn score(&self, chosen: impl Fn(&str, &Case) -> bool) -> String {
        let (mut passed, mut offered) = (0, 0);
        for (_, case) in cases::all().filter(|(group, case)| chosen(group, case)) {
            passed += usize::from(self.verdict(case) == "passed");
            offered += usize::from(matches!(self.verdict(case), "passed" | "missed"));
        }
        match offered {
            0 => "-".to_owned(),
            _ if passed == offered => format!("**{passed}/{offered}**"),
            _ => format!("{passed}/{offered}"),
        }
    }
}

/// The subcommand `report`.
pub(crate) fn report(options: &Options) -> Result<(), String> {
    let servers: Vec<Server> =
        options.rest.iter().map(|path| Server::read(path)).collect::<Result<_, _>>()?;
    let about = read(&options.path("about")?)?;
    let output = options.path("output")?;
    let page = match output.exists() {
        true => read(&output)?,
        false => format!("{BEGIN}\n{END}\n"),
    };
    let (before, rest) = page.split_once(BEGIN).ok_or_else(|| format!("{}: no mark", output.display()))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("{}: no second mark", output.display()))?;
    let tables = format!(
        "{about}\n## By group\n\n{}\n## By level\n\n{}\n## What was missed\n\n{}\n## All cases\n\n{}",
        by_group(&servers),
        by_level(&servers),
        misses(&servers),
        all_cases()
    );
    std::fs::write(&output, format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
        .map_err(|error| format!("{}: {error}", output.display()))
}

fn header(first: &str, servers: &[Server]) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    format!("| {first} | {} |\n|---{}|\n", names.join(" | "), "|---:".repeat(names.len()))
}

fn row(first: &str, servers: &[Server], chosen: impl Fn(&str, &Case) -> bool) -> String {
    let scores: Vec<String> = servers.iter().map(|server| server.score(&chosen)).collect();
    format!("| {first} | {} |\n", scores.join(" | "))
}

fn by_group(servers: &[Server]) -> String {
    let rows = cases::GROUPS.iter().map(|group| row(group.name, servers, |name, _| name == group.name));
    let together = row("together", servers, |_, _| true);
    header("group", servers) + &rows.collect::<String>() + &together
}

fn by_level(servers: &[Server]) -> String {
    let levels = [Level::Must, Level::Should, Level::Ours];
    let rows = levels.map(|level| row(level.word(), servers, |_, case| case.level == level));
    header("level", servers) + &rows.concat()
}

fn misses(servers: &[Server]) -> String {
    let mut text = String::new();
    for server in servers {
        let mut missed: Vec<&Case> =
            cases::all().map(|(_, case)| case).filter(|case| server.verdict(case) == "missed").collect();
        missed.sort_by_key(|case| case.level);
        let _ = writeln!(text, "### {}\n", server.name);
        if missed.is_empty() {
            text.push_str("Nothing.\n\n");
            continue;
        }
        text.push_str("| level | case | what should be | what was |\n|---|---|---|---|\n");
        for case in missed {
            let why = server.cases[case.id]["why"].as_str().unwrap_or_default();
            let level = case.level.word();
            let _ = writeln!(text, "| {level} | {} | {} | {} |", case.id, cell(case.sentence), cell(why));
        }
        text.push('\n');
    }
    text
}

fn all_cases() -> String {
    let mut text = String::from("| group | case | level | from | what should be |\n|---|---|---|---|---|\n");
    for (group, case) in cases::all() {
        let (level, sentence) = (case.level.word(), cell(case.sentence));
        let _ = writeln!(text, "| {group} | {} | {level} | {} | {sentence} |", case.id, cell(case.source));
    }
    text
}

/// Text that breaks no table and is no markup.
fn cell(text: &str) -> String {
    let mut text = text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ").replace('\r', "");
    if let Some((at, _)) = text.char_indices().nth(200) {
        text.truncate(at);
        text.push_str(" ...");
    }
    text
}

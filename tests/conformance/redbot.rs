//! Reads what REDbot has found (its HAR output), and fails on notes that are bad and not accepted.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::options::{Options, accepted, read};

/// The subcommand `redbot`.
pub(crate) fn judge(options: &Options) -> Result<(), String> {
    let accepted = accepted(&options.path("accepted")?)?;
    let (mut seen, mut faults, mut count) = (BTreeSet::new(), Vec::new(), 0);
    for path in &options.rest {
        let har: Value = serde_json::from_str(&read(path.as_ref())?)
            .map_err(|error| format!("{path}: REDbot wrote no HAR: {error}"))?;
        let entries = har["log"]["entries"].as_array().filter(|entries| !entries.is_empty());
        for entry in entries.ok_or_else(|| format!("{path}: REDbot has asked nothing"))? {
            let url = entry["request"]["url"].as_str().unwrap_or_default().to_owned();
            let status = &entry["response"]["status"];
            println!("{url}: {status}");
            for note in entry["_red_messages"].as_array().into_iter().flatten() {
                let text = |name: &str| note[name].as_str().unwrap_or_default().to_owned();
                let (id, level) = (text("note_id"), text("level"));
                println!("  {:4} {id}: {}", level.to_lowercase(), text("summary"));
                count += 1;
                if matches!(level.as_str(), "INFO" | "GOOD") {
                    continue;
                }
                seen.insert(id.clone());
                if !accepted.contains_key(&id) {
                    faults.push(format!("{url}: {level} {id}: {}", text("summary")));
                }
            }
        }
    }
    if count == 0 {
        faults.push("REDbot has no notes at all".to_owned());
    }
    let unused = accepted.keys().filter(|id| !seen.contains(*id));
    faults.extend(unused.map(|id| format!("{id}: is accepted, and REDbot does not say it")));
    if faults.is_empty() { Ok(()) } else { Err(format!("REDbot\n  {}", faults.join("\n  "))) }
}

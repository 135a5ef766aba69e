//! Asks all cases of one server, and says what came of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::{Case, Check, Level, Miss, Offer, Verdict};
use crate::cases::{self, codings, files};
use crate::options::{Options, accepted};
use crate::question;
use crate::site::Site;

/// What became of one case.
pub(crate) struct Outcome {
    pub(crate) group: &'static str,
    pub(crate) case: &'static Case,
    pub(crate) verdict: Verdict,
}

impl Outcome {
    /// What was missed, if it was.
    pub(crate) fn miss(&self) -> Option<&str> {
        match &self.verdict {
            Err(Miss::Missed(what)) => Some(what),
            _ => None,
        }
    }

    /// Does the case count?
    pub(crate) fn is_offered(&self) -> bool {
        !matches!(self.verdict, Err(Miss::NotOffered(_)))
    }
}

/// The subcommand `check`.
pub(crate) fn check(options: &Options) -> Result<(), String> {
    let folder = options.path("folder")?;
    let mut entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if entries.next().is_some() {
        // Files are made and deleted at will, and one case asks for all of it to be deleted.
        return Err(format!("{}: must be empty, for its contents do not survive", folder.display()));
    }
    let site = Site::new(options.need("url")?, &folder)?;
    let name = options.get("name").unwrap_or("the server");
    let offers = offers(&site);
    let only = options.get("only").unwrap_or_default();
    let outcomes = ask_all(&site, &offers, only);
    print(name, &outcomes);
    if let Some(file) = options.get("results") {
        let written = std::fs::write(file, results(name, &outcomes).to_string());
        written.map_err(|error| format!("{file}: {error}"))?;
    }
    match options.get("accepted") {
        Some(_) => as_accepted(&outcomes, &accepted(&options.path("accepted")?)?, only),
        None => Ok(()),
    }
}

/// What the server has of what it need not have.
fn offers(site: &Site) -> Vec<Offer> {
    let has = |offer: &Offer| match offer {
        Offer::Put => {
            let response = site.ask(&site.put(&site.absent().target, b"probe"));
            response.is_ok_and(|response| response.is_success())
        }
        Offer::Delete => site
            .file()
            .and_then(|file| site.ask(&site.request("DELETE", &file.target)))
            .is_ok_and(|response| response.is_success()),
        Offer::Ranges => site
            .file()
            .and_then(|file| site.ask(&site.request("GET", &file.target).field("Range", "bytes=0-9")))
            .is_ok_and(|response| response.status == 206),
        Offer::Gzip => codings::offered(site),
        Offer::Listing => files::listing_offered(site),
    };
    Offer::ALL.into_iter().filter(has).collect()
}

/// Asks the cases whose ids begin so.
pub(crate) fn ask_all(site: &Site, offers: &[Offer], only: &str) -> Vec<Outcome> {
    let wanted = cases::all().filter(|(_, case)| case.id.starts_with(only));
    let mut outcomes = Vec::new();
    for (group, case) in wanted {
        // One that an earlier case has ended may be on its way back.
        site.wait();
        outcomes.push(Outcome { group, case, verdict: ask(site, case, offers) });
    }
    outcomes
}

fn ask(site: &Site, case: &Case, offers: &[Offer]) -> Verdict {
    if let Some(offer) = case.needed().filter(|offer| !offers.contains(offer)) {
        return Err(Miss::NotOffered(offer.name().to_owned()));
    }
    match case.check {
        Check::Asks(question) => question::ask(site, &question),
        Check::Runs(run) => run(site),
        Check::Tries(run, with) => run(site, with),
    }
}

fn print(name: &str, outcomes: &[Outcome]) {
    println!("{name}");
    for group in &cases::GROUPS {
        let (passed, offered, missing) =
            counts(outcomes.iter().filter(|outcome| outcome.group == group.name));
        println!("  {:22} {passed:3} of {offered:3} passed, {missing} not offered", group.name);
    }
    for outcome in outcomes {
        if let Some(what) = outcome.miss() {
            let case = outcome.case;
            println!("  missed {:6} {}: {}; {what}", case.level.word(), case.id, case.sentence);
        }
    }
}

/// How many passed, how many were offered, how many were not.
fn counts<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> (usize, usize, usize) {
    let (mut passed, mut offered, mut missing) = (0, 0, 0);
    for outcome in outcomes {
        passed += usize::from(outcome.verdict.is_ok());
        offered += usize::from(outcome.is_offered());
        missing += usize::from(!outcome.is_offered());
    }
    (passed, offered, missing)
}

/// The outcomes as JSON, for the report.
fn results(name: &str, outcomes: &[Outcome]) -> Value {
    let cases = outcomes.iter().map(|outcome| {
        let (verdict, why) = match &outcome.verdict {
            Ok(()) => ("passed", ""),
            Err(Miss::Missed(what)) => ("missed", what.as_str()),
            Err(Miss::NotOffered(why)) => ("not offered", why.as_str()),
        };
        (outcome.case.id.to_owned(), json!({ "verdict": verdict, "why": why }))
    });
    json!({ "name": name, "cases": cases.collect::<serde_json::Map<_, _>>() })
}

/// Fails on every miss that is not accepted, and on every accepted one that is none any more. A MUST is never accepted.
fn as_accepted(outcomes: &[Outcome], accepted: &BTreeMap<String, String>, only: &str) -> Result<(), String> {
    let mut faults = Vec::new();
    for outcome in outcomes {
        let (id, level) = (outcome.case.id, outcome.case.level);
        match (outcome.miss(), accepted.contains_key(id)) {
            (Some(_), true) if level == Level::Must => {
                faults.push(format!("{id}: a MUST cannot be accepted"))
            }
            (Some(what), false) => faults.push(format!("{id} ({}): {what}", level.word())),
            (None, true) => faults.push(format!("{id}: is accepted as a miss, and is none")),
            _ => {}
        }
    }
    let known = |id: &String| cases::all().any(|(_, case)| case.id == *id);
    let unknown = accepted.keys().filter(|id| only.is_empty() && !known(id));
    faults.extend(unknown.map(|id| format!("{id}: there is no such case")));
    if faults.is_empty() { Ok(()) } else { Err(format!("misses\n  {}", faults.join("\n  "))) }
}

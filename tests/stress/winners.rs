//! Many clients send equal conditional requests at the same instant, and exactly one of them may succeed: replacing a
//! version, creating a file, deleting a version. The others are told that the condition is false.

use std::fs;
use std::time::Instant;

use clap::Args;

use crate::content::{tag_of, version_bytes, version_of};
use crate::place::Place;
use crate::table::{Table, cells};
use crate::wire::{Answer, Condition, Silence, Wire, request};
use crate::{Common, watch};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many rounds of each kind
    #[arg(long, default_value_t = 500)]
    rounds: u64,
    /// How many clients
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// How many servers on the same folder
    #[arg(long, default_value_t = 1)]
    servers: usize,
    /// The size of the bodies
    #[arg(long, default_value_t = 3000)]
    body_size: usize,
}

/// What all clients ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Race {
    Replace,
    Create,
    Delete,
}

impl Race {
    /// The status of the winner, and those of the others.
    fn statuses(self) -> (u16, &'static [u16]) {
        match self {
            Race::Replace => (204, &[412]),
            Race::Create => (201, &[412]),
            // RFC 9110, 13.2.1: what is missing is missing, whatever the condition.
            Race::Delete => (204, &[412, 404]),
        }
    }

    /// What one client asks for.
    fn request(self, target: &str, tag: &str, body: &[u8]) -> Vec<u8> {
        match self {
            Race::Replace => request("PUT", target, Condition::Match(tag), Some(body)),
            Race::Create => request("PUT", target, Condition::Absent, Some(body)),
            Race::Delete => request("DELETE", target, Condition::Match(tag), None),
        }
    }
}

/// Runs the rounds in every folder.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let mut table = Table::new(&["folder", "servers", "race", "rounds", "requests", "broken", "seconds"]);
    for folder in common.folders() {
        let place = Place::new(&folder)?;
        let servers = place.serve_by(options.servers.max(1), common)?;
        let address = |client: usize| servers[client % servers.len()].address();
        let mut wires: Vec<Wire> = (0..options.clients).map(|client| Wire::new(address(client))).collect();
        for race in [Race::Replace, Race::Create, Race::Delete] {
            let begun = Instant::now();
            let (run, wrong) = rounds(race, &place, options, &mut wires);
            let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
            let requests = run * options.clients as u64;
            table.row(cells![
                folder.display(),
                servers.len(),
                format!("{race:?}"),
                run,
                requests,
                wrong,
                seconds,
            ]);
        }
    }
    table.print();
    Ok(())
}

/// Runs all rounds of a race; how many were run, and how many of them broke the promise.
fn rounds(race: Race, place: &Place, options: &Options, wires: &mut [Wire]) -> (u64, u64) {
    let worker = watch::Worker::new(format!("{race:?}"));
    let mut wrong = 0;
    for number in 1..=options.rounds {
        if watch::enough() {
            return (number - 1, wrong);
        }
        worker.begins("round", number);
        let name = if race == Race::Replace { "one".to_owned() } else { format!("{race:?}-{number}") };
        let path = place.path(&name);
        if race == Race::Delete || race == Race::Replace && number == 1 {
            fs::write(&path, version_bytes(0, options.body_size)).expect("a file to begin with");
        }
        let tag = fs::read(&path).map(|bytes| tag_of(&bytes)).unwrap_or_default();
        let requests: Vec<Vec<u8>> = (0..wires.len())
            .map(|client| {
                let body = version_bytes(version(number, client), options.body_size);
                race.request(&format!("/{name}"), &tag, &body)
            })
            .collect();
        let answers = compete(wires, &requests);
        let left = fs::read(&path).ok();
        if let Err(why) = judge(race, number, &answers, left.as_deref()) {
            wrong += 1;
            watch::broken(format!("{race:?}, round {number}: {why}"));
        }
    }
    (options.rounds, wrong)
}

/// Sends all requests but for the last byte of each, then these bytes in one sweep; so all are decided upon at once,
/// after the server has found all of their heads to be right.
fn compete(wires: &mut [Wire], requests: &[Vec<u8>]) -> Vec<Result<Answer, Silence>> {
    let begun: Vec<_> = wires.iter_mut().zip(requests).map(|(wire, request)| wire.begin(request)).collect();
    for ((wire, request), begun) in wires.iter_mut().zip(requests).zip(&begun) {
        if begun.is_ok() {
            wire.end(request);
        }
    }
    let answers = wires.iter_mut().zip(begun).map(|(wire, begun)| begun.and_then(|()| wire.answer()));
    answers.collect()
}

/// Is there one winner, and is what he wrote in the file?
fn judge(
    race: Race,
    number: u64,
    answers: &[Result<Answer, Silence>],
    left: Option<&[u8]>,
) -> Result<(), String> {
    let (success, others) = race.statuses();
    let mut winners = Vec::new();
    for (client, answer) in answers.iter().enumerate() {
        match answer {
            Ok(answer) if answer.status == success => winners.push((client, answer)),
            Ok(answer) if others.contains(&answer.status) => {}
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body);
                return Err(format!("client {client} is told {}: {body}", answer.status));
            }
            Err(silence) => return Err(format!("client {client}: {silence:?}")),
        }
    }
    let [(winner, answer)] = winners.as_slice() else {
        let clients: Vec<usize> = winners.iter().map(|(client, _)| *client).collect();
        return Err(format!("{} clients have won: {clients:?}", clients.len()));
    };
    match left {
        None if race == Race::Delete => Ok(()),
        Some(bytes) if race != Race::Delete => {
            let expected = version(number, *winner);
            if version_of(bytes) != Some(expected) {
                return Err(format!("client {winner} won, and the file holds {:?}", version_of(bytes)));
            }
            if answer.tag.as_deref() != Some(&tag_of(bytes)) {
                return Err(format!("client {winner} was told another tag: {:?}", answer.tag));
            }
            Ok(())
        }
        left => Err(format!("client {winner} won, and the file is there: {}", left.is_some())),
    }
}

/// The version that a client writes in a round.
fn version(round: u64, client: usize) -> u64 {
    (round << 16) | (client as u64 + 1)
}

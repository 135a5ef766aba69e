//! Many clients count in one file: each reads the number and replaces it with the next one, under If-Match. No count
//! may be lost and none may succeed twice, whichever server of a folder is asked.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;

use crate::place::Place;
use crate::table::{Table, cells};
use crate::wire::{Condition, Wire};
use crate::{Common, watch};

const NAME: &str = "count";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many clients
    #[arg(long, default_value_t = 32)]
    clients: u64,
    /// How many increments of each client
    #[arg(long, default_value_t = 200)]
    increments: u64,
    /// How many servers on the same folder
    #[arg(long, default_value_t = 1)]
    servers: usize,
}

/// What the clients were told.
#[derive(Debug, Default)]
struct Told {
    /// How often each number was acknowledged.
    acknowledged: BTreeMap<u64, u64>,
    failed: u64,
    busy: u64,
}

/// Counts in every folder.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let mut table = Table::new(&[
        "folder",
        "servers",
        "clients",
        "expected",
        "at the end",
        "2xx",
        "412",
        "409",
        "seconds",
    ]);
    for folder in common.folders() {
        let begun = Instant::now();
        let place = Place::new(&folder)?;
        fs::write(place.path(NAME), "0").map_err(|error| error.to_string())?;
        let servers = place.serve_by(options.servers.max(1), common)?;
        let told = Mutex::new(Told::default());
        std::thread::scope(|scope| {
            for client in 0..options.clients {
                let address = servers[client as usize % servers.len()].address();
                let told = &told;
                scope.spawn(move || count(client, address, options.increments, told));
            }
        });
        let told = told.into_inner().map_err(|_| "a client has panicked")?;
        let expected = options.clients * options.increments;
        let end = fs::read_to_string(place.path(NAME)).unwrap_or_default();
        let successes: u64 = told.acknowledged.values().sum();
        if end != expected.to_string() || successes != expected {
            watch::broken(format!(
                "{expected} increments, {successes} acknowledged, and the file says {end:?}"
            ));
        }
        for (number, times) in told.acknowledged.iter().filter(|(_, times)| **times > 1) {
            watch::broken(format!("{times} clients were told that they had made the count {number}"));
        }
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
        table.row(cells![
            folder.display(),
            servers.len(),
            options.clients,
            expected,
            end,
            successes,
            told.failed,
            told.busy,
            seconds,
        ]);
    }
    table.print();
    Ok(())
}

/// One client.
fn count(client: u64, address: SocketAddr, increments: u64, told: &Mutex<Told>) {
    let worker = watch::Worker::new(format!("client {client}"));
    let mut wire = Wire::new(address);
    let target = format!("/{NAME}");
    let mut done = 0;
    while done < increments && !watch::enough() {
        worker.begins("increment", done);
        let attempt = increment(&mut wire, &target);
        let mut told = told.lock().expect("no client panics");
        match attempt {
            Ok((204, number)) => {
                *told.acknowledged.entry(number).or_default() += 1;
                done += 1;
            }
            Ok((412, _)) => told.failed += 1,
            Ok((409, _)) => {
                told.busy += 1;
                drop(told);
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok((status, number)) => {
                watch::broken(format!("client {client}, count {number}: the status is {status}"));
            }
            Err(why) => watch::broken(format!("client {client}, after {done} increments: {why}")),
        }
    }
}

/// Reads the number, and asks to replace it with the next one; the status, and that next number.
fn increment(wire: &mut Wire, target: &str) -> Result<(u16, u64), String> {
    let answer = wire.get(target)?;
    let number = std::str::from_utf8(&answer.body).ok().and_then(|text| text.parse::<u64>().ok());
    let number = number.filter(|_| !answer.cut);
    let (200, Some(number), Some(tag)) = (answer.status, number, &answer.tag) else {
        return Err(format!("no number: {answer:?}"));
    };
    let next = number + 1;
    let answer = wire.put(target, Condition::Match(tag), next.to_string().as_bytes())?;
    Ok((answer.status, next))
}

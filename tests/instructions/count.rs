//! The counting of all cases: how often, and after what.

use crate::cases;
use crate::client::Client;
use crate::figures::{self, Figures};
use crate::server::{self, Server};
use crate::worker::Worker;

/// How often the server is started: seeds of hash tables and addresses differ from start to start.
const STARTS: usize = 3;

/// How many requests of each case go before, at full speed.
const WARM_UP: usize = 30;

/// How many requests of each case go before, step by step: time has passed, and timers expire in the first one.
const SETTLING: usize = 1;

/// Counts every case at each start, and returns the medians.
pub(crate) fn count() -> Result<Figures, String> {
    let program = server::build()?;
    let folder = cases::folder().map_err(|error| format!("the served folder: {error}"))?;
    server::stay_on_one_processor()?;
    let mut counts = vec![Vec::new(); cases::CASES.len()];
    for _ in 0..STARTS {
        let server = Server::start(&program, folder.path())?;
        let mut client = Client::connect(server.address())?;
        let requests = cases::requests(&mut client)?;
        for (request, counts) in requests.iter().zip(&mut counts) {
            for _ in 0..WARM_UP {
                client.ask(request)?;
            }
            let mut worker = Worker::seize(server.worker()?)?;
            for _ in 0..SETTLING {
                worker.count(&mut client, request)?;
            }
            counts.push(worker.count(&mut client, request)?);
        }
    }
    let names = cases::CASES.iter().map(|case| case.name.to_owned());
    let medians = counts.into_iter().map(figures::median);
    Figures::of_this_machine(names.zip(medians).collect())
}

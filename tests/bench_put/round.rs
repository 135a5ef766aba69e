//! One round of one contender: some seconds of replacements by a number of clients, each with a file of its own. The
//! figure counts only if every answer was a success and every file then holds the last body that was sent.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::{Contender, Writer};

/// Each body tells client and number in its first bytes, so that no two are the same.
pub(crate) const SMALLEST_BODY: usize = 16;

/// How long a contender may take to finish what it has put off.
const PATIENCE: Duration = Duration::from_secs(15);

/// A contender is at rest when it uses no more than two ticks of CPU time in such a span.
const REST: Duration = Duration::from_millis(400);
const AT_REST_MICROS: u64 = 20_000;

/// What a round consists of.
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) clients: usize,
    pub(crate) time: Duration,
}

/// The figures of one round, or the medians of several.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    pub(crate) cpu_micros: f64,
    pub(crate) median_micros: f64,
    pub(crate) p99_micros: f64,
}

/// One client: what it writes through, and what it wrote last.
struct Client {
    writer: Box<dyn Writer>,
    name: String,
    body: Vec<u8>,
    latencies: Vec<Duration>,
}

/// Measures one round. CPU time counts until the contender is at rest again: a server that looks after displaced files
/// later does not have that work for free.
pub(crate) fn measure(contender: &Contender, load: &Load) -> Result<Sample, String> {
    let mut clients = (0..load.clients)
        .map(|index| Client::new(contender, index, load.bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let barrier = Barrier::new(load.clients + 1);
    let (elapsed, before) = thread::scope(|scope| {
        let threads: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(|| client.run(load.time, &barrier))).collect();
        barrier.wait();
        let before = contender.cpu_micros();
        let begun = Instant::now();
        barrier.wait();
        for thread in threads {
            thread.join().map_err(|_| "a client panicked".to_owned())??;
        }
        Ok::<_, String>((begun.elapsed(), before?))
    })?;
    let cpu = settle(contender)? - before;
    for client in &clients {
        client.verify(&contender.folder)?;
    }
    let mut latencies: Vec<Duration> = clients.into_iter().flat_map(|client| client.latencies).collect();
    latencies.sort_unstable();
    flush(&contender.folder)?;
    let count = latencies.len();
    Ok(Sample {
        requests_per_second: count as f64 / elapsed.as_secs_f64(),
        cpu_micros: cpu as f64 / count as f64,
        median_micros: micros(latencies[count / 2]),
        p99_micros: micros(latencies[(count * 99 / 100).min(count - 1)]),
    })
}

impl Client {
    fn new(contender: &Contender, index: usize, bytes: usize) -> Result<Client, String> {
        let name = format!("client-{index}");
        let writer = contender.writer(&name)?;
        // Bytes without a pattern, so that nothing on the way can shrink them.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ index as u64;
        let mut body: Vec<u8> = Vec::with_capacity(bytes + 8);
        while body.len() < bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            body.extend_from_slice(&state.to_le_bytes());
        }
        body.truncate(bytes);
        body[8..16].copy_from_slice(&(index as u64).to_le_bytes());
        Ok(Client { writer, name, body, latencies: Vec::new() })
    }

    /// One replacement that does not count, which creates the file and learns its entity tag; then, once all clients are
    /// that far, one after the other until the time is over.
    fn run(&mut self, time: Duration, barrier: &Barrier) -> Result<(), String> {
        let ready = self.put(0);
        // Whoever waits at the barrier has to be met there, even by a client that has failed.
        barrier.wait();
        barrier.wait();
        ready?;
        let begun = Instant::now();
        while self.latencies.is_empty() || begun.elapsed() < time {
            let sent = Instant::now();
            self.put(self.latencies.len() as u64 + 1)?;
            self.latencies.push(sent.elapsed());
        }
        Ok(())
    }

    fn put(&mut self, number: u64) -> Result<(), String> {
        self.body[..8].copy_from_slice(&number.to_le_bytes());
        self.writer.put(&self.body)
    }

    fn verify(&self, folder: &Path) -> Result<(), String> {
        let stored = fs::read(folder.join(&self.name)).map_err(|error| format!("{}: {error}", self.name))?;
        if stored == self.body { Ok(()) } else { Err(format!("{} is not what was sent last", self.name)) }
    }
}

/// Waits until the folder holds the clients' files and nothing else, and the contender is at rest: neither its costs nor
/// its disturbance must fall on the next one. Returns the CPU time it has used by then.
fn settle(contender: &Contender) -> Result<u64, String> {
    let begun = Instant::now();
    let mut cpu = contender.cpu_micros()?;
    loop {
        thread::sleep(REST);
        let before = std::mem::replace(&mut cpu, contender.cpu_micros()?);
        let left = strangers(&contender.folder)?;
        let busy = cpu - before > AT_REST_MICROS;
        if left == 0 && !busy {
            return Ok(cpu);
        }
        if begun.elapsed() > PATIENCE {
            return Err(if busy {
                "is never at rest".to_owned()
            } else {
                format!("leaves {left} names behind")
            });
        }
    }
}

/// How many names the folder holds that are no client's.
fn strangers(folder: &Path) -> Result<usize, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(entries
        .flatten()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"client-"))
        .count())
}

/// Has the file system write what it still holds back, so that the next contender does not pay for this one.
fn flush(folder: &Path) -> Result<(), String> {
    let synced = fs::File::open(folder).and_then(|open| Ok(rustix::fs::syncfs(&open)?));
    synced.map_err(|error| format!("syncfs: {error}"))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

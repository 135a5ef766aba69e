//! Ordinary requests, and how long each takes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::server::connect;

const ASK: &str = "GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Clients that keep their connections.
const KEEPING: usize = 4;

/// How long each waits between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// What was measured.
pub(crate) struct Measured {
    /// Requests on connections that are kept, and with a connection for each.
    kept: Times,
    new: Times,
}

impl Measured {
    /// As cells of a table.
    pub(crate) fn shown(&self) -> String {
        format!("{} | {}", self.kept.shown(), self.new.shown())
    }

    pub(crate) fn is_as_good_as(&self, other: &Measured) -> bool {
        self.kept.is_as_good_as(&other.kept) && self.new.is_as_good_as(&other.new)
    }

    pub(crate) fn count(&self) -> usize {
        self.kept.0.len() + self.new.0.len()
    }
}

/// Times in microseconds, sorted.
pub(crate) struct Times(Vec<u64>);

impl Times {
    fn percentile(&self, hundredth: usize) -> u64 {
        self.0[(self.0.len() - 1) * hundredth / 100]
    }

    /// Half of them take at most so long, and 99 of a hundred: as cells of a table.
    fn shown(&self) -> String {
        format!("{} µs | {} µs", self.percentile(50), self.percentile(99))
    }

    /// At most twice as slow as `other`, or below a millisecond.
    fn is_as_good_as(&self, other: &Times) -> bool {
        self.percentile(99) <= (2 * other.percentile(99)).max(1000)
    }
}

/// Asks each of `servers` in turn, for so long: whatever else the machine does meanwhile, it does to all of them.
pub(crate) fn measure<const N: usize>(servers: [SocketAddr; N], duration: Duration) -> [Measured; N] {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let keeping: Vec<_> = (0..KEEPING)
            .map(|_| {
                scope.spawn(|| {
                    let mut streams = servers.map(open);
                    repeat::<N>(&stop, |turn| ask(&mut streams[turn]))
                })
            })
            .collect();
        let opening = scope.spawn(|| repeat::<N>(&stop, |turn| ask(&mut open(servers[turn]))));
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        let mut measured =
            opening.join().unwrap().map(|new| Measured { kept: Times(Vec::new()), new: Times(new) });
        for thread in keeping {
            for (of, times) in measured.iter_mut().zip(thread.join().unwrap()) {
                of.kept.0.extend(times);
            }
        }
        for of in &mut measured {
            of.kept.0.sort_unstable();
            of.new.0.sort_unstable();
        }
        measured
    })
}

fn repeat<const N: usize>(stop: &AtomicBool, mut act: impl FnMut(usize)) -> [Vec<u64>; N] {
    let mut times = std::array::from_fn(|_| Vec::new());
    for turn in (0..N).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        act(turn);
        times[turn].push(u64::try_from(began.elapsed().as_micros()).unwrap());
        std::thread::sleep(PAUSE);
    }
    times
}

fn open(to: SocketAddr) -> TcpStream {
    let stream = connect(to, Ipv4Addr::LOCALHOST).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(ASK.as_bytes()).unwrap();
    let (mut answer, mut space) = (Vec::new(), [0; 4096]);
    // The body ends with a word that stands nowhere else.
    while !answer.ends_with(b"end\n") {
        let count = stream.read(&mut space).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&space[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

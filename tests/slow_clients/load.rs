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
    pub(crate) kept: Times,
    pub(crate) new: Times,
}

/// Times in microseconds, sorted.
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn percentile(&self, hundredth: usize) -> u64 {
        self.0[(self.0.len() - 1) * hundredth / 100]
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Half of them take at most so long, and 99 of a hundred: as cells of a table.
    pub(crate) fn shown(&self) -> String {
        format!("{} µs | {} µs", self.percentile(50), self.percentile(99))
    }

    /// At most twice as slow as `before`, or below a millisecond.
    pub(crate) fn is_as_good_as(&self, before: &Times) -> bool {
        self.percentile(99) <= (2 * before.percentile(99)).max(1000)
    }
}

/// Asks for so long.
pub(crate) fn measure(to: SocketAddr, duration: Duration) -> Measured {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let keeping: Vec<_> = (0..KEEPING)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = open(to);
                    repeat(&stop, || ask(&mut stream))
                })
            })
            .collect();
        let opening = scope.spawn(|| repeat(&stop, || ask(&mut open(to))));
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        let mut kept: Vec<u64> = keeping.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let mut new = opening.join().unwrap();
        kept.sort_unstable();
        new.sort_unstable();
        Measured { kept: Times(kept), new: Times(new) }
    })
}

fn repeat(stop: &AtomicBool, mut act: impl FnMut()) -> Vec<u64> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        act();
        times.push(u64::try_from(began.elapsed().as_micros()).unwrap());
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

//! Requests at a fixed rate, and how long each takes. A request is due at a moment that is fixed before the turn begins, and
//! its latency counts from then: a server that stalls is not asked less often for it, and what waits meanwhile counts.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::check::Load;
use crate::contender::Contender;
use crate::http;

/// Answers that come so late after the end of a turn count as they stand then.
const GRACE: Duration = Duration::from_secs(1);

/// A request that is sent so much after it was due, although a connection was free, is late through the generator's fault.
const LATE: Duration = Duration::from_micros(100);

/// The latencies of one turn, in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Answers per second; less than asked for where the server cannot keep up.
    pub(crate) rate: f64,
    /// The part of the requests that the generator of load was late with, in percent.
    pub(crate) late: f64,
}

/// The generator: connections, and requests that wait for one.
struct Generator<'a> {
    port: u16,
    request: Vec<u8>,
    body: usize,
    poll: &'a std::os::fd::OwnedFd,
    connections: Vec<Connection>,
    free: VecDeque<usize>,
    /// When each request that has no connection yet was due.
    waiting: VecDeque<Instant>,
    latencies: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// When the request that is not answered yet was due.
    due: Option<Instant>,
}

/// Asks at the rate for the time, over as many connections as the load has.
pub(crate) fn measure(
    contender: &Contender,
    load: &Load,
    rate: f64,
    time: Duration,
) -> Result<Latencies, String> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| error.to_string())?;
    let body = load.body.ok_or("the length of the answers is not known")?;
    let mut generator = Generator {
        port: contender.port,
        request: load.request.render(contender.port),
        body,
        poll: &poll,
        connections: Vec::new(),
        free: VecDeque::new(),
        waiting: VecDeque::new(),
        latencies: Vec::with_capacity((rate * time.as_secs_f64()) as usize + 1),
    };
    for index in 0..load.connections {
        let stream = generator.connect(index)?;
        generator.connections.push(Connection { stream, received: Vec::new(), due: None });
        generator.free.push_back(index);
    }
    let late = generator.run(rate, time)?;
    Ok(Latencies { late, ..summary(generator.latencies, time) })
}

impl Generator<'_> {
    fn connect(&self, index: usize) -> Result<TcpStream, String> {
        let stream = http::connect(self.port)?;
        let watch = || -> std::io::Result<()> {
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            Ok(epoll::add(self.poll, &stream, data, epoll::EventFlags::IN)?)
        };
        watch().map_err(|error| error.to_string())?;
        Ok(stream)
    }

    /// Returns the part that was late, in percent.
    fn run(&mut self, rate: f64, time: Duration) -> Result<f64, String> {
        let count = (rate * time.as_secs_f64()) as u64;
        let (mut next, mut late) = (0, 0_u64);
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        let begun = Instant::now();
        let due = |number: u64| begun + Duration::from_secs_f64(number as f64 / rate);
        while next < count || (self.is_busy() && begun.elapsed() < time + GRACE) {
            let now = Instant::now();
            while next < count && due(next) <= now {
                if !self.free.is_empty() && now - due(next) > LATE {
                    late += 1;
                }
                self.waiting.push_back(due(next));
                next += 1;
            }
            self.send()?;
            events.clear();
            // It never sleeps: waking up would take longer than many an answer.
            epoll::wait(self.poll, spare_capacity(&mut events), Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
                .map_err(|error| error.to_string())?;
            for event in &events {
                self.receive(event.data.u64() as usize)?;
            }
        }
        let left =
            self.connections.iter().filter_map(|connection| connection.due).chain(self.waiting.drain(..));
        self.latencies.extend(left.map(|due| due.elapsed()));
        Ok(late as f64 / count as f64 * 100.0)
    }

    fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.free.len() < self.connections.len()
    }

    fn send(&mut self) -> Result<(), String> {
        while let (Some(due), Some(index)) = (self.waiting.front().copied(), self.free.front().copied()) {
            self.waiting.pop_front();
            self.free.pop_front();
            self.connections[index].due = Some(due);
            self.ask(index)?;
        }
        Ok(())
    }

    /// Sends the request; where the server has just closed the connection, on a new one.
    fn ask(&mut self, index: usize) -> Result<(), String> {
        match (&self.connections[index].stream).write(&self.request) {
            Ok(count) if count == self.request.len() => Ok(()),
            Ok(_) => Err("a socket took a part of a request".to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.renew(index)
            }
            Err(error) => Err(format!("sending: {error}")),
        }
    }

    /// Servers may close a connection between two answers; what was asked meanwhile is asked again.
    fn renew(&mut self, index: usize) -> Result<(), String> {
        self.connections[index].stream = self.connect(index)?;
        if self.connections[index].due.is_some() {
            let sent = (&self.connections[index].stream).write(&self.request);
            sent.map_err(|error| format!("sending: {error}"))?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> Result<(), String> {
        let mut buffer = [0; 16 << 10];
        let connection = &mut self.connections[index];
        let count = match connection.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(format!("receiving: {error}")),
        };
        if count == 0 {
            return if connection.received.is_empty() {
                self.renew(index)
            } else {
                Err("the connection ended before the answer did".to_owned())
            };
        }
        connection.received.extend_from_slice(&buffer[..count]);
        let Some(head) = memchr::memmem::find(&connection.received, b"\r\n\r\n") else { return Ok(()) };
        if connection.received.len() < head + 4 + self.body {
            return Ok(());
        }
        if !connection.received.starts_with(b"HTTP/1.1 200 ") {
            return Err("an answer was not 200".to_owned());
        }
        connection.received.clear();
        let due = connection.due.take().ok_or("an answer to nothing")?;
        self.latencies.push(due.elapsed());
        self.free.push_back(index);
        Ok(())
    }
}

fn summary(mut latencies: Vec<Duration>, time: Duration) -> Latencies {
    latencies.sort_unstable();
    let at = |part: f64| {
        let index = ((latencies.len() as f64 * part) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    };
    let in_time = latencies.iter().filter(|latency| **latency < GRACE).count();
    Latencies {
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        rate: in_time as f64 / time.as_secs_f64(),
        late: 0.0,
    }
}

//! 10,000 clients that are slow in five ways.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::load::measure;
use crate::server::{Server, address, connect_slow};

/// So many of each way.
const EACH: usize = 2000;

/// They do not all act in the same moment, but in so many groups, one after the other, each once a second.
const TURNS: usize = 1000;
const TURN: Duration = Duration::from_millis(1);

/// From so many addresses.
const SPREAD: usize = 50;

/// How long ordinary requests are measured.
const MEASURED: Duration = Duration::from_secs(20);

/// After so long all must be gone: the body of an upload is given a minute, and what comes of it after the refusal is read for half of
/// one; a connection that had to wait for its place begins later.
const PATIENCE: Duration = Duration::from_secs(120);

/// What somebody does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A byte of a head each second.
    Head,
    /// A byte of a body each second.
    Body,
    /// Asks for a large file and takes nothing of it.
    Reader,
    /// Connects and says nothing.
    Silent,
    /// Half of what a client says first to encrypt its connection.
    Handshake,
}

const WAYS: [Way; 5] = [Way::Head, Way::Body, Way::Reader, Way::Silent, Way::Handshake];

impl Way {
    /// What is sent at once.
    fn opening(self) -> &'static [u8] {
        match self {
            Self::Head => b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
            Self::Body => b"PUT /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
            Self::Reader => b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
            Self::Silent => b"",
            Self::Handshake => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        }
    }

    /// Whether a byte is sent each second.
    fn drips(self) -> bool {
        matches!(self, Self::Head | Self::Body)
    }
}

/// What the clients are told.
const OPEN: u8 = 0;
const LEAVE: u8 = 1;
const STOP: u8 = 2;

/// The clients, as they are seen from outside of their thread.
#[derive(Default)]
struct State {
    told: AtomicU8,
    open: AtomicU64,
    ended: AtomicU64,
}

/// Runs it; whether all is well.
pub(crate) fn run() -> bool {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
    let site = folder.path().join("site");
    // More than the usual number, which may be just below it; all else as it is.
    let plain = Server::start(&site, &["-A", "--max-connections", "15000"]);
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let encrypted = Server::start(&site, &files);
    // Nobody is slow here: what it takes is what the machine does that the clients run on, too.
    let spared = Server::start(&site, &[]);
    let [before] = measure([plain.address], MEASURED);
    let (memory, began) = (plain.memory(), plain.processor_time());
    let state = State::default();
    let ([during, beside], peak, used, left) = std::thread::scope(|scope| {
        scope.spawn(|| attack(&state, plain.address, encrypted.address));
        wait("all are there", Duration::from_secs(60), || {
            state.open.load(Ordering::Relaxed) >= (EACH * WAYS.len()) as u64
        });
        let used = plain.processor_time();
        let measured = measure([plain.address, spared.address], MEASURED);
        let (used, peak) = (plain.processor_time() - used, plain.memory());
        println!("{} connections at the plain server, of {} clients", plain.connections(), EACH * WAYS.len());
        state.told.store(LEAVE, Ordering::Relaxed);
        let left = wait("all are gone", PATIENCE, || {
            plain.connections() == 0 && state.open.load(Ordering::Relaxed) == 0
        });
        state.told.store(STOP, Ordering::Relaxed);
        (measured, peak, used, left)
    });
    let [after] = measure([plain.address], Duration::from_secs(5));
    println!(
        "\n| | kept connection: half within | 99 % within | new connection: half within | 99 % within | memory |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, measured, memory) in [
        ("before", &before, memory),
        ("with 10,000 slow clients", &during, peak),
        ("at the same time, a server without any", &beside, spared.memory()),
        ("afterwards", &after, plain.memory()),
    ] {
        println!("| {name} | {} | {memory} MiB |", measured.shown());
    }
    println!(
        "\n{} requests meanwhile; {} connections were ended by the server and opened anew; processor time {} % of one core; before it had used {began} hundredths of a second",
        during.count(),
        state.ended.load(Ordering::Relaxed),
        used / MEASURED.as_secs(),
    );
    let good = during.is_as_good_as(&beside);
    if !good {
        println!("TOO SLOW: more than twice as long");
    }
    good && left
}

/// The served folder and a certificate.
fn prepare(folder: &Path) {
    let site = folder.join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("small.txt"), format!("{}end\n", "x".repeat(1020))).unwrap();
    std::fs::write(site.join("large.bin"), vec![b'x'; 64 << 20]).unwrap();
    let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.join("crt"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("key"), key.serialize_pem()).unwrap();
}

/// Whether it came about in time.
fn wait(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > patience {
            println!("AFTER {patience:?} it is still not so that {what}");
            return false;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{what} after {:.1} s", began.elapsed().as_secs_f64());
    true
}

/// All clients, until they are told to stop: once a second each does what it does, and opens its connection again if that
/// was ended.
fn attack(state: &State, plain: SocketAddr, encrypted: SocketAddr) {
    let mut clients: Vec<Option<TcpStream>> = (0..EACH * WAYS.len()).map(|_| None).collect();
    for turn in (0..TURNS).cycle() {
        let began = Instant::now();
        if state.told.load(Ordering::Relaxed) == STOP {
            break;
        }
        for (number, client) in
            clients.iter_mut().enumerate().filter(|(number, _)| number / WAYS.len() % TURNS == turn)
        {
            let way = WAYS[number % WAYS.len()];
            if client.as_mut().is_some_and(|stream| !goes_on(way, stream)) {
                *client = None;
                state.open.fetch_sub(1, Ordering::Relaxed);
                state.ended.fetch_add(1, Ordering::Relaxed);
            }
            if client.is_none() && state.told.load(Ordering::Relaxed) == OPEN {
                let to = if way == Way::Handshake { encrypted } else { plain };
                let opened = connect_slow(to, address(number, SPREAD));
                *client = opened.and_then(|mut stream| stream.write_all(way.opening()).map(|()| stream)).ok();
                state.open.fetch_add(u64::from(client.is_some()), Ordering::Relaxed);
            }
        }
        std::thread::sleep(TURN.saturating_sub(began.elapsed()));
    }
}

/// Does what this one does in a second; whether the connection is still there.
fn goes_on(way: Way, stream: &mut TcpStream) -> bool {
    if way.drips() && stream.write(b"x").is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
        return false;
    }
    if way == Way::Reader {
        // Nothing is read, so that only an error tells of the end.
        return stream.take_error().is_ok_and(|error| error.is_none()) && !is_reset(stream);
    }
    match stream.read(&mut [0; 512]) {
        // What the server says at last is followed by the end.
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Whether the other side has gone, which is asked by sending a byte that it will never look at.
fn is_reset(stream: &mut TcpStream) -> bool {
    stream.write(b"x").is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
}

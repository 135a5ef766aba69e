//! A thousand wrong passwords a second, from one address and from many.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;

use crate::load::{Measured, measure};
use crate::server::{Server, address, connect};

const MEASURED: Duration = Duration::from_secs(15);

/// One comes, and then the next.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs it; whether all is well.
pub(crate) fn run() -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.txt"), format!("{}end\n", "x".repeat(1020))).unwrap();
    let account = format!("{}@/:rw", hash());
    let server = Server::start(folder.path(), &["-a", &account, "-a", "@/secret:-"]);
    let spared = Server::start(folder.path(), &[]);
    let mut good = true;
    println!(
        "\n| | kept connection: half within | 99 % within | new connection: half within | 99 % within | memory | answers to the guesses |"
    );
    println!("|---|---|---|---|---|---|---|");
    let password = |number: usize| {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("alice:guess-{number}"));
        format!("Authorization: Basic {both}\r\n")
    };
    let attacks: [(&str, Guess<'_>); 3] = [
        ("1,000 requests a second without a password", &|number| (address(number, 1), String::new())),
        ("1,000 wrong passwords a second from one address", &|number| (address(number, 1), password(number))),
        ("the same from 50,000 addresses", &|number| (address(number, 50_000), password(number))),
    ];
    for (name, guess) in attacks {
        let ([during, beside], answers) = besides([server.address, spared.address], guess);
        let shown: Vec<String> =
            answers.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        println!("| {name} | {} | {} MiB | {} |", during.shown(), server.memory(), shown.join(", "));
        println!(
            "| at the same time, a server without them | {} | {} MiB | |",
            beside.shown(),
            spared.memory()
        );
        good &= during.is_as_good_as(&beside);
    }
    if !good {
        println!("TOO SLOW: more than twice as long");
    }
    good
}

/// What a client does: where it comes from, and a line of its request.
type Guess<'a> = &'a (dyn Fn(usize) -> (Ipv4Addr, String) + Sync);

/// Measures while others guess at the first of the servers; what they are told.
fn besides(servers: [SocketAddr; 2], guess: Guess<'_>) -> ([Measured; 2], BTreeMap<String, u64>) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let guessing = scope.spawn(|| repeat(servers[0], guess, &stop));
        let during = measure(servers, MEASURED);
        stop.store(true, Ordering::Relaxed);
        (during, guessing.join().unwrap())
    })
}

/// An account, as the program makes it.
fn hash() -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ifmatch"))
        .args(["hash-password", "alice"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "wonder").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Guesses until it is told to stop; the statuses of the answers.
fn repeat(to: SocketAddr, guess: Guess<'_>, stop: &AtomicBool) -> BTreeMap<String, u64> {
    let (mut answers, mut waiting) = (BTreeMap::new(), Vec::<TcpStream>::new());
    for number in 0.. {
        let began = Instant::now();
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (from, line) = guess(number);
        let ask = format!("GET /secret/x HTTP/1.1\r\nHost: localhost\r\n{line}Connection: close\r\n\r\n");
        let mut stream = connect(to, from).unwrap();
        stream.write_all(ask.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        waiting.push(stream);
        waiting.retain_mut(|stream| {
            let mut head = [0; 12];
            match stream.read(&mut head) {
                Ok(12) => {
                    *answers.entry(String::from_utf8_lossy(&head[9..]).into_owned()).or_default() += 1;
                    false
                }
                Ok(_) => false,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }
        });
        std::thread::sleep(PAUSE.saturating_sub(began.elapsed()));
    }
    answers
}

//! A thousand wrong passwords a second, from one address and from many.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;

use crate::load::measure;
use crate::server::{Server, address, connect};

const MEASURED: Duration = Duration::from_secs(15);

/// So many come in a hundredth of a second.
const AT_ONCE: usize = 10;

/// Runs it; whether all is well.
pub(crate) fn run() -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.txt"), format!("{}end\n", "x".repeat(1020))).unwrap();
    let account = format!("{}@/:rw", hash());
    let server = Server::start(folder.path(), &["-a", &account, "-a", "@/secret:-"]);
    let mut good = true;
    let before = measure(server.address, MEASURED);
    println!(
        "\n| | kept connection: half within | 99 % within | new connection: half within | 99 % within | memory | answers to the guesses |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!("| before | {} | {} | {} MiB | |", before.kept.shown(), before.new.shown(), server.memory());
    for (name, spread) in
        [("1,000 wrong passwords a second from one address", 1), ("the same from 50,000 addresses", 50_000)]
    {
        let stop = AtomicBool::new(false);
        let (during, answers) = std::thread::scope(|scope| {
            let guessing = scope.spawn(|| guess(server.address, spread, &stop));
            let during = measure(server.address, MEASURED);
            stop.store(true, Ordering::Relaxed);
            (during, guessing.join().unwrap())
        });
        let shown: Vec<String> =
            answers.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        println!(
            "| {name} | {} | {} | {} MiB | {} |",
            during.kept.shown(),
            during.new.shown(),
            server.memory(),
            shown.join(", ")
        );
        good &= during.kept.is_as_good_as(&before.kept) && during.new.is_as_good_as(&before.new);
    }
    if !good {
        println!("TOO SLOW: more than twice as long");
    }
    good
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
fn guess(to: SocketAddr, spread: usize, stop: &AtomicBool) -> BTreeMap<String, u64> {
    let (mut answers, mut waiting) = (BTreeMap::new(), Vec::<TcpStream>::new());
    for round in 0.. {
        let began = Instant::now();
        if stop.load(Ordering::Relaxed) {
            break;
        }
        for number in round * AT_ONCE..(round + 1) * AT_ONCE {
            let both = base64::engine::general_purpose::STANDARD.encode(format!("alice:guess-{number}"));
            let ask = format!(
                "GET /secret/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {both}\r\nConnection: close\r\n\r\n"
            );
            let mut stream = connect(to, address(number, spread)).unwrap();
            stream.write_all(ask.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            waiting.push(stream);
        }
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
        std::thread::sleep(Duration::from_millis(10).saturating_sub(began.elapsed()));
    }
    answers
}

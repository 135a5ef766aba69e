//! HTTPS, HTTP/2 and certificates, asked with curl, openssl and h2load.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;

use crate::harness::server::wait;
use crate::harness::{Client, Folder, Launch, Server, eventually, get, tag_of, version_bytes};

/// Writes a self-signed certificate for `localhost` and its key to the folder, as a pair of files.
pub(crate) fn write_certificate(folder: &Folder, name: &str, until: i32) -> String {
    let since = Duration::from_secs(50 * 365 * 24 * 3600);
    write_certificate_of(folder, name, since, until)
}

/// The same, with the time since the epoch from which it is valid.
fn write_certificate_of(folder: &Folder, name: &str, since: Duration, until: i32) -> String {
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(1970, 1, 1) + since;
    parameters.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    for (end, text) in [("crt", certificate.clone()), ("key", key.serialize_pem())] {
        // Replaced by renaming, as those programs do that renew certificates.
        let (new, file) = (folder.outside("new"), folder.outside(&format!("{name}.{end}")));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, file).unwrap();
    }
    certificate
}

pub(crate) fn launch(name: &str) -> Launch {
    Launch::new().args(["--tls-cert", &format!("{name}.crt"), "--tls-key", &format!("{name}.key")])
}

pub(crate) fn serving(launch: Launch) -> Server {
    let folder = Arc::new(Folder::new());
    write_certificate(&folder, "one", 3000);
    launch.start_in(folder)
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What curl says with these arguments about `target`.
pub(crate) fn curl(server: &Server, target: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    let port = server.address().port();
    command.args(["-sS", "--max-time", "60", "--cacert"]).arg(server.folder().outside("one.crt"));
    command.args(["--connect-to", &format!("localhost:{port}:{}", server.address())]);
    command.args(arguments).arg(format!("https://localhost:{port}{target}"));
    let output = output(&mut command);
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn https_answers_as_http_does_in_both_versions() {
    let server = serving(launch("one").arg("-A"));
    let folder = server.folder();
    for (name, size) in [("small.txt", 100), ("large.bin", 900_000), ("huge.bin", 9 << 20)] {
        folder.write_version(name, 1, size);
    }
    std::thread::sleep(Duration::from_millis(300));
    for (version, told) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for (name, size) in [("small.txt", 100), ("large.bin", 900_000), ("huge.bin", 9 << 20)] {
            let bytes = version_bytes(1, size);
            let kept = folder.outside("kept");
            let about = ["-o", kept.to_str().unwrap(), "-w", "%{http_version} %{http_code} %header{etag}"];
            let tag = tag_of(&bytes);
            let target = format!("/{name}");
            // Twice: the second time it is in memory.
            for _ in 0..2 {
                let said = curl(&server, &target, &[&[version, "-r", "0-"], &about[..]].concat());
                assert_eq!(said, format!("{told} 206 {tag}"), "{name}");
                assert!(std::fs::read(&kept).unwrap() == bytes, "{name} by {version}");
            }
            let field = format!("If-None-Match: {tag}");
            let said = curl(&server, &target, &[&[version, "-H", &field], &about[..]].concat());
            assert_eq!(said, format!("{told} 304 {tag}"));
        }
        let file = folder.outside("upload");
        std::fs::write(&file, version.repeat(100_000)).unwrap();
        let upload = |condition: &str| {
            let file = file.to_str().unwrap();
            curl(
                &server,
                "/up",
                &[version, "-T", file, "-H", condition, "-o", "/dev/null", "-w", "%{http_code}"],
            )
        };
        assert_eq!(upload("If-None-Match: *"), "201");
        assert_eq!(upload("If-None-Match: *"), "412");
        assert_eq!(upload(&format!("If-Match: {}", tag_of(version.repeat(100_000).as_bytes()))), "204");
        assert_eq!(upload("If-Match: \"stale\""), "412");
        let code = ["-X", "DELETE", "-o", "/dev/null", "-w", "%{http_code}"];
        assert_eq!(curl(&server, "/up", &[&[version], &code[..]].concat()), "204");
    }
}

#[test]
fn many_streams_of_one_connection_are_answered() {
    let server = serving(launch("one"));
    server.folder().write_version("file", 1, 50_000);
    let mut h2load = Command::new("h2load");
    h2load.args(["-n", "3000", "-c", "4", "-m", "60", &format!("https://{}/file", server.address())]);
    let said = output(&mut h2load);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("3000 succeeded, 0 failed") && said.contains("3000 2xx"), "{said}");
}

#[test]
fn old_protocols_are_not_spoken_and_a_chain_is_shown() {
    let server = serving(launch("one"));
    let ask = |arguments: &[&str]| {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &server.address().to_string(), "-servername", "localhost"]);
        let said = output(openssl.args(arguments));
        (said.status.success(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let (connected, said) =
            ask(&[version, "-CAfile", server.folder().outside("one.crt").to_str().unwrap()]);
        assert!(connected && said.contains("Verify return code: 0 (ok)"), "{version}\n{said}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let (connected, said) = ask(&[version, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(!connected, "{version}\n{said}");
    }
    let (_, said) = ask(&["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: h2"), "{said}");
}

#[test]
fn a_handshake_has_as_long_as_is_said() {
    let server = serving(launch("one").args(["--tls-timeout", "300ms"]));
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    // Nothing at all, and half of what a client says first.
    let mut half: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in half.iter_mut().skip(10) {
        client.send(hello);
    }
    for client in &mut half {
        client.be_patient(Duration::from_secs(60));
        assert!(client.is_closed());
    }
    server.folder().write("file", "x");
    assert_eq!(curl(&server, "/file", &[]), "x");
}

#[test]
fn who_speaks_plain_http_to_the_port_is_told_so() {
    let server = serving(launch("one"));
    let mut client = server.connect();
    let request = get("/");
    let answer = client.ask(&request).expect(400);
    assert!(String::from_utf8_lossy(&answer.body).contains("HTTPS"), "{answer}");
    // Neither that nor rubbish keeps others from being answered.
    server.connect().send([0xff; 100]);
    server.connect().send([0x16, 3, 1, 0xff, 0xff]);
    server.folder().write("file", "x");
    assert_eq!(curl(&server, "/file", &[]), "x");
}

#[test]
fn clients_are_led_from_the_other_port_to_this_one() {
    let server = serving(launch("one").args(["--redirect-from", "0"]));
    let plain = eventually("the other port is told", || {
        let stdout = server.stdout();
        let told = stdout.lines().find_map(|line| line.trim().strip_suffix("/ leads there"))?;
        Some(told.strip_prefix("http://")?.to_owned())
    });
    let mut client = crate::harness::Client::connect(plain.parse().unwrap());
    let answer = client.ask(&get("/a/b?c=d")).expect(308);
    let wanted = format!("https://localhost:{}/a/b?c=d", server.address().port());
    assert_eq!(answer.field("Location"), Some(wanted.as_str()), "{answer}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_in_a_sentence() {
    let folder = Folder::new();
    write_certificate(&folder, "one", 3000);
    write_certificate(&folder, "two", 3000);
    write_certificate(&folder, "old", 2021);
    write_certificate_of(
        &folder,
        "later",
        Duration::from_secs(530 * 365 * 24 * 3600 + 130 * 24 * 3600),
        3000,
    );
    std::fs::write(folder.outside("garbage"), "garbage").unwrap();
    let [one, two] =
        ["one.crt", "two.crt"].map(|name| std::fs::read_to_string(folder.outside(name)).unwrap());
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("cut.crt", one[..200].to_owned()),
        ("chain-cut.crt", format!("{one}{}", &two[..200])),
        ("wrong-order.crt", format!("{two}{one}")),
        ("chain-garbage.crt", format!("{one}{nonsense}")),
    ] {
        std::fs::write(folder.outside(name), text).unwrap();
    }
    for (certificate, key, words) in [
        ("none", "one.key", ["none", "no such file"]),
        ("one.crt", "none", ["none", "no such file"]),
        ("garbage", "one.key", ["garbage", "no certificate"]),
        ("one.crt", "garbage", ["garbage", "no private key"]),
        ("one.crt", "two.key", ["two.key", "not the key of one.crt"]),
        ("old.crt", "old.key", ["old.crt", "expired at 2021-01-01"]),
        ("one.crt", "/dev/zero", ["/dev/zero", "1 MiB"]),
        ("cut.crt", "one.key", ["cut.crt", "as if it were cut off"]),
        ("chain-cut.crt", "one.key", ["chain-cut.crt", "as if it were cut off"]),
        ("wrong-order.crt", "one.key", ["wrong-order.crt", "not the first in it"]),
        ("chain-garbage.crt", "one.key", ["chain-garbage.crt", "a certificate in it cannot be read"]),
        ("later.crt", "later.key", ["later.crt", "not valid before 2500-"]),
    ] {
        let mut command =
            Launch::new().args(["-p", "0", "--tls-cert", certificate, "--tls-key", key]).command(&folder);
        command.arg(folder.root()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        assert_eq!(wait(&mut child).code(), Some(1), "{certificate} {key}");
        let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }
}

/// The certificate that is shown to new clients, as PEM.
fn shown(server: &Server) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &server.address().to_string(), "-servername", "localhost"]);
    let said = String::from_utf8(output(&mut openssl).stdout).unwrap();
    let from = said.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{said}"));
    let end = "-----END CERTIFICATE-----";
    said[from..=said.find(end).unwrap() + end.len()].replace('\r', "")
}

#[test]
fn a_new_certificate_is_used_and_no_request_fails_meanwhile() {
    let server = serving(launch("one").arg("-v"));
    server.folder().write("file", "x");
    let (first, stop) = (shown(&server), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = 0;
            while !stop.load(Ordering::Relaxed) {
                // Not verified: the certificate is its own authority, and that changes.
                assert_eq!(curl(&server, "/file", &["-k"]), "x");
                answers += 1;
            }
            answers
        });
        let second = write_certificate(server.folder(), "one", 3001);
        eventually("the new certificate is shown", || (shown(&server) == second).then_some(()));
        assert_ne!(first, second);
        // One that cannot be used is reported, and changes nothing.
        std::fs::write(server.folder().outside("one.crt"), "garbage").unwrap();
        eventually("the error is logged", || server.stderr().contains("cannot be used").then_some(()));
        assert_eq!(shown(&server), second);
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_used_once_it_is() {
    let server = serving(launch("one").arg("-v"));
    let first = shown(&server);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let second = write_certificate_of(server.folder(), "one", now + Duration::from_secs(4), 3001);
    eventually("the error is logged", || server.stderr().contains("not valid before").then_some(()));
    assert_eq!(shown(&server), first);
    eventually("the new certificate is shown", || (shown(&server) == second).then_some(()));
    assert_eq!(server.stderr().matches("not valid before").count(), 1, "{}", server.stderr());
}

#[test]
fn certificates_that_change_all_the_time_cost_no_request() {
    let server = serving(launch("one").arg("-v"));
    server.folder().write_version("file", 1, 50_000);
    let url = format!("https://{}/file", server.address());
    let read_again = || server.stderr().matches("the certificate was read again").count();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for year in (3001..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                write_certificate(server.folder(), "one", year);
                // They must hold still for a moment to be read.
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        eventually("new certificates were used thrice", || {
            for protocol in [&[][..], &["--h1"]] {
                let mut h2load = Command::new("h2load");
                h2load.args(["-n", "300", "-c", "30", "-m", "10"]).args(protocol).arg(&url);
                let said = output(&mut h2load);
                let said = String::from_utf8_lossy(&said.stdout);
                let whole = "300 succeeded, 0 failed, 0 errored, 0 timeout";
                if !(said.contains(whole) && said.contains("300 2xx")) {
                    stop.store(true, Ordering::Relaxed);
                    panic!("{said}");
                }
            }
            (read_again() >= 3).then_some(())
        });
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_signal_to_stop_ends_http2_too() {
    let mut server = serving(launch("one"));
    server.folder().write("file", "x");
    assert_eq!(curl(&server, "/file", &["--http2"]), "x");
    // A connection that stays: it asks once, and holds on.
    let mut held = Command::new("openssl")
        .args(["s_client", "-quiet", "-alpn", "h2", "-connect", &server.address().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(
        held.stdin.as_mut().unwrap(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    )
    .unwrap();
    // The server's own settings come back: both sides speak.
    std::io::Read::read_exact(held.stdout.as_mut().unwrap(), &mut [0; 9]).unwrap();
    server.signal(Signal::TERM);
    let status = server.wait();
    assert!(status.success(), "{status:?}");
    wait(&mut held);
}

#[test]
fn a_handshake_that_does_not_go_on_keeps_no_server_from_stopping() {
    let limits = ["--tls-timeout", "1h", "--shutdown-timeout", "1h"];
    let mut server = serving(launch("one").args(limits));
    assert_eq!(curl(&server, "/", &["-o", "/dev/null", "-w", "%{http_code}"]), "200");
    let _silent = std::net::TcpStream::connect(server.address()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn connections_at_the_other_port_count_among_those_of_an_address() {
    use std::io::Read as _;
    let limits = ["--max-connections-per-address", "3", "--head-timeout", "60s"];
    let server = serving(launch("one").args(["--redirect-from", "0"]).args(limits));
    let address: std::net::SocketAddr = eventually("the other port is told", || {
        let stdout = server.stdout();
        let told = stdout.lines().find_map(|line| line.trim().strip_suffix("/ leads there"))?;
        Some(told.strip_prefix("http://")?.parse().unwrap())
    });
    let mut silent: Vec<_> = (0..10).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    eventually("all but three are closed", || {
        silent.retain_mut(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            stream.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        });
        (silent.len() <= 3).then_some(())
    });
    assert_eq!(silent.len(), 3);
    // Whoever leaves makes room again.
    drop(silent);
    eventually("there is room", || {
        let mut client = crate::harness::Client::connect(address);
        client.try_send(get("/").bytes()).ok()?;
        client.try_read(&get("/")).ok()
    });
}

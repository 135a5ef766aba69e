//! The program under test, and connections to it from any address of this machine.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SocketType};

/// A server, which ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Serves `folder` with these options.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ifmatch"))
            .args(["-p", "0", "--index", "off"])
            .args(arguments)
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map(Result::unwrap).find_map(|line| {
            let url = line.trim().strip_prefix("http://").or(line.trim().strip_prefix("https://"))?;
            url.strip_suffix('/')?.parse().ok()
        });
        Server { address: address.expect("the address of the server"), child }
    }

    /// How much memory it has, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    /// How much processor time it has used, in hundredths of a second.
    pub(crate) fn processor_time(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// How many connections it has, by its own count, but for the one that asks.
    pub(crate) fn connections(&self) -> u64 {
        let mut stream = connect(self.address, Ipv4Addr::LOCALHOST).unwrap();
        let ask = "GET /__ifmatch__/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let found = answer.lines().find_map(|line| line.strip_prefix("ifmatch_connections "));
        found.unwrap().parse::<u64>().unwrap() - 1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection from `from`.
pub(crate) fn connect(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::new(from.into(), 0))?;
    rustix::net::connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

/// One with a small buffer for what comes, on which nothing waits.
pub(crate) fn connect_slow(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096)?;
    rustix::net::bind(&socket, &SocketAddr::new(from.into(), 0))?;
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// The address of the `number`th client of 127.0.0.0/8, in `spread` addresses.
pub(crate) fn address(number: usize, spread: usize) -> Ipv4Addr {
    let number = u32::try_from(number % spread).unwrap();
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number)
}

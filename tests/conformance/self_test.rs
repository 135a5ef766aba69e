//! Can every case be missed? Three servers that are wrong on purpose are asked everything. A case that none of them
//! misses proves nothing, and is an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::case::Offer;
use crate::cases;
use crate::options::Options;
use crate::score::ask_all;
use crate::site::Site;

/// A way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Sends and writes every file it is asked for, inside and outside, and knows no precondition, range or coding.
    Naive,
    /// Takes every precondition for one that fails, and every range for one that is to be sent, without its label.
    Stubborn,
    /// Has an error for everything.
    Broken,
}

/// The subcommand `self-test`.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let only = options.get("only").unwrap_or_default();
    let mut missed: BTreeMap<&str, Vec<Wrong>> = cases::all()
        .filter(|(_, case)| case.id.starts_with(only))
        .map(|(_, case)| (case.id, Vec::new()))
        .collect();
    for wrong in [Wrong::Naive, Wrong::Stubborn, Wrong::Broken] {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = folder.path().join("root");
        std::fs::create_dir(&root).map_err(|error| error.to_string())?;
        let address = start(wrong, &root)?;
        // Where a wrong server hangs, it always does.
        let site = Site::new(&format!("http://{address}/"), &root)?.with_patience(Duration::from_secs(3));
        for outcome in ask_all(&site, &Offer::ALL, only) {
            if outcome.miss().is_some() {
                missed.entry(outcome.case.id).or_default().push(wrong);
            }
        }
    }
    let only_broken = missed.values().filter(|by| by.as_slice() == [Wrong::Broken]).count();
    let never: Vec<&str> = missed.iter().filter(|(_, by)| by.is_empty()).map(|(id, _)| *id).collect();
    println!(
        "{} cases: {} missed by a server that answers, {only_broken} by one that has an error for everything only",
        missed.len(),
        missed.len() - only_broken - never.len()
    );
    match never.as_slice() {
        [] => Ok(()),
        never => Err(format!("missed by none of the wrong servers: {}", never.join(", "))),
    }
}

fn start(wrong: Wrong, root: &Path) -> Result<std::net::SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let root = root.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            std::thread::spawn(move || {
                // A client that goes away has seen what it wanted.
                let _ = serve(wrong, &root, stream);
            });
        }
    });
    Ok(address)
}

/// A request, as far as these servers look at it.
#[derive(Default)]
struct Asked {
    method: String,
    target: String,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn serve(wrong: Wrong, root: &Path, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some(asked) = next(&mut input)? {
        match wrong {
            Wrong::Broken => answer(&mut output, "500 Broken", "", b"broken")?,
            _ => respond(wrong, root, &asked, &mut output)?,
        }
        if asked.fields.contains_key("connection") {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads a request, and takes its body for as long as Content-Length says, or for nothing.
fn next(input: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let mut asked = Asked::default();
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let mut words = text.split_whitespace();
    asked.method = words.next().unwrap_or_default().to_owned();
    asked.target = words.next().unwrap_or_default().to_owned();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 || line == b"\r\n" {
            break;
        }
        if let Some((name, value)) = String::from_utf8_lossy(&line).split_once(':') {
            asked.fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length: u64 = asked.fields.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    input.by_ref().take(length).read_to_end(&mut asked.body)?;
    Ok(Some(asked))
}

fn answer(output: &mut TcpStream, status: &str, fields: &str, body: &[u8]) -> std::io::Result<()> {
    write!(output, "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len())?;
    output.write_all(body)
}

fn respond(wrong: Wrong, root: &Path, asked: &Asked, output: &mut TcpStream) -> std::io::Result<()> {
    let has = |name: &str| asked.fields.contains_key(name);
    let path = root.join(decoded(&asked.target).trim_start_matches('/'));
    if wrong == Wrong::Stubborn && asked.method != "OPTIONS" {
        if has("if-match") || has("if-unmodified-since") || (has("if-none-match") && asked.method != "GET") {
            return answer(output, "412 No", "ETag: unquoted\r\n", b"");
        }
        let none = asked.fields.get("if-none-match").is_some_and(|value| !value.contains("\"none\""));
        if none || has("if-modified-since") {
            return answer(output, "304 No", "ETag: unquoted\r\nVary: *\r\n", b"");
        }
    }
    match asked.method.as_str() {
        "PUT" => {
            let written = std::fs::write(&path, if wrong == Wrong::Naive { &asked.body[..] } else { b"?" });
            answer(output, if written.is_ok() { "200 OK" } else { "500 No" }, "ETag: \"put\"\r\n", b"")
        }
        "DELETE" => {
            let deleted = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
            answer(output, if deleted.is_ok() { "200 OK" } else { "500 No" }, "", b"")
        }
        "GET" | "HEAD" | "OPTIONS" => {
            if path.is_dir() {
                list(&path, asked, output)
            } else {
                send(wrong, &path, asked, output)
            }
        }
        _ if wrong == Wrong::Stubborn => answer(output, "405 No", "", b""),
        _ => send(wrong, &path, asked, output),
    }
}

fn list(path: &Path, asked: &Asked, output: &mut TcpStream) -> std::io::Result<()> {
    if !asked.target.ends_with('/') {
        let location = format!("Location: {}/\r\n", decoded(&asked.target));
        return answer(output, "301 There", &location, b"");
    }
    let mut page = String::new();
    for entry in std::fs::read_dir(path)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        page.push_str(&format!("<a href=\"{name}\">{name}</a>\n"));
    }
    answer(output, "200 OK", "Content-Type: text/html\r\n", page.as_bytes())
}

/// Sends a file piece by piece, whatever becomes of it meanwhile.
fn send(wrong: Wrong, path: &PathBuf, asked: &Asked, output: &mut TcpStream) -> std::io::Result<()> {
    let Ok(mut file) = File::open(path) else { return answer(output, "404 No", "", b"no") };
    let metadata = file.metadata()?;
    let length = if metadata.is_file() { metadata.len() } else { 1 << 20 };
    let modified = std::os::unix::fs::MetadataExt::mtime(&metadata);
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    let tag = match wrong {
        Wrong::Naive => format!("\"{modified}-{length}-{inode}\""),
        _ => "unquoted".to_owned(),
    };
    let date = httpdate::fmt_http_date(metadata.modified()?.max(std::time::UNIX_EPOCH));
    let mut sibling = path.clone().into_os_string();
    sibling.push(".gz");
    if wrong == Wrong::Stubborn
        && asked.fields.contains_key("accept-encoding")
        && Path::new(&sibling).exists()
    {
        return answer(output, "200 OK", "Content-Encoding: gzip\r\n", &std::fs::read(sibling)?);
    }
    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    let partial = wrong == Wrong::Stubborn && asked.fields.contains_key("range");
    let status = if partial { "206 Part" } else { "200 OK" };
    let mut fields =
        format!("ETag: {tag}\r\nLast-Modified: {date}\r\nDate: {now}\r\nContent-Length: {length}\r\n");
    if asked.fields.contains_key("accept-encoding") {
        fields.push_str("Content-Encoding: gzip\r\n");
    }
    write!(output, "HTTP/1.1 {status}\r\n{fields}\r\n")?;
    let mut left = length;
    let mut piece = vec![0; 1 << 16];
    while left > 0 {
        piece.fill(b' ');
        let wanted = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let _ = file.read(&mut piece[..wanted])?;
        output.write_all(&piece[..wanted])?;
        left -= wanted as u64;
    }
    Ok(())
}

/// The target without its percent signs, and without asking what came out.
fn decoded(target: &str) -> String {
    percent_encoding::percent_decode_str(target).decode_utf8_lossy().replace('\\', "/")
}

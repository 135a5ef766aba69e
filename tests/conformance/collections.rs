//! A go-between for litmus, which begins by making a folder with MKCOL and cannot do without. It makes and deletes
//! folders itself; every other request it hands on, and every answer back, byte for byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::wire::find;

/// The subcommand `collections`: tells its port and works until it is ended.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let folder = options.path("folder")?;
    let url = options.need("url")?.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    println!("{}", listener.local_addr().map_err(|error| error.to_string())?.port());
    for client in listener.incoming().flatten() {
        let (url, folder) = (url.clone(), folder.clone());
        std::thread::spawn(move || {
            // Whoever goes away in the middle has its reasons.
            let _ = serve(client, &url, &folder);
        });
    }
    Ok(())
}

/// One connection, one request: the answers tell that it closes.
fn serve(mut client: TcpStream, url: &str, folder: &Path) -> std::io::Result<()> {
    let mut unread = Vec::new();
    let end = loop {
        if let Some(at) = find(&unread, b"\r\n\r\n") {
            break at + 4;
        }
        let mut some = [0; 4096];
        let count = client.read(&mut some)?;
        if count == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&some[..count]);
    };
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let answer = match method {
        "MKCOL" => Some(make(&folder_of(folder, target))),
        "DELETE" if target.ends_with('/') => Some(delete(&folder_of(folder, target))),
        _ => None,
    };
    match answer {
        Some(status) => {
            write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            client.shutdown(Shutdown::Write)
        }
        None => hand_on(client, url, &unread),
    }
}

fn folder_of(folder: &Path, target: &str) -> PathBuf {
    folder.join(target.trim_matches('/'))
}

fn make(path: &Path) -> &'static str {
    match std::fs::create_dir(path) {
        Ok(()) => "201 Created",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "409 Conflict",
        Err(_) => "405 Method Not Allowed",
    }
}

fn delete(path: &Path) -> &'static str {
    if std::fs::remove_dir_all(path).is_ok() { "204 No Content" } else { "404 Not Found" }
}

/// The request gets `Connection: close`, so that each is looked at; nothing else is changed.
fn hand_on(mut client: TcpStream, url: &str, begun: &[u8]) -> std::io::Result<()> {
    let mut server = TcpStream::connect(url)?;
    let line = find(begun, b"\r\n").map_or(0, |at| at + 2);
    server.write_all(&begun[..line])?;
    server.write_all(b"Connection: close\r\n")?;
    server.write_all(&begun[line..])?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upwards = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)?;
    let _ = upwards.join();
    Ok(())
}

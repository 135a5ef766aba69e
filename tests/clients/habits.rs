//! What clients do by themselves, against a server that gives no occasion for it as ours does not: `docs/412.md` warns of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use crate::harness::Folder;
use crate::harness::folder::set_modified_seconds;
use crate::programs::{command, need};

/// A server that answers the next request with 200, a date, and a body of three bytes. Returns the URL of a file.
fn answers_once(date: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let request = BufReader::new(connection.try_clone().unwrap());
        request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
        let head = format!(
            "HTTP/1.1 200 OK\r\nLast-Modified: {date}\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        );
        // A client that is not interested may have gone already.
        let _ = connection.write_all(format!("{head}new").as_bytes());
    });
    url
}

#[test]
fn curl_and_wget_throw_away_a_200_whose_date_is_not_newer() {
    need("curl", "curl");
    need("wget", "wget");
    let folder = Folder::new();
    let copy = folder.outside("file");
    for (date, expected) in
        [("Sun, 09 Sep 2001 01:46:40 GMT", "old"), ("Sun, 09 Sep 2001 01:46:41 GMT", "new")]
    {
        for (program, arguments) in
            [("curl", vec!["-sS", "-z", "file", "-o", "file"]), ("wget", vec!["-q", "-N"])]
        {
            fs::write(&copy, "old").unwrap();
            set_modified_seconds(&copy, 1_000_000_000);
            let status = command(&folder, program).args(arguments).arg(answers_once(date)).status().unwrap();
            assert!(status.success(), "{program}: {status}");
            assert_eq!(fs::read_to_string(&copy).unwrap(), expected, "{program}, {date}");
        }
    }
}

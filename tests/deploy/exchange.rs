//! Requests to servers that are not ours, whose answers need not keep our rules, and requests in parts.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Broken, Client, Ending, Request, Response};

/// How long to wait for what may never come.
pub(crate) const A_WHILE: Duration = Duration::from_secs(6);

/// Sends a request on a connection of its own, and reads the answer.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, request: &Request) -> Response {
    let request = request.clone().field("Connection", "close");
    let mut client = Client::connect(address);
    client.send(request.bytes());
    read(&mut client, &request)
}

/// Reads the answer to a request that said it is the last on its connection.
#[track_caller]
pub(crate) fn read(client: &mut Client, request: &Request) -> Response {
    let mut response = match client.try_read_head(request) {
        Ok(response) => response,
        Err(broken) => panic!("no answer ({broken:?}) to\n{}", request.shown()),
    };
    read_rest(client, &mut response);
    response
}

/// Reads the body behind a head.
pub(crate) fn read_rest(client: &mut Client, response: &mut Response) {
    let bodiless = response.method == "HEAD" || matches!(response.status, 204 | 304);
    let told: Option<usize> = response.field("Content-Length").and_then(|length| length.parse().ok());
    match told {
        _ if bodiless => {}
        // Who refuses an upload reads on for a while; there is no end to wait for.
        Some(length) => client.read_some(response, length),
        None => response.body = client.read_to_end(),
    }
    if response.lists("Transfer-Encoding", "chunked") {
        response.body = unchunked(&response.body);
    }
    let whole = bodiless || told.is_none_or(|length| length == response.body.len());
    response.ending = if whole { Ending::Complete } else { Ending::Cut };
}

fn unchunked(mut coded: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = coded.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&coded[..end]).unwrap(), 16).unwrap();
        let data = &coded[end + 2..];
        let taken = size.min(data.len());
        body.extend_from_slice(&data[..taken]);
        coded = data.get(taken + 2..).unwrap_or_default();
    }
    body
}

/// A request of whose body a part was sent.
pub(crate) struct Part {
    client: Client,
    request: Request,
    rest: Vec<u8>,
}

impl Part {
    /// Sends the head and most of the body. With `Expect`, which makes servers look at the head first, it waits
    /// until the body is wanted.
    #[track_caller]
    pub(crate) fn begin(address: SocketAddr, request: Request) -> Result<Part, Response> {
        let request = request.field("Expect", "100-continue").field("Connection", "close");
        let head = request.clone().only_head().bytes();
        let body = request.bytes()[head.len()..].to_vec();
        let mut client = Client::connect(address);
        client.send(head);
        match client.next_head(&request) {
            Ok(interim) if interim.status == 100 => {}
            Ok(mut refusal) => {
                read_rest(&mut client, &mut refusal);
                return Err(refusal);
            }
            Err(broken) => panic!("neither 100 nor an answer: {broken:?}"),
        }
        let (first, rest) = body.split_at(body.len() - body.len() / 10);
        client.send(first);
        Ok(Part { client, request, rest: rest.to_vec() })
    }

    /// Sends the rest and reads the answer.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Response {
        // A refusal may have come meanwhile, and the connection be closed.
        let _ = self.client.try_send(&self.rest);
        read(&mut self.client, &self.request)
    }
}

/// Sends a request and its body little by little, as long as the server takes it, while it waits for the answer. Returns
/// that, if one came, and how much of the body had been sent by then.
pub(crate) fn ask_slowly(address: SocketAddr, request: &Request) -> (Option<Response>, usize) {
    let request = request.clone().field("Connection", "close");
    let head = request.clone().only_head().bytes();
    let body = request.bytes()[head.len()..].to_vec();
    let mut client = Client::connect(address);
    client.send(&head);
    let mut sender = client.sender();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let sending = std::thread::spawn(move || {
        for part in body.chunks(64 << 10) {
            if sender.write_all(part).is_err() {
                return;
            }
            counted.fetch_add(part.len(), Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(4));
        }
    });
    let answer = client.try_read_head(&request);
    let sent = sent.load(Ordering::SeqCst);
    let answer = match answer {
        Ok(mut response) => {
            read_rest(&mut client, &mut response);
            Some(response)
        }
        Err(Broken::Closed | Broken::Silent) => None,
        Err(Broken::Malformed(what)) => panic!("{what}"),
    };
    drop(client);
    sending.join().unwrap();
    (answer, sent)
}

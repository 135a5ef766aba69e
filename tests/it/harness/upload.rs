//! An upload in two halves, with time in between in which something happens.

use super::client::Client;
use super::request::Request;
use super::response::Response;
use super::server::Server;

/// An upload whose head was accepted and of whose body one half was sent.
#[derive(Debug)]
pub(crate) struct Upload {
    client: Client,
    question: Request,
    rest: Vec<u8>,
}

impl Upload {
    /// Sends the head, waits until the server wants the body, and sends one half of that.
    #[track_caller]
    pub(crate) fn begin(server: &Server, question: Request) -> Upload {
        Upload::begin_over(server.connect(), question)
    }

    /// The same over a connection that is there already.
    #[track_caller]
    pub(crate) fn begin_over(mut client: Client, question: Request) -> Upload {
        let question = question.field("Expect", "100-continue");
        let head = question.clone().only_head().bytes();
        let body = question.bytes()[head.len()..].to_vec();
        client.send(head);
        match client.next_head(&question) {
            Ok(interim) => drop(interim.expect(100)),
            Err(broken) => panic!("{broken:?}"),
        }
        let (first, rest) = body.split_at(body.len() / 2);
        client.send(first);
        Upload { client, question, rest: rest.to_vec() }
    }

    /// Sends the other half and reads the answer.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Response {
        self.client.send(&self.rest);
        self.client.read(&self.question)
    }
}

//! A client that keeps what it was sent, as browsers do: it asks with the tag, and counts the bytes that it is sent again.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::exchange::ask;
use crate::harness::get;
use crate::proxies::HOST;

/// The client, and its copies by target.
#[derive(Default)]
pub(crate) struct Reader {
    kept: HashMap<String, (String, Vec<u8>)>,
}

impl Reader {
    /// Looks at one file: returns its bytes, and how many of them were downloaded.
    #[track_caller]
    pub(crate) fn look(&mut self, address: SocketAddr, target: &str) -> (Vec<u8>, usize) {
        let mut request = get(target).host(HOST);
        if let Some((tag, _)) = self.kept.get(target) {
            request = request.field("If-None-Match", tag);
        }
        let response = ask(address, &request);
        match response.status {
            304 => (self.kept[target].1.clone(), response.body.len()),
            200 => {
                let copy = (response.tag(), response.body.clone());
                self.kept.insert(target.to_owned(), copy);
                (response.body.clone(), response.body.len())
            }
            _ => panic!("{response}"),
        }
    }
}

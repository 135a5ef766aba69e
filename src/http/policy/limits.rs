//! How long a client may take for what it does, and how much it may ask for.

use std::num::NonZeroU32;
use std::time::Duration;

/// How many bytes are read from a connection at a time.
pub(in crate::http) const READ: usize = 4096;

/// What a client may take and ask for, at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until a head has come, from its first byte or, if it is the first one, from the beginning of the connection.
    pub head: Duration,
    /// How much a head may be, in bytes: between [`SMALLEST_HEAD`] and [`LARGEST_HEAD`].
    pub head_size: usize,
    /// In which nothing of the body of an upload comes.
    pub body: Duration,
    /// In which nothing of an answer is taken.
    pub send: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Until a connection is encrypted.
    pub handshake: Duration,
    /// For answers that are on their way when the server is to stop.
    pub shutdown: Duration,
    /// How many connections there may be; `usize::MAX` is as many as there is room for.
    pub connections: usize,
    /// How many of them one address may have; of IPv6, one network of 64 bits. A part of them, if nothing is said.
    pub connections_per_address: Option<usize>,
    /// How many files may be open for answers of HTTP/2, besides one a connection.
    pub more_files: usize,
    /// How often one address may ask.
    pub rate: Option<Rate>,
}

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub requests: NonZeroU32,
    /// In so much time.
    pub period: Duration,
}

/// What fits into the buffer that heads are read into first.
pub const SMALLEST_HEAD: usize = READ;

/// What actix-http (3.20) keeps of a head before it refuses it.
pub const LARGEST_HEAD: usize = 128 * 1024;

/// What one address may have in any case: a browser opens six, some proxies dozens.
const FEW: usize = 64;

impl Limits {
    /// How many connections one address may have.
    pub(in crate::http) fn of_address(&self) -> usize {
        self.connections_per_address.unwrap_or(self.connections.div_ceil(4).max(FEW))
    }

    /// How long nothing may move on an HTTP/2 connection while a request on it is being answered: a digest is computed, or the client
    /// pauses.
    pub(crate) fn of_answers(&self) -> Duration {
        self.idle.max(self.send).max(self.body)
    }

    /// What is allowed where nothing else is said: no limit on the number of connections and requests.
    pub const DEFAULT: Self = Self {
        head: Duration::from_secs(10),
        head_size: LARGEST_HEAD,
        body: Duration::from_secs(30),
        send: Duration::from_secs(60),
        idle: Duration::from_secs(75),
        handshake: Duration::from_secs(10),
        shutdown: Duration::from_secs(30),
        connections: usize::MAX,
        connections_per_address: Some(usize::MAX),
        more_files: usize::MAX,
        rate: None,
    };
}

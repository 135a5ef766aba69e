//! Answers the requests of an HTTP/2 connection. h2 speaks the protocol and keeps its limits; an application answers. actix-http
//! (3.20) has a dispatcher of its own, which sets no limit on streams and on unpacked heads.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;

use actix_http::error::DispatchError;
use actix_http::{HttpMessage as _, Request, Response};
use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, Version};
use actix_web::web::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Http2Stream;
use crate::http::{self, Streams};

/// What answers a request.
pub(in crate::server) type Application = Rc<dyn Fn(Request) -> Answering>;

/// A request that is being answered.
pub(in crate::server) type Answering = Pin<Box<dyn Future<Output = Response<BoxBody>>>>;

/// How much of a body may come before anybody reads it: of one request, and of all on a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;

/// How much of a body is handed to h2 at a time.
const PIECE: usize = 16 * 1024;

/// How much of a body h2 keeps until the client takes it. A client that opens its windows wide and reads nothing makes h2 keep
/// that much for each request.
const SEND_BUFFER: usize = 4 * PIECE;

/// Fields that mean nothing in HTTP/2 (RFC 9113 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Why an answer did not arrive whole.
#[derive(Debug)]
enum Cut {
    /// The client, or the connection, has gone.
    ByClient(h2::Error),
    /// The body ended in an error.
    ByBody(Box<dyn std::error::Error>),
}

impl From<h2::Error> for Cut {
    fn from(error: h2::Error) -> Self {
        Self::ByClient(error)
    }
}

/// Answers the requests on `stream` until it ends. Once the server is to stop, the client is told so (GOAWAY), and what it has
/// asked before is answered.
///
/// # Errors
/// The connection, or what the client makes of the protocol.
pub(in crate::server) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: Http2Stream<S>,
    application: Application,
    peer: Option<SocketAddr>,
    stopped: impl Future<Output = ()>,
) -> Result<(), DispatchError> {
    let (streams, limits) = (stream.streams(), stream.limits());
    let largest_head = u32::try_from(limits.head_size).unwrap_or(u32::MAX);
    let handshake = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(Streams::LIMIT)
        .max_header_list_size(largest_head)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake(stream);
    let handshake = tokio::time::timeout(limits.head, handshake).await;
    let mut connection = handshake.map_err(|_| DispatchError::SlowRequestTimeout)??;
    let (mut stopped, mut is_stopping) = (pin!(stopped), false);
    loop {
        let accepted = poll_fn(|context| {
            if !is_stopping && stopped.as_mut().poll(context).is_ready() {
                is_stopping = true;
                connection.graceful_shutdown();
            }
            connection.poll_accept(context)
        });
        let Some(accepted) = accepted.await else { return Ok(()) };
        let (request, respond) = accepted?;
        let request = to_actix(request, peer, &streams);
        let is_head = *request.method() == Method::HEAD;
        let answering = application(request);
        actix_web::rt::spawn(async move {
            match answer(answering.await, respond, is_head).await {
                Ok(()) => {}
                Err(Cut::ByClient(error)) => log::debug!("an answer was not taken: {error}"),
                Err(Cut::ByBody(error)) => log::debug!("an answer was cut off: {error}"),
            }
        });
    }
}

fn to_actix(request: http02::Request<RecvStream>, peer: Option<SocketAddr>, streams: &Streams) -> Request {
    let (parts, body) = request.into_parts();
    let payload = if body.is_end_stream() { Payload::None } else { Payload::from(body) };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    (head.uri, head.method, head.version) = (parts.uri, parts.method, Version::HTTP_2);
    (head.headers, head.peer_addr) = (parts.headers.into(), peer);
    request.extensions_mut().insert(streams.clone());
    request
}

/// Sends an answer, as fast as the client takes it.
async fn answer(
    response: Response<BoxBody>,
    mut respond: SendResponse<Bytes>,
    is_head: bool,
) -> Result<(), Cut> {
    let (head, mut body) = (head_of(&response), response.into_body());
    let is_whole = is_head || matches!(body.size(), BodySize::None | BodySize::Sized(0));
    let mut stream = respond.send_response(head, is_whole)?;
    if is_whole {
        return Ok(());
    }
    while let Some(piece) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
        match piece {
            Ok(piece) => send(&mut stream, piece).await?,
            Err(error) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Err(Cut::ByBody(error));
            }
        }
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

async fn send(stream: &mut SendStream<Bytes>, mut piece: Bytes) -> Result<(), h2::Error> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len().min(PIECE));
        let granted = poll_fn(|context| stream.poll_capacity(context)).await;
        let granted = granted.unwrap_or_else(|| Err(Reason::CANCEL.into()))?;
        stream.send_data(piece.split_to(piece.len().min(granted)), false)?;
    }
    Ok(())
}

/// The head of an answer, as HTTP/2 has it.
fn head_of(response: &Response<BoxBody>) -> http02::Response<()> {
    let mut head = http02::Response::new(());
    *head.status_mut() = response.status();
    let fields = head.headers_mut();
    for (name, value) in response.headers() {
        if !OF_CONNECTIONS.contains(name) && *name != header::CONTENT_LENGTH {
            fields.append(name, value.clone());
        }
    }
    if let BodySize::Sized(length) = response.body().size() {
        fields.insert(header::CONTENT_LENGTH, length.into());
    }
    if !fields.contains_key(header::DATE)
        && let Some(date) = http::date()
    {
        fields.insert(header::DATE, date);
    }
    head
}

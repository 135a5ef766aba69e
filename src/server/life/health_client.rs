//! `ifmatch health`: asks a running server how it is, for containers that have nothing else to ask with.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::config::{Endpoint, HealthTarget};

/// How long connecting may take, and each wait for bytes.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(4);

/// More than a health document has.
const LARGEST: u64 = 64 * 1024;

/// Why a server does not count as well.
#[derive(Debug)]
pub struct ProbeError {
    address: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// Nobody is there, or the connection breaks.
    Connection(io::Error),
    /// What came is not what ifmatch answers.
    Stranger,
    /// It says itself that it is not well.
    Unwell(u16),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match &self.why {
            Why::Connection(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                    f.write_str("nobody listens there")
                }
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => f.write_str("no answer in time"),
                _ => write!(f, "no answer: {error}"),
            },
            Why::Stranger => {
                f.write_str("what answers there is not ifmatch, or does not tell its health there")
            }
            Why::Unwell(status) => write!(f, "not well ({status}): the served folder is not there"),
        }
    }
}

impl std::error::Error for ProbeError {}

/// Asks once. The line says that the server is well.
///
/// # Errors
/// [`ProbeError`], a sentence.
pub fn probe(target: &HealthTarget) -> Result<String, ProbeError> {
    let address = match &target.endpoint {
        endpoint @ Endpoint::Socket(_) => endpoint.to_string(),
        endpoint => format!("{endpoint}{}", target.path),
    };
    match ask_in_time(target).map_err(Why::Connection).and_then(|answer| judge(&answer)) {
        Ok(version) => Ok(format!("{address}: well (ifmatch {version})")),
        Err(why) => Err(ProbeError { address, why }),
    }
}

/// Asks on a thread, which is not waited for any longer than that.
fn ask_in_time(target: &HealthTarget) -> io::Result<Vec<u8>> {
    let (sender, answer) = mpsc::channel();
    let target = target.clone();
    // Nobody may be there any more to take it.
    std::thread::Builder::new().spawn(move || sender.send(ask(&target)).ok())?;
    answer.recv_timeout(LONGEST).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn ask(HealthTarget { endpoint, path }: &HealthTarget) -> io::Result<Vec<u8>> {
    match endpoint {
        Endpoint::Plain(address) => exchange(connect(address)?, &address.to_string(), path),
        Endpoint::Encrypted(address) => {
            let session = session(address).map_err(io::Error::other)?;
            exchange(StreamOwned::new(session, connect(address)?), &address.to_string(), path)
        }
        Endpoint::Socket(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream, "localhost", path)
        }
    }
}

fn connect(address: &SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One request, and all that comes until the server ends the connection.
fn exchange(mut stream: impl Read + Write, host: &str, path: &str) -> io::Result<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(LARGEST).read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        // However it ended: whether all has come shows when it is read.
        _ => Ok(answer),
    }
}

/// The version of the server that gave this answer, if it is well.
fn judge(answer: &[u8]) -> Result<String, Why> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(end)) = head.parse(answer) else { return Err(Why::Stranger) };
    let document: serde_json::Value = serde_json::from_slice(&answer[end..]).map_err(|_| Why::Stranger)?;
    match (head.code, document["ok"].as_bool(), document["version"].as_str()) {
        (Some(200), Some(true), Some(version)) if version.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(version.to_owned())
        }
        (Some(status), Some(false), Some(_)) => Err(Why::Unwell(status)),
        _ => Err(Why::Stranger),
    }
}

/// A session with whoever answers at `address`.
fn session(address: &SocketAddr) -> Result<ClientConnection, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Anybody { provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::from(address.ip()))
}

/// Takes any certificate. Nothing is confided to the server, and the question is whether it answers: with the certificate that
/// it has, which after a bad new file is the one of before.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

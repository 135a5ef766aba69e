//! `ifmatch health`: asks a running server how it is, for containers that have nothing else to ask with.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::tls::{TlsError, certificate};
use crate::config::HealthTarget;

/// How long connecting may take, and each wait for bytes.
const PATIENCE: Duration = Duration::from_secs(2);

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
    /// The certificate that the server should have cannot be read.
    Certificate(TlsError),
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
                io::ErrorKind::ConnectionRefused => f.write_str("nobody listens there"),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => f.write_str("no answer in time"),
                _ => write!(f, "no answer: {error}"),
            },
            Why::Certificate(error) => error.fmt(f),
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
    let scheme = if target.certificate.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}{}", target.address, target.path);
    match ask(target).and_then(|answer| judge(&answer)) {
        Ok(version) => Ok(format!("{address}: well (ifmatch {version})")),
        Err(why) => Err(ProbeError { address, why }),
    }
}

fn ask(target: &HealthTarget) -> Result<Vec<u8>, Why> {
    let connect = || {
        let stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    let stream = connect().map_err(Why::Connection)?;
    let answer = match &target.certificate {
        None => exchange(stream, target),
        Some(file) => {
            let session = session(file, target)?;
            exchange(StreamOwned::new(session, stream), target)
        }
    };
    answer.map_err(Why::Connection)
}

/// One request, and all that comes until the server ends the connection.
fn exchange(mut stream: impl Read + Write, target: &HealthTarget) -> io::Result<Vec<u8>> {
    let HealthTarget { address, path, .. } = target;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
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
        (Some(200), Some(true), Some(version)) => Ok(version.to_owned()),
        (Some(status), Some(false), Some(_)) => Err(Why::Unwell(status)),
        _ => Err(Why::Stranger),
    }
}

/// A session with the holder of the certificate in `file`.
fn session(file: &Path, target: &HealthTarget) -> Result<ClientConnection, Why> {
    let expected = certificate(file).map_err(Why::Certificate)?;
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Only { expected, provider: Arc::clone(&provider) });
    let failed = |error: Error| Why::Connection(io::Error::other(error));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::from(target.address.ip())).map_err(failed)
}

/// Believes one certificate, whoever has signed it, whatever names it has: the one in the file that the server reads too.
#[derive(Debug)]
struct Only {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match *end_entity == self.expected {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::General("its certificate is not the one in the file".to_owned())),
        }
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

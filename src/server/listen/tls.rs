//! Certificates: read at start, where a bad one is an error, and again when their files change, where a bad one is
//! reported and the one before goes on being used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::rustls::{InconsistentKeys, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::config::TlsFiles;
use crate::root::{WatchedFile, shown};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long the files must hold still before they are read again: both are replaced one after the other.
const SETTLE: Duration = Duration::from_millis(200);

/// What is offered to clients, in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a certificate cannot be used.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    why: String,
    hope: Hope,
}

/// Whether time alone makes it usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hope {
    None,
    /// It is not valid yet, or cannot be read at the moment.
    Later,
}

/// The certificate in use.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

/// The two files.
struct Files {
    certificate: WatchedFile,
    key: WatchedFile,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.file), self.why)
    }
}

impl std::error::Error for TlsError {}

impl TlsError {
    fn new(file: &Path, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), why: why.into(), hope: Hope::None }
    }
}

/// A certificate that can be used, and where it came from.
pub(in crate::server) struct Certificates {
    files: Files,
    current: Arc<Current>,
    config: ServerConfig,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`], a sentence that names the file.
    pub(in crate::server) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut files = Files {
            certificate: WatchedFile::new(files.certificate.clone()),
            key: WatchedFile::new(files.key.clone()),
        };
        files.have_changed();
        let current = Arc::new(Current(RwLock::new(Arc::new(files.load()?))));
        let config = configure(&files, &current)?;
        Ok(Self { files, current, config })
    }

    /// What makes an encrypted connection of a plain one. The files are watched from now on, by a thread that ends with
    /// the process.
    pub(in crate::server) fn acceptor(self) -> TlsAcceptor {
        let Self { files, current, config } = self;
        let watching = std::thread::Builder::new().name("certificates".to_owned());
        if let Err(error) = watching.spawn(move || watch(files, &current)) {
            log::warn!("certificates are not read again when they change: {error}");
        }
        TlsAcceptor::from(Arc::new(config))
    }
}

fn configure(files: &Files, current: &Arc<Current>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new(files.certificate.path(), error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(current) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn watch(mut files: Files, current: &Current) {
    let mut hope = Hope::None;
    loop {
        std::thread::sleep(LOOK);
        let has_changed = files.have_changed();
        if !has_changed && hope == Hope::None {
            continue;
        }
        let mut moves = has_changed;
        while moves {
            std::thread::sleep(SETTLE);
            moves = files.have_changed();
        }
        let was_told = !has_changed;
        hope = Hope::None;
        match files.load() {
            Ok(key) => {
                *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                log::info!("the certificate was read again: {}", shown(files.certificate.path()));
            }
            Err(error) => {
                hope = error.hope;
                if !(was_told && hope == Hope::Later) {
                    log::error!(
                        "the new certificate cannot be used, and the one before stays in use: {error}"
                    );
                }
            }
        }
    }
}

impl Files {
    fn have_changed(&mut self) -> bool {
        let certificate = self.certificate.has_changed();
        self.key.has_changed() || certificate
    }

    fn load(&self) -> Result<CertifiedKey, TlsError> {
        let (certificate, key) = (self.certificate.path(), self.key.path());
        let chain = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::new(certificate, not_pem(&error)))?;
        if chain.is_empty() {
            return Err(TlsError::new(certificate, "there is no certificate in it (BEGIN CERTIFICATE)"));
        }
        let parsed = chain.iter().map(parse).collect::<Result<Vec<_>, _>>();
        let parsed = parsed.map_err(|why| TlsError::new(certificate, why))?;
        check_dates(&parsed[0])
            .map_err(|(why, hope)| TlsError { hope, ..TlsError::new(certificate, why) })?;
        let secret = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|_| {
            TlsError::new(key, "there is no private key in it that is not encrypted (BEGIN PRIVATE KEY)")
        })?;
        let signing = ring::sign::any_supported_type(&secret).map_err(|_| {
            TlsError::new(
                key,
                "the private key is of a kind that is not supported; RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, and Ed25519 are",
            )
        })?;
        match fits(&chain[..1], &signing) {
            Fit::Yes => Ok(CertifiedKey::new(chain, signing)),
            Fit::Unusable(why) => {
                Err(TlsError::new(certificate, format!("the certificate cannot be used: {why}")))
            }
            Fit::No if chain.iter().any(|other| fits(slice::from_ref(other), &signing) == Fit::Yes) => {
                Err(TlsError::new(
                    certificate,
                    "the certificate of the key is not the first in it; the chain stands behind it",
                ))
            }
            Fit::No => Err(TlsError::new(key, format!("it is not the key of {}", shown(certificate)))),
        }
    }
}

/// Whether a certificate is that of a key.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Unusable(String),
}

fn fits(certificate: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Fit {
    use tokio_rustls::rustls::Error;
    match CertifiedKey::new(certificate.to_vec(), Arc::clone(key)).keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Fit::Yes,
        Err(Error::InconsistentKeys(_)) => Fit::No,
        Err(error) => Fit::Unusable(error.to_string()),
    }
}

fn not_pem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it ends within a certificate, as if it were cut off",
        _ => "it is not in PEM form",
    }
}

fn read(file: &WatchedFile) -> Result<Vec<u8>, TlsError> {
    file.read().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => TlsError::new(file.path(), "there is no such file"),
        io::ErrorKind::PermissionDenied => TlsError::new(file.path(), "the server's user may not read it"),
        // That may pass: no descriptor is free, the disk has trouble.
        _ => TlsError {
            hope: Hope::Later,
            ..TlsError::new(file.path(), format!("it cannot be read: {error}"))
        },
    })
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, String> {
    Certificate::from_der(certificate).map_err(|error| format!("a certificate in it cannot be read: {error}"))
}

/// A certificate that clients would refuse is refused here.
fn check_dates(leaf: &Certificate) -> Result<(), (String, Hope)> {
    let (validity, now) = (leaf.tbs_certificate().validity(), SystemTime::now());
    if validity.not_after.to_system_time() < now {
        return Err((format!("the certificate expired at {}", validity.not_after), Hope::None));
    }
    if validity.not_before.to_system_time() > now {
        return Err((format!("the certificate is not valid before {}", validity.not_before), Hope::Later));
    }
    Ok(())
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

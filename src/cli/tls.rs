//! The flags about encrypted connections.

use std::path::PathBuf;

use clap::Args;

use super::UsageError;
use crate::config::TlsFiles;

#[derive(Debug, Args)]
#[command(next_help_heading = "HTTPS")]
pub(super) struct TlsArgs {
    /// Speak HTTPS with this certificate (PEM)
    ///
    /// Its chain stands behind it in the file. HTTP/2 and HTTP/1.1 are spoken. The file is read again when it changes.
    #[arg(long, value_name = "FILE", env = "IFMATCH_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", env = "IFMATCH_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Send http:// clients of this port to HTTPS
    #[arg(hide_short_help = true, long, value_name = "PORT", env = "IFMATCH_REDIRECT_FROM", value_parser = super::port)]
    redirect_from: Option<u16>,
}

impl TlsArgs {
    pub(super) fn key(&self) -> Option<PathBuf> {
        self.tls_key.clone()
    }

    /// One of them may come from the command line and another from a file: what belongs together is known only now.
    pub(super) fn lower(self) -> Result<(Option<TlsFiles>, Option<u16>), UsageError> {
        let needs = |flag: &str, other: &str| Err(UsageError(format!("{flag} needs {other}")));
        let files = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (Some(_), None) => return needs("--tls-cert", "--tls-key, the private key of the certificate"),
            (None, Some(_)) => return needs("--tls-key", "--tls-cert, the certificate whose key it is"),
            (None, None) if self.redirect_from.is_some() => {
                return needs(
                    "--redirect-from",
                    "--tls-cert and --tls-key: it sends clients to the HTTPS port",
                );
            }
            (None, None) => None,
        };
        Ok((files, self.redirect_from))
    }
}

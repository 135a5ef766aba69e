//! The flags about encrypted connections.

use std::path::PathBuf;

use clap::Args;

use crate::config::TlsFiles;

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Speak HTTPS (HTTP/2 and HTTP/1.1) with this certificate: a PEM file, the chain behind it; read again when it changes
    #[arg(long, value_name = "FILE", env = "IFMATCH_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate: a PEM file, not encrypted
    #[arg(long, value_name = "FILE", env = "IFMATCH_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Send clients that come to this port by http:// to the HTTPS port
    #[arg(long, value_name = "PORT", env = "IFMATCH_REDIRECT_FROM", value_parser = super::port, requires = "tls_cert")]
    redirect_from: Option<u16>,
}

impl TlsArgs {
    pub(super) fn lower(self) -> (Option<TlsFiles>, Option<u16>) {
        let files = self.tls_cert.zip(self.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
        (files, self.redirect_from)
    }
}

//! The flags about header fields.

use clap::Args;
use clap::builder::FalseyValueParser;

use super::UsageError;
use super::file::Rule;
use crate::http::policy::cors::Origins;
use crate::http::policy::header_rules::{self, Extra, Fingerprints, HeaderRules};

#[derive(Debug, Args)]
#[command(next_help_heading = "Header fields")]
pub(super) struct HeaderArgs {
    /// Cache-Control for files
    #[arg(long, value_name = "VALUE", default_value = "no-cache", env = "IFMATCH_CACHE_CONTROL")]
    cache_control: String,
    /// Files named like app.3f2a9c1b.js never change
    ///
    /// Browsers need not ask for a file with a fingerprint in its name again. It is never said of what may be written.
    #[arg(long, env = "IFMATCH_IMMUTABLE", value_parser = FalseyValueParser::new())]
    immutable: bool,
    /// Send "NAME: VALUE" with every answer
    ///
    /// It may be given several times, also with one name.
    #[arg(long, value_name = "FIELD", value_delimiter = '\n', env = "IFMATCH_HEADER")]
    header: Vec<String>,
    /// Send fields with which browsers make a site safer
    #[arg(hide_short_help = true, long, env = "IFMATCH_SECURITY_HEADERS", value_parser = FalseyValueParser::new())]
    security_headers: bool,
    /// Let web pages of another origin read answers
    ///
    /// Pages of an origin that is named (https://app.example) may also write; it may be given several times. Without a name pages of
    /// any origin may read.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', env = "IFMATCH_CORS")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    cors: Vec<String>,
}

impl HeaderArgs {
    /// Resolves the flags, and adds `rules`. Where connections are `encrypted`, browsers may be told to stay with that.
    pub(super) fn lower(self, encrypted: bool, rules: Vec<Rule>) -> Result<HeaderRules, UsageError> {
        let failed = |flag: &str, why: &dyn std::fmt::Display| UsageError(format!("{flag}: {why}"));
        let mut fields = Vec::new();
        if self.security_headers {
            fields = header_rules::security();
            if encrypted {
                fields.push(header_rules::strict_transport_security());
            }
        }
        let lines = self.header.iter().filter(|text| !text.trim().is_empty());
        let own: Result<Vec<_>, _> = lines.map(|line| header_rules::field_line(line)).collect();
        header_rules::set(&mut fields, &own.map_err(|why| failed("--header", &why))?);
        let common = Extra {
            cache_control: header_rules::cache_control(&self.cache_control)
                .map_err(|why| failed("--cache-control", &why))?,
            fields,
            origins: Origins::parse(self.cors.iter().map(String::as_str))
                .map_err(|why| failed("--cors", &why))?,
            ..Extra::default()
        };
        let fingerprints = if self.immutable { Fingerprints::Immutable } else { Fingerprints::Ignored };
        let rules = rules.into_iter().flat_map(|rule| rule.headers).collect();
        Ok(HeaderRules::new(common, rules, fingerprints))
    }
}

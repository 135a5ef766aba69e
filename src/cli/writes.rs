//! The flags about writing.

use std::net::IpAddr;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::{UsageError, size};
use crate::access::{Access, Right};
use crate::http::{Hosts, UploadTrust};
use crate::write::{
    DEFAULT_MAX_UPLOADS, Deletes, Durability, LARGEST_MAX_UPLOADS, Replay, Unconditional, Uploads,
    WriteOptions,
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Writing")]
pub(super) struct WriteArgs {
    /// Allow PUT: create and replace files
    #[arg(long, env = "IFMATCH_ALLOW_UPLOAD", value_parser = FalseyValueParser::new())]
    allow_upload: bool,
    /// Allow DELETE
    #[arg(long, env = "IFMATCH_ALLOW_DELETE", value_parser = FalseyValueParser::new())]
    allow_delete: bool,
    /// Allow PUT and DELETE
    #[arg(short = 'A', long, env = "IFMATCH_ALLOW_ALL", value_parser = FalseyValueParser::new())]
    allow_all: bool,
    /// PUT creates files but replaces none
    #[arg(long, env = "IFMATCH_CREATE_ONLY", value_parser = FalseyValueParser::new())]
    create_only: bool,
    /// Writes must name the version they replace
    ///
    /// Files are replaced and deleted only for requests that name a version; others are answered with 428.
    #[arg(long, env = "IFMATCH_REQUIRE_PRECONDITIONS", value_parser = FalseyValueParser::new())]
    require_preconditions: bool,
    /// Let an upload whose answer was lost succeed again, if its bytes are there already
    #[arg(hide_short_help = true, long, env = "IFMATCH_IF_MATCH_REPLAY", value_parser = FalseyValueParser::new())]
    if_match_replay: bool,
    /// What is on disk when a write is answered
    /// [default: full]
    #[arg(hide_short_help = true, long, value_enum, value_name = "WHAT", env = "IFMATCH_DURABILITY")]
    durability: Option<DurabilityArg>,
    /// The largest upload: 512K, 100M, 2G
    ///
    /// Without a letter it is a number of bytes; without the option there is no limit.
    #[arg(hide_short_help = true, long, value_name = "SIZE", env = "IFMATCH_MAX_UPLOAD_SIZE", value_parser = size)]
    max_upload_size: Option<u64>,
    /// How many uploads may be under way at once; more are refused (503)
    /// [default: 256]
    ///
    /// One address and one account may have a quarter of them each, and all clients without an account half of them, where there are
    /// accounts.
    #[arg(hide_short_help = true, long, value_name = "NUMBER", env = "IFMATCH_MAX_UPLOADS", value_parser = uploads)]
    max_uploads: Option<usize>,
    /// Allow writing although anybody who can reach the address may
    #[arg(hide_short_help = true, long, env = "IFMATCH_INSECURE_WRITES", value_parser = FalseyValueParser::new())]
    insecure_writes: bool,
    /// Let pages run that others have uploaded: without it browsers save them
    #[arg(hide_short_help = true, long, env = "IFMATCH_TRUST_UPLOADS", value_parser = FalseyValueParser::new())]
    trust_uploads: bool,
    /// A name besides localhost under which a server on this machine answers (behind a proxy); may be given several times
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = "IFMATCH_ALLOW_HOST"
    )]
    allow_host: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum DurabilityArg {
    /// The bytes and the name
    #[default]
    Full,
    /// The bytes
    File,
    /// Nothing: a power failure can leave an empty file
    None,
}

impl WriteArgs {
    /// Resolves the flags, for a server that listens at `interfaces`.
    pub(super) fn lower(
        self,
        interfaces: &[IpAddr],
        access: &Access,
    ) -> Result<(WriteOptions, UploadTrust, Hosts), UsageError> {
        let trust = if self.trust_uploads { UploadTrust::All } else { UploadTrust::Editors };
        let options = WriteOptions {
            uploads: match (self.allow_upload || self.allow_all, self.create_only) {
                (false, _) => Uploads::Refused,
                (true, true) => Uploads::CreateOnly,
                (true, false) => Uploads::Allowed,
            },
            deletes: if self.allow_delete || self.allow_all { Deletes::Allowed } else { Deletes::Refused },
            unconditional: if self.require_preconditions {
                Unconditional::Refused
            } else {
                Unconditional::Allowed
            },
            replay: if self.if_match_replay { Replay::Succeeds } else { Replay::Fails },
            durability: match self.durability.unwrap_or_default() {
                DurabilityArg::Full => Durability::Full,
                DurabilityArg::File => Durability::File,
                DurabilityArg::None => Durability::None,
            },
            limit: self.max_upload_size,
            at_once: self.max_uploads.unwrap_or(DEFAULT_MAX_UPLOADS),
        };
        self.refuse_what_has_no_effect(&options)?;
        let open = interfaces.iter().find(|address| !address.to_canonical().is_loopback());
        match open {
            Some(address)
                if options.allow_writes()
                    && access.gives_everybody(Right::Write)
                    && !self.insecure_writes =>
            {
                Err(UsageError(format!(
                    "writing is allowed and --bind {address} can be reached from other machines, so that anybody there could \
                 change the folder; give accounts with --auth, bind to 127.0.0.1 (behind a proxy that authenticates), or say --insecure-writes"
                )))
            }
            Some(_) => Ok((options, trust, Hosts::Any)),
            None => Ok((options, trust, Hosts::Loopback(self.allow_host))),
        }
    }

    /// An option about writing that is not allowed was meant to have an effect.
    fn refuse_what_has_no_effect(&self, options: &WriteOptions) -> Result<(), UsageError> {
        const PUT: &str = "says how PUT works; allow it with --allow-upload";
        const ANY: &str =
            "says how files are written; allow that with --allow-upload, --allow-delete or --allow-all";
        const TRUST: &str = "lets uploaded pages run; allow uploads with --allow-upload";
        let no_put = options.uploads == Uploads::Refused;
        let nothing = !options.allow_writes();
        let idle = [
            (self.create_only && no_put, "--create-only", PUT),
            (self.max_upload_size.is_some() && no_put, "--max-upload-size", PUT),
            (self.max_uploads.is_some() && no_put, "--max-uploads", PUT),
            (self.if_match_replay && no_put, "--if-match-replay", PUT),
            (self.trust_uploads && no_put, "--trust-uploads", TRUST),
            (self.require_preconditions && nothing, "--require-preconditions", ANY),
            (self.durability.is_some() && nothing, "--durability", ANY),
            (self.insecure_writes && nothing, "--insecure-writes", ANY),
        ];
        match idle.into_iter().find(|(is_idle, ..)| *is_idle) {
            Some((_, option, why)) => Err(UsageError(format!("{option} {why}"))),
            None => Ok(()),
        }
    }
}

fn uploads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=LARGEST_MAX_UPLOADS).contains(number));
    number.ok_or_else(|| format!("it is a number from 1 to {LARGEST_MAX_UPLOADS}"))
}

//! `ifmatch etag`: the tags that the server would send, made by the same reading.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{EtagHash, UsageError};
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{OpenError, Root, SymlinkPolicy, shown};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::settle::{Settled, settle};

/// Files whose tags are wanted.
pub struct TagRequest {
    files: Vec<PathBuf>,
    algorithm: DigestAlgorithm,
}

#[derive(Debug, Args)]
pub(super) struct EtagArgs {
    /// The hash behind the tags; the same as the server's
    #[arg(long, value_enum, default_value_t, env = "IFMATCH_ETAG_HASH")]
    etag_hash: EtagHash,
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl EtagArgs {
    pub(super) fn lower(self) -> TagRequest {
        TagRequest { files: self.files, algorithm: self.etag_hash.into() }
    }
}

impl TagRequest {
    /// A line for each file: the tag, or what is wrong. With several files the line names the file.
    /// Made by the same reading as the server's.
    pub fn lines(&self) -> impl Iterator<Item = Result<String, UsageError>> + '_ {
        let several = self.files.len() > 1;
        self.files.iter().map(move |file| {
            let tag = tag_of(file, self.algorithm)?;
            Ok(if several { format!("{tag}  {}", shown(file)) } else { tag })
        })
    }
}

fn tag_of(file: &Path, algorithm: DigestAlgorithm) -> Result<String, UsageError> {
    let failed = |why: &str| UsageError(format!("no tag for {}: {why}", shown(file)));
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().and_then(|name| name.to_str());
    let path = name.and_then(|name| ResourcePath::ROOT.child(name, Dotfiles::Served));
    let path = path.ok_or_else(|| failed("no request could name this file"))?;
    let root = Root::open(parent, SymlinkPolicy::All).map_err(|error| failed(&error.to_string()))?;
    match settle(algorithm, |opened| root.filesystem(&path, opened), |_, _| None, || root.open_file(&path)) {
        Ok(Settled::Certain(reading)) => Ok(reading.digest.entity_tag().to_string()),
        Ok(Settled::Fleeting(_) | Settled::Busy) => {
            Err(failed("it is being written or was changed just now; try again in two seconds"))
        }
        Err(OpenError::Missing) if root.has(&path) => Err(failed("it is not a regular file")),
        Err(OpenError::Missing) => Err(failed("there is no such file")),
        Err(OpenError::Forbidden) => Err(failed("it may not be read")),
        Err(OpenError::Io(errno)) => Err(failed(&format!("it cannot be read: {errno}"))),
        Err(OpenError::Busy | OpenError::Overloaded | OpenError::RootGone) => {
            Err(failed("it cannot be read at the moment; try again"))
        }
    }
}

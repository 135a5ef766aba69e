//! Who is measured: a server that is running already, or the bare sequence inside this process. What a contender costs is
//! measured elsewhere.

use std::path::PathBuf;

use crate::bare::Bare;
use crate::http::{Client, Condition};
use crate::process;

/// Something that replaces files.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) durability: Durability,
    /// Holds the files that are replaced, and nothing else.
    pub(crate) folder: PathBuf,
    means: Means,
}

/// What is on disk for certain once a PUT has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The bytes and the name.
    Full,
    /// The bytes.
    File,
    /// Nothing.
    None,
}

enum Means {
    Bare,
    Http { port: u16, process: u32, condition: Condition },
}

/// Replaces one file, again and again.
pub(crate) trait Writer: Send {
    /// Replaces the file with `body` and returns once that is acknowledged; anything but success is an error.
    fn put(&mut self, body: &[u8]) -> Result<(), String>;
}

impl Contender {
    /// Reads `KIND,NAME,DURABILITY,PORT,PROCESS,FOLDER`; the bare sequence has no use for port and process.
    pub(crate) fn parse(spec: &str) -> Result<Contender, String> {
        let fields: Vec<&str> = spec.splitn(6, ',').collect();
        let [kind, name, durability, port, process, folder] = fields[..] else {
            return Err(format!("not a contender: {spec}"));
        };
        let durability = match durability {
            "full" => Durability::Full,
            "file" => Durability::File,
            "none" => Durability::None,
            other => return Err(format!("not a durability: {other}")),
        };
        let http = |condition| {
            Ok(Means::Http { port: crate::number(port)?, process: crate::number(process)?, condition })
        };
        let means = match kind {
            "bare" => Ok(Means::Bare),
            "put" => http(Condition::Unconditional),
            "if-match" => http(Condition::IfMatch),
            other => Err(format!("not a kind of contender: {other}")),
        };
        Ok(Contender { name: name.to_owned(), durability, folder: folder.into(), means: means? })
    }

    /// A writer for the file `name` in the contender's folder.
    pub(crate) fn writer(&self, name: &str) -> Result<Box<dyn Writer>, String> {
        Ok(match self.means {
            Means::Bare => Box::new(Bare::open(&self.folder, name, self.durability)?),
            Means::Http { port, condition, .. } => Box::new(Client::connect(port, name, condition)?),
        })
    }

    /// CPU time that the contender has used so far.
    pub(crate) fn cpu_micros(&self) -> Result<u64, String> {
        process::cpu_micros(match self.means {
            Means::Bare => std::process::id(),
            Means::Http { process, .. } => process,
        })
    }
}

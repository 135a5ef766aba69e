//! What the scripts have decided, as `NAME=VALUE` words. Options and their defaults are the scripts'; here all that is
//! needed has to be there.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of a run.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// How many times each contender has its turn.
    pub(crate) rounds: usize,
    /// The length of a turn.
    pub(crate) time: Duration,
    /// The names of the cases; all of them if empty.
    pub(crate) only: Vec<String>,
    /// Requests per second for the latency; if there is none, it comes from what nginx can do.
    pub(crate) rate: Option<f64>,
    /// The folder that is served.
    pub(crate) folder: PathBuf,
    /// The script that makes wrk tell what it has counted.
    pub(crate) script: PathBuf,
    /// The Markdown file for the tables.
    pub(crate) output: PathBuf,
    /// A file with lines about machine and servers.
    pub(crate) about: PathBuf,
    /// For `scaling`: the numbers of files in a tree.
    pub(crate) trees: Vec<usize>,
}

impl Settings {
    /// Takes the settings from the start of `words`; the rest are contenders.
    pub(crate) fn parse<'w>(words: &[&'w str]) -> Result<(Settings, Vec<&'w str>), String> {
        let mut settings = Settings::default();
        let mut rest = Vec::new();
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => settings.set(name, value)?,
                None => rest.push(*word),
            }
        }
        Ok((settings, rest))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let list = || value.split(',').filter(|part| !part.is_empty());
        match name {
            "rounds" => self.rounds = crate::number(value)?,
            "seconds" => self.time = Duration::from_secs(crate::number(value)?),
            "only" => self.only = list().map(str::to_owned).collect(),
            "rate" if value.is_empty() => self.rate = None,
            "rate" => self.rate = Some(crate::number(value)?),
            "folder" => self.folder = value.into(),
            "script" => self.script = value.into(),
            "output" => self.output = value.into(),
            "about" => self.about = value.into(),
            "trees" => self.trees = list().map(crate::number).collect::<Result<_, _>>()?,
            other => return Err(format!("not a setting: {other}")),
        }
        Ok(())
    }
}

//! The configuration file: the long names of the flags as keys of TOML, and rules for some of the files. What a value means is not
//! known here: it becomes an argument, and is understood like one that was typed.

mod rule;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::UsageError;
use crate::root::{WatchedFile, shown};
pub(super) use rule::{Rule, RuleRight};

/// The table that is no flag.
const RULE: &str = "rule";

/// What a name must have in common with a known one to be taken for a slip.
const ALIKE: f64 = 0.7;

/// Which keys there are.
const OTHERS: &str = "; the keys are the long names of the options in --help, and [[rule]]";

/// All that a file says.
pub(super) struct ConfigFile {
    /// Looked at before it was read.
    pub(super) file: WatchedFile,
    pub(super) settings: Vec<Setting>,
    pub(super) rules: Vec<Rule>,
}

/// One key with its value.
pub(super) struct Setting {
    /// The long name of the flag.
    pub(super) name: String,
    /// The name by which clap knows the flag.
    pub(super) id: String,
    /// The arguments that say the same; none for a switch that is off.
    pub(super) arguments: Vec<OsString>,
    /// Where it stands, as the beginning of a sentence.
    pub(super) place: String,
}

/// Where something in the file stands.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, offset: usize) -> String {
        let line = self.text[..offset.min(self.text.len())].matches('\n').count() + 1;
        format!("{}, line {line}", self.name)
    }

    fn error(&self, offset: usize, why: impl std::fmt::Display) -> UsageError {
        UsageError(format!("{}: {why}", self.place(offset)))
    }
}

impl ConfigFile {
    /// Reads `path`. `flags` has every flag that may be set.
    ///
    /// # Errors
    /// A sentence that names the file and the line.
    pub(super) fn read(path: &Path, flags: &Command) -> Result<Self, UsageError> {
        let file = WatchedFile::looked_at(path.to_owned());
        let name = shown(path).to_string();
        let bytes = file
            .read()
            .map_err(|error| UsageError(format!("--config {name}: {}", super::access::reason(&error))))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| UsageError(format!("--config {name}: it is not text in UTF-8")))?;
        let source = Source { name: &name, text: &text };
        let table = DeTable::parse(&text).map_err(|error| {
            source.error(error.span().map_or(0, |span| span.start), error.message().replace('\n', ", "))
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut found = Self { file, settings: Vec::new(), rules: Vec::new() };
        for (key, value) in table.get_ref() {
            if key.get_ref() == RULE {
                found.rules = rule::parse_all(source, value)?;
            } else {
                found.settings.push(setting(source, flags, folder, key, value)?);
            }
        }
        Ok(found)
    }
}

fn setting(
    source: Source<'_>,
    flags: &Command,
    folder: &Path,
    key: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Setting, UsageError> {
    let (name, at) = (key.get_ref().as_ref(), key.span().start);
    let known = flags.get_arguments().find(|flag| key_of(flag) == Some(name));
    let Some(flag) = known else {
        let known = flags.get_arguments().filter_map(key_of).chain([RULE]);
        return Err(source.error(at, unknown(name, known, OTHERS)));
    };
    let failed = |why: &str| source.error(at, format!("{name} {why}"));
    let named = |arguments| Setting {
        name: name.to_owned(),
        id: flag.get_id().to_string(),
        arguments,
        place: source.place(at),
    };
    let texts = match (value.get_ref(), flag.get_action()) {
        (DeValue::Boolean(on), ArgAction::SetTrue) => {
            let switch = OsString::from(format!("--{name}"));
            let arguments = on.then_some(switch).into_iter().collect();
            return Ok(named(arguments));
        }
        (_, ArgAction::SetTrue) => return Err(failed("is a switch: write true or false")),
        (DeValue::Integer(count), ArgAction::Count) => {
            let count = decimal(count).parse::<u8>().map_err(|_| failed("is a number: 1, 2 or 3"))?;
            let switch = OsString::from(format!("--{name}"));
            let arguments = std::iter::repeat_n(switch, count.into()).collect();
            return Ok(named(arguments));
        }
        (_, ArgAction::Count) => return Err(failed("is a number: 1, 2 or 3")),
        (DeValue::Array(values), ArgAction::Append) => {
            values.iter().map(|value| text_of(value.get_ref())).collect::<Option<Vec<_>>>()
        }
        (DeValue::Array(_), _) => return Err(failed("has one value: write it without brackets")),
        (value, _) => text_of(value).map(|text| vec![text]),
    };
    let texts = texts.ok_or_else(|| failed("has a value of text, a whole number, or a list of them"))?;
    if is_path(flag) && texts.iter().any(String::is_empty) {
        return Err(failed("is empty: write a path, or leave the line out"));
    }
    let argument = |text: String| {
        let value = if is_path(flag) { folder.join(text).into_os_string() } else { text.into() };
        if flag.is_positional() {
            return value;
        }
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        argument
    };
    let arguments = texts.into_iter().map(argument).collect();
    Ok(named(arguments))
}

/// Under which name a flag stands in the file; `None` for what cannot be there.
fn key_of(flag: &Arg) -> Option<&str> {
    match flag.get_long() {
        Some("config" | "help" | "version") => None,
        Some(long) => Some(long),
        None => Some(flag.get_id().as_str()),
    }
}

/// Paths are those of the folder in which the file is.
fn is_path(flag: &Arg) -> bool {
    flag.get_value_parser().type_id() == ValueParser::path_buf().type_id()
        || flag.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>()
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(decimal(number)),
        _ => None,
    }
}

/// A number may be written in other ways, `0x1F90`.
fn decimal(number: &DeInteger<'_>) -> String {
    let digits = number.as_str().replace('_', "");
    i128::from_str_radix(&digits, number.radix()).map_or(digits, |number| number.to_string())
}

/// What is wrong with a key that nobody knows; `keys` says which there are.
fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>, keys: &str) -> String {
    let spelled = key.replace('_', "-");
    let likeness = |name: &str| if name == spelled { 1.0 } else { strsim::jaro_winkler(name, &spelled) };
    let nearest = known.map(|name| (likeness(name), name)).max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest.filter(|(likeness, _)| *likeness >= ALIKE) {
        Some((_, name)) => format!("there is no key {key:?}; did you mean {name:?}?"),
        None => format!("there is no key {key:?}{keys}"),
    }
}

//! From arguments, environment and configuration file to [`Cli`]: a flag counts more than a variable, and that more than the
//! file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, Command, CommandFactory as _, FromArgMatches as _};

use super::file::{ConfigFile, Rule, Setting};
use super::{Cli, ServeArgs, UsageError, hints};
use crate::config::Settings;
use crate::root::{WatchedFile, shown};

/// The command that takes all flags of the server.
const CHECK: &str = "check";

/// Why there is nothing to do.
pub enum Refused {
    /// Something is wrong with the command line, or it asks for help.
    CommandLine(clap::Error),
    /// Something is wrong with what was asked for.
    Usage(UsageError),
    /// The same where the health of a server was asked for.
    Unwell(UsageError),
}

impl From<UsageError> for Refused {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(error)
    }
}

/// An error about an option that comes from the file says where it stands; of one that comes from the environment it names the
/// variable.
pub(super) fn placed(settings: &Settings, error: UsageError) -> UsageError {
    let error = UsageError(settings.by_variables(&error.0));
    let name = error.0.strip_prefix("--").and_then(|text| text.split([':', ' ']).next());
    match name.and_then(|name| settings.place(name)) {
        Some(place) => UsageError(format!("{place}: {error}")),
        None => error,
    }
}

/// Understands `arguments`, of which the first is the program, with the environment and the file they name.
pub(super) fn resolve(arguments: &[OsString]) -> Result<Cli, Refused> {
    let command = if is_brief(arguments) { brief(Cli::command()) } else { Cli::command() };
    let matches = command.try_get_matches_from(arguments).map_err(|error| refused(error, arguments))?;
    let Some((serving, config)) = served(&matches) else {
        return Ok(Cli::from_arg_matches(&matches)?);
    };
    let flags = ServeArgs::augment_args(Command::new("ifmatch"));
    let Some(path) = config else {
        return finish(&flags, &matches, None, Vec::new(), Vec::new());
    };
    let read = ConfigFile::read(&path, &flags).map_err(|error| {
        let settings = settings(&flags, serving, Vec::new());
        UsageError(settings.by_variables(&error.0))
    });
    let ConfigFile { file, settings, rules } = read?;
    let said: Vec<&str> =
        flags.get_arguments().map(|flag| flag.get_id().as_str()).filter(|id| says(serving, id)).collect();
    let counts = |setting: &Setting| {
        !is_set(serving, &setting.id) && !said.iter().any(|id| contradict(id, &setting.id))
    };
    let settings: Vec<Setting> = settings.into_iter().filter(counts).collect();
    for setting in &settings {
        try_alone(&flags, setting)?;
    }
    let places: Vec<_> =
        settings.iter().map(|setting| (setting.name.clone(), setting.place.clone())).collect();
    let options = usize::from(matches.subcommand_name() == Some(CHECK)) + 1;
    let (before, after) = arguments.split_at(options.min(arguments.len()));
    let (root, named): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.id == "root");
    let values = |settings: Vec<Setting>| settings.into_iter().flat_map(|setting| setting.arguments);
    let all = before.iter().cloned().chain(values(named)).chain(after.iter().cloned()).chain(values(root));
    let matches = Cli::command()
        .try_get_matches_from(all)
        .map_err(|error| UsageError(format!("{}: {}", shown(&path), sentence(&error))))?;
    finish(&flags, &matches, Some(file), rules, places)
}

/// Whether the short help is asked for.
fn is_brief(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "-h")
}

/// The same command, whose help is a line for each option.
fn brief(command: Command) -> Command {
    command
        .mut_args(|option| {
            let takes_values = option.get_action().takes_values();
            option.hide_env(true).hide_possible_values(takes_values)
        })
        .mut_subcommands(|command| if command.get_name() == "help" { command } else { brief(command) })
}

/// Finds better words for what clap refuses: a hint, or the variable that is wrong.
fn refused(error: clap::Error, arguments: &[OsString]) -> Refused {
    let program = Cli::command();
    let commands: Vec<_> = program.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let better =
        hints::instead_of(&error, arguments, &commands).or_else(|| about_variable(&error, arguments));
    better.map_or(Refused::CommandLine(error), |words| UsageError(words).into())
}

/// What is wrong with the value of a variable, if that is what `error` is about.
fn about_variable(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    use clap::error::{ContextKind, ErrorKind::*};
    if !matches!(error.kind(), InvalidValue | ValueValidation | WrongNumberOfValues | TooManyValues) {
        return None;
    }
    let named = error.get(ContextKind::InvalidArg)?.to_string();
    let mut known = Cli::command();
    // Only then options know how they are written.
    known.build();
    let commands = std::iter::once(&known).chain(known.get_subcommands());
    let option = commands.flat_map(Command::get_arguments).find(|option| option.to_string() == named)?;
    let (id, variable) = (option.get_id().clone(), option.get_env()?.to_owned());
    std::env::var_os(&variable)?;
    let forget = |command: Command| {
        let has = command.get_arguments().any(|option| *option.get_id() == id);
        if has { command.mut_arg(&id, |option| option.env(None::<&'static str>)) } else { command }
    };
    let is_typed = forget(Cli::command())
        .mut_subcommands(forget)
        .try_get_matches_from(arguments)
        .is_err_and(|error| error.get(ContextKind::InvalidArg).is_some_and(|it| it.to_string() == named));
    let said = format!("{} in the environment", variable.display());
    (!is_typed).then(|| sentence(error).replace(&format!("'{named}'"), &said))
}

fn finish(
    flags: &Command,
    matches: &ArgMatches,
    file: Option<WatchedFile>,
    rules: Vec<Rule>,
    places: Vec<(String, String)>,
) -> Result<Cli, Refused> {
    let mut cli = Cli::from_arg_matches(matches)?;
    if let (Some((serving, _)), Some(serve)) = (served(matches), cli.serve_args()) {
        serve.settings = settings(flags, serving, places);
        serve.rules = rules;
        serve.config_file = file;
    }
    Ok(cli)
}

/// The flags of the server, if they are asked for, and the file.
fn served(matches: &ArgMatches) -> Option<(&ArgMatches, Option<PathBuf>)> {
    let serving = match matches.subcommand() {
        None => matches,
        Some((CHECK, check)) => check,
        Some(_) => return None,
    };
    Some((serving, serving.get_one("config").cloned()))
}

/// Whether a flag or a variable says it already.
fn is_set(matches: &ArgMatches, id: &str) -> bool {
    let platform = id == "port" && std::env::var_os("PORT").is_some_and(|port| !port.is_empty());
    let source = matches.value_source(id);
    platform || matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Whether a flag or a variable says it, and not the opposite of it.
fn says(matches: &ArgMatches, id: &str) -> bool {
    is_set(matches, id) && matches.try_get_one::<bool>(id).ok().flatten() != Some(&false)
}

/// Whether both cannot be said at the same time.
fn contradict(one: &str, other: &str) -> bool {
    matches!((one, other), ("quiet", "verbose") | ("verbose", "quiet"))
}

/// Whether the value is one, so that an error can name the line.
fn try_alone(flags: &Command, setting: &Setting) -> Result<(), UsageError> {
    use clap::error::ErrorKind::{InvalidValue, ValueValidation};
    let arguments = [OsString::from("ifmatch")].into_iter().chain(setting.arguments.iter().cloned());
    match flags.clone().try_get_matches_from(arguments) {
        Err(error) if matches!(error.kind(), InvalidValue | ValueValidation) => {
            Err(UsageError(format!("{}: {}", setting.place, sentence(&error))))
        }
        _ => Ok(()),
    }
}

/// What clap says, in one line and without advice for a terminal.
pub(super) fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = text.lines().map(str::trim).take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information") && !line.starts_with("tip:")
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What was set, as it was typed, and where.
fn settings(command: &Command, matches: &ArgMatches, places: Vec<(String, String)>) -> Settings {
    let flags = command.get_arguments().filter(|flag| flag.get_long() != Some("config"));
    let named = flags.filter_map(|flag| {
        let id = flag.get_id().as_str();
        let given = matches.get_raw(id).map(|values| values.map(OsString::from).collect::<Vec<_>>());
        let counted = || matches.try_get_one::<u8>(id).ok().flatten().map(|n| vec![n.to_string().into()]);
        let value = given.or_else(counted)?;
        Some((flag.get_long().unwrap_or(id).to_owned(), value))
    });
    let variables = command.get_arguments().filter_map(|flag| {
        let is_set = matches.value_source(flag.get_id().as_str()) == Some(ValueSource::EnvVariable);
        let variable = flag.get_env().filter(|_| is_set)?;
        Some((flag.get_long().unwrap_or(flag.get_id().as_str()).to_owned(), variable.display().to_string()))
    });
    let platform = is_set(matches, "port") && matches.value_source("port").is_none();
    let platform = platform.then(|| ("port".to_owned(), "PORT".to_owned()));
    Settings::of(named, places).with_variables(variables.chain(platform))
}

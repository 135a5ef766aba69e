//! `ifmatch completions` and `ifmatch man`: made of the definition of the command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, UsageError};

const NAME: &str = "ifmatch";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The command it is about; the program itself without one
    command: Option<String>,
}

impl CompletionsArgs {
    /// The script.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), NAME, &mut text);
        text
    }
}

impl ManArgs {
    /// The page.
    pub(super) fn text(&self) -> Result<Vec<u8>, UsageError> {
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let command = match &self.command {
            None => Some(&program),
            Some(name) => program.find_subcommand(name),
        };
        let command = command.ok_or_else(|| {
            let names: Vec<_> = program.get_subcommands().map(clap::Command::get_name).collect();
            UsageError(format!("there is a page for each of these: {}", names.join(", ")))
        })?;
        let mut text = Vec::new();
        // A date that is empty would be left out, and what follows be taken for it.
        let page = Man::new(command.clone())
            .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
            .date(" ")
            .manual("User Commands");
        page.render(&mut text).map_err(|error| UsageError(error.to_string()))?;
        Ok(text)
    }
}

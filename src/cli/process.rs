//! The flags about the process itself: what it may do besides serving.

use clap::{Args, ValueEnum};

use super::UsageError;
use crate::config::ProcessConfig;
use crate::config::user::User;
use crate::root::sandbox::SandboxMode;

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct ProcessArgs {
    /// Let the kernel confine the process to what it serves
    #[arg(
        hide_short_help = true,
        long,
        value_enum,
        value_name = "MODE",
        default_value_t,
        env = "IFMATCH_SANDBOX"
    )]
    sandbox: SandboxArg,
    /// Once it listens, go on as this user, NAME or NAME:GROUP; only root can
    #[arg(hide_short_help = true, long, value_name = "NAME", env = "IFMATCH_USER")]
    user: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SandboxArg {
    /// As far as it can
    #[default]
    Auto,
    /// Completely, or do not start
    Require,
    /// Not at all
    Off,
}

impl ProcessArgs {
    pub(super) fn lower(self) -> Result<ProcessConfig, UsageError> {
        let found = self.user.as_deref().map(User::find).transpose();
        Ok(ProcessConfig {
            user: found.map_err(|why| UsageError(format!("--user: {why}")))?,
            sandbox: match self.sandbox {
                SandboxArg::Auto => SandboxMode::Auto,
                SandboxArg::Require => SandboxMode::Require,
                SandboxArg::Off => SandboxMode::Off,
            },
        })
    }
}

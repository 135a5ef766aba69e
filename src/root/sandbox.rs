//! The sandbox: from here on the kernel lets the process open, make and execute nothing but what [`Reach`] names, whatever
//! goes wrong in the program (Landlock). Confinement of requests does not rest on this: see `open`.
//!
//! What is open already stays so: listeners, standard error. Threads inherit it, hence it is closed before there are any.

use std::fmt;
use std::sync::OnceLock;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
    Scope, make_bitflags,
};

pub use super::reach::{Grant, Reach, RootUse, Successor};

/// Whether the process is confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxMode {
    /// As far as the kernel can.
    #[default]
    Auto,
    /// Completely, or the server does not start.
    Require,
    /// Not at all.
    Off,
}

/// What the kernel enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// Files and TCP.
    Full,
    /// Files only: the kernel is older than Linux 6.7.
    Files,
    /// Nothing.
    #[default]
    Off,
}

/// Why the sandbox cannot be closed.
#[derive(Debug)]
pub enum SandboxError {
    /// The kernel does not know enough of it.
    Kernel(String),
    /// Threads are running that would stay outside.
    Threads,
}

/// What is enforced completely when it is required: files, with truncation, and TCP (Linux 6.7).
const NEEDED: ABI = ABI::V4;

/// What is used where it is there: devices, signals and abstract sockets too (Linux 6.12).
const KNOWN: ABI = ABI::V6;

static CONFINEMENT: OnceLock<Confinement> = OnceLock::new();

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(
                f,
                "this kernel cannot confine files and TCP: Linux 6.7 or later is needed, with landlock among its security \
                 modules ({error})"
            ),
            Self::Threads => f.write_str("threads are running already"),
        }
    }
}

impl Confinement {
    /// As one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Files => "files",
            Self::Off => "off",
        }
    }

    /// What holds for this process.
    pub fn current() -> Self {
        CONFINEMENT.get().copied().unwrap_or_default()
    }
}

/// Sees to it that no program that this one might start has more rights than itself.
pub fn gain_no_privileges() {
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        log::warn!("the kernel does not keep the process from gaining rights (no_new_privs): {error}");
    }
}

/// Closes the sandbox, for good.
///
/// # Errors
/// [`SandboxError`]; with [`SandboxMode::Auto`] that is no reason not to go on.
pub fn close(reach: &Reach, mode: SandboxMode) -> Result<Confinement, SandboxError> {
    if threads() > 1 {
        return Err(SandboxError::Threads);
    }
    super::know_the_machine();
    let confinement = restrict(reach, mode).map_err(|error| SandboxError::Kernel(error.to_string()))?;
    Ok(*CONFINEMENT.get_or_init(|| confinement))
}

/// Looks whether it could be closed completely.
///
/// # Errors
/// [`SandboxError::Kernel`].
pub fn try_out() -> Result<(), SandboxError> {
    let ruleset = handled(SandboxMode::Require).and_then(Ruleset::create);
    ruleset.map(drop).map_err(|error| SandboxError::Kernel(error.to_string()))
}

fn restrict(reach: &Reach, mode: SandboxMode) -> Result<Confinement, RulesetError> {
    let mut ruleset = handled(mode)?.create()?;
    for (path, grant) in reach.grants() {
        match PathFd::new(path) {
            Ok(folder) => ruleset = ruleset.add_rule(PathBeneath::new(folder, grant.access()))?,
            Err(error) => log::debug!("{} stays outside of the sandbox: {error}", super::shown(path)),
        }
    }
    let status = ruleset.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Confinement::Off,
        (_, LandlockStatus::Available { effective_abi, .. }) if effective_abi >= NEEDED => Confinement::Full,
        _ => Confinement::Files,
    })
}

/// All that needs a rule from now on. TCP gets none: listeners are open, and the server connects to nobody.
fn handled(mode: SandboxMode) -> Result<Ruleset, RulesetError> {
    let level = match mode {
        SandboxMode::Require => CompatLevel::HardRequirement,
        SandboxMode::Auto | SandboxMode::Off => CompatLevel::BestEffort,
    };
    Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(NEEDED))?
        .handle_access(AccessNet::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(scopes())
}

/// The manager of services may listen at an abstract socket.
fn scopes() -> BitFlags<Scope> {
    let abstract_manager =
        std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| socket.as_encoded_bytes().starts_with(b"@"));
    match abstract_manager {
        true => Scope::Signal.into(),
        false => Scope::from_all(KNOWN),
    }
}

impl Grant {
    fn access(self) -> BitFlags<AccessFs> {
        match self {
            Self::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
            Self::ReadFiles => AccessFs::ReadFile.into(),
            // A symbolic link that is deleted is first renamed, which counts as making one.
            Self::Write => make_bitflags!(AccessFs::{
                WriteFile | Truncate | MakeReg | MakeSym | MakeDir | RemoveFile | RemoveDir | Refer
            }),
            Self::Remove => AccessFs::RemoveFile.into(),
        }
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

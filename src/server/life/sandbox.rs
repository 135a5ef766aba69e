//! Decides what the sandbox lets the process reach, and what happens if the kernel does not support
//! it. The calls to Landlock live in `root::sandbox`.

use crate::config::Config;
use crate::root::sandbox::{self, Confinement, Reach, RootUse, SandboxError, SandboxMode, Successor};
use crate::root::{CacheFolder, Root, SocketName, SymlinkPolicy, shown};
use crate::server::ServerError;

/// Closes the sandbox as the configuration says and returns a description of it. Called after
/// everything outside the sandbox has been read, and before any thread starts.
pub(in crate::server) fn confine(
    config: &Config,
    root: &Root,
    cache: Option<&CacheFolder>,
    sockets: &[SocketName],
) -> Result<String, ServerError> {
    sandbox::gain_no_privileges();
    let mode = config.process.sandbox;
    if let Some(why) = not_to_be_confined(config) {
        return match mode {
            SandboxMode::Require => Err(ServerError::Sandbox(why.to_owned())),
            SandboxMode::Auto | SandboxMode::Off => Ok(format!("off ({why})")),
        };
    }
    // Examining the filesystem creates files, which the sandbox of a read-only server forbids.
    root.own_filesystem();
    let closed = reach(config, root, cache, sockets)
        .map_err(|error| SandboxError::Kernel(error.to_string()))
        .and_then(|reach| Ok(describe(sandbox::close(&reach, mode)?, &reach)));
    match (closed, mode) {
        (Ok(words), _) => Ok(words),
        (Err(error), SandboxMode::Require) => Err(ServerError::Sandbox(error.to_string())),
        (Err(error), SandboxMode::Auto | SandboxMode::Off) => Ok(format!("off ({error})")),
    }
}

/// Checks whether [`confine`] would succeed if the sandbox is required.
pub(in crate::server) fn check(config: &Config) -> Result<(), ServerError> {
    if config.process.sandbox != SandboxMode::Require {
        return Ok(());
    }
    let possible = match not_to_be_confined(config) {
        Some(why) => Err(why.to_owned()),
        None => sandbox::try_out().map_err(|error| error.to_string()),
    };
    possible.map_err(ServerError::Sandbox)
}

fn describe(confinement: Confinement, reach: &Reach) -> String {
    use sandbox::Grant::{Read, ReadFiles, Write};
    let network = match confinement {
        Confinement::Off => return "off (the kernel does not offer it: Landlock)".to_owned(),
        Confinement::Full => "connects to nobody",
        Confinement::Files => "the network is not confined before Linux 6.7",
    };
    let list = |grants: &[sandbox::Grant]| match reach.uppermost(grants).as_slice() {
        [] => "nowhere".to_owned(),
        paths => paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", "),
    };
    format!("reads only in {}; writes only in {}; {network}", list(&[Read, ReadFiles]), list(&[Write]))
}

fn not_to_be_confined(config: &Config) -> Option<&'static str> {
    match (config.process.sandbox, config.symlinks) {
        (SandboxMode::Off, _) => Some("--sandbox off"),
        (_, SymlinkPolicy::All) => Some("--follow-symlinks all may lead anywhere"),
        _ => None,
    }
}

fn reach(
    config: &Config,
    root: &Root,
    cache: Option<&CacheFolder>,
    sockets: &[SocketName],
) -> std::io::Result<Reach> {
    let used = if config.site.writes.allow_writes() { RootUse::Write } else { RootUse::Read };
    let successor = match config.process.sandbox {
        SandboxMode::Require => Successor::Linked,
        SandboxMode::Auto | SandboxMode::Off => Successor::Any,
    };
    let mut reach = Reach::of(root, used, successor)?;
    if let Some(cache) = cache {
        reach.add_cache(cache);
    }
    for socket in sockets {
        reach.add_socket(socket.path());
    }
    for file in &config.watched {
        reach.add_file(file.path());
    }
    if let Some(tls) = &config.tls {
        reach.add_file(&tls.certificate);
        reach.add_file(&tls.key);
    }
    Ok(reach)
}

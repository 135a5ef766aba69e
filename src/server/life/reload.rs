//! Reloads the configuration on SIGHUP and when one of its files changes. New options take effect
//! between two requests, and no connection is closed. Options that need a restart are logged. A
//! configuration with an error changes nothing. Certificates are reloaded in `listen::tls`.

use std::time::Duration;

use tokio::signal::unix::Signal;

use crate::config::Config;
use crate::http::SiteService;
use crate::root::WatchedFile;

/// How often the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long the files must stay unchanged before they are read.
const SETTLE: Duration = Duration::from_millis(200);

/// How many times [`SETTLE`] is waited for. After that the reload goes on even if a program keeps
/// a file open for writing.
const MOST_SETTLE_ROUNDS: usize = 50;

/// The options that a reload can change.
const APPLIED: [&str; 14] = [
    "allow-host",
    "auth",
    "auth-file",
    "cache-control",
    "cors",
    "header",
    "hidden",
    "immutable",
    "index-file",
    "no-listing",
    "private",
    "security-headers",
    "spa",
    "trust-uploads",
];

/// The options that decide, together with accounts, host names and origins, who may read and write
/// what. If one of them differs from the start, the reload changes nothing: the old folder with the
/// new accounts could be open to people whom neither configuration lets in.
const JUDGED: [&str; 9] = [
    "allow-all",
    "allow-delete",
    "allow-upload",
    "bind",
    "create-only",
    "follow-symlinks",
    "insecure-writes",
    "root",
    "tls-cert",
];

/// Reads the configuration again.
pub(in crate::server) type Again = dyn Fn() -> Result<Config, String>;

/// Applies a changed configuration to `site`. `started` is the one from the start. Never returns.
pub(in crate::server) async fn watch(
    site: SiteService,
    started: Config,
    again: Box<Again>,
    mut hangup: Option<Signal>,
) {
    let mut files = started.watched.clone();
    // Why the last reload failed. It is then tried at every check, because the missing file may not
    // be one of those that are watched.
    let mut failed: Option<String> = None;
    loop {
        let wanted = match &mut hangup {
            Some(hangup) => tokio::time::timeout(CHECK_INTERVAL, hangup.recv()).await.is_ok(),
            None => {
                tokio::time::sleep(CHECK_INTERVAL).await;
                false
            }
        };
        let wanted = have_changed(&mut files) || wanted;
        if !wanted && failed.is_none() {
            continue;
        }
        for _ in 0..MOST_SETTLE_ROUNDS {
            tokio::time::sleep(SETTLE).await;
            if !have_changed(&mut files) && !files.iter().any(WatchedFile::is_being_written) {
                break;
            }
        }
        match again() {
            Ok(config) => {
                apply(&site, &started, &config);
                files = config.watched;
                failed = None;
            }
            Err(error) => {
                if wanted || failed.as_ref() != Some(&error) {
                    log::error!(
                        "the new configuration cannot be used, and the one before stays in use: {error}"
                    );
                }
                failed = Some(error);
            }
        }
    }
}

/// Reports whether any file has changed. Checks all of them, so that each remembers its new state.
fn have_changed(files: &mut [WatchedFile]) -> bool {
    let mut changed = false;
    for file in files {
        changed |= file.has_changed();
    }
    changed
}

fn apply(site: &SiteService, started: &Config, config: &Config) {
    let changed = started.settings.changed(&config.settings);
    let waits: Vec<&str> = changed.into_iter().filter(|name| !APPLIED.contains(name)).collect();
    if waits.iter().any(|name| JUDGED.contains(name)) {
        log::warn!(
            "nothing of the new configuration takes effect before the next start, because these options can change only then: {}",
            waits.join(", ")
        );
        return;
    }
    site.set_options(config.site.clone());
    log::info!("the configuration was read again");
    if !waits.is_empty() {
        log::warn!("these options take effect at the next start only: {}", waits.join(", "));
    }
}

//! The configuration, read again: on SIGHUP, and when one of its files changes. What can be changed is changed between two requests, and
//! no connection ends; of the rest it is said that it waits for the next start. What cannot be used changes nothing.

use std::time::Duration;

use tokio::signal::unix::Signal;

use crate::config::Config;
use crate::http::SiteService;
use crate::root::WatchedFile;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long they must hold still before they are read.
const SETTLE: Duration = Duration::from_millis(200);

/// How many times that is waited for: a program that keeps a file open for ever does not keep it from being read.
const LONGEST_SAVE: usize = 50;

/// The options that can be changed.
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

/// Accounts, names and origins are judged together with these: whether everybody who can reach the server may write, and what there
/// is to read. If one of them is other than at start, nothing is changed: the folder of before with the accounts of the
/// next one would be open to whom neither configuration lets in.
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

/// Reads the configuration anew.
pub(in crate::server) type Again = dyn Fn() -> Result<Config, String>;

/// Changes `site` when what `started` came from is something else by now. Goes on for ever.
pub(in crate::server) async fn watch(
    site: SiteService,
    started: Config,
    again: Box<Again>,
    mut hangup: Option<Signal>,
) {
    let mut files = started.watched.clone();
    // Why the last reading failed: then it is tried again and again, for what is missing may not be one of the files that were read.
    let mut failed: Option<String> = None;
    loop {
        let wanted = match &mut hangup {
            Some(hangup) => tokio::time::timeout(LOOK, hangup.recv()).await.is_ok(),
            None => {
                tokio::time::sleep(LOOK).await;
                false
            }
        };
        let wanted = have_changed(&mut files) || wanted;
        if !wanted && failed.is_none() {
            continue;
        }
        for _ in 0..LONGEST_SAVE {
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

/// Looks at all of them.
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

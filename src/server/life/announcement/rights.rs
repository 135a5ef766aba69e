//! Who may read and who may write, in everyday words.

use crate::access::{Access, Extent, Right};
use crate::config::Config;
use crate::http::{Hosts, UploadTrust};
use crate::words::counted;
use crate::write::{Deletes, Uploads, WriteOptions};

/// Who can reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// Programs on this machine.
    Machine,
    /// Those, and whoever a proxy lets in that passes these names on.
    Proxy(Vec<String>),
    /// Other machines.
    Network,
}

/// Reports whether other machines can reach the server.
pub(super) fn are_others_let_in(config: &Config) -> bool {
    reach(config) == Reach::Network
}

/// Who may read, after `reading: `.
pub(super) fn readers(config: &Config) -> String {
    people(&config.site.access, Right::Read, &anybody(config, "anybody"))
}

/// Who may write, and what, after `writing: `.
pub(super) fn writers(config: &Config) -> String {
    let writes = &config.site.writes;
    if !writes.allow_writes() {
        return "nobody (--allow-upload and --allow-delete change that)".to_owned();
    }
    let anybody = anybody(config, if are_others_let_in(config) { "ANYBODY" } else { "anybody" });
    format!("{} ({})", people(&config.site.access, Right::Write, &anybody), deeds(writes))
}

/// Reports whether there are places where uploaded pages do not run, because somebody may write there who may not write everywhere.
pub(super) fn confine_pages(config: &Config) -> bool {
    let (site, access) = (&config.site, &config.site.access);
    let is_shared = reach(config) != Reach::Machine || !access.is_empty();
    let everybody = access.extent_of_everybody(Right::Write) != Extent::Nowhere;
    let in_places =
        access.extents_of_accounts(Right::Write).iter().any(|extent| *extent != Extent::Everywhere);
    let uploads = site.writes.uploads != Uploads::Refused && site.trust == UploadTrust::Editors;
    uploads && is_shared && (everybody || in_places)
}

/// Who has `right`; `anybody` stands for everybody who can reach the server.
fn people(access: &Access, right: Right, anybody: &str) -> String {
    let accounts = access.extents_of_accounts(right);
    let named = |only: &str| match accounts.as_slice() {
        [] => None,
        [Extent::Only(places)] => Some(format!("{only}1 account, {}", places.join(", "))),
        all => {
            let is_partial = all.iter().any(|extent| *extent != Extent::Everywhere);
            let places = if is_partial { ", in their own places" } else { "" };
            Some(format!("{only}{}{places}", counted(all.len() as u64, "account")))
        }
    };
    match (access.extent_of_everybody(right), named("only "), named("")) {
        (Extent::Everywhere, ..) => anybody.to_owned(),
        (Extent::Except(places), _, None) => format!("{anybody}, except {}", places.join(", ")),
        (Extent::Except(places), _, Some(named)) => {
            format!("{anybody}, except {}; there: {named}", places.join(", "))
        }
        (Extent::Only(places), _, None) => format!("{anybody}, {} only", places.join(", ")),
        (Extent::Only(places), _, Some(named)) => {
            format!("{anybody}, {}; elsewhere: {named}", places.join(", "))
        }
        (Extent::Nowhere, Some(only), _) => only,
        (Extent::Nowhere, None, _) => "nobody: no account has the right to".to_owned(),
    }
}

fn anybody(config: &Config, anybody: &str) -> String {
    match reach(config) {
        Reach::Machine => format!("{anybody} on this machine"),
        Reach::Proxy(names) => {
            format!("{anybody} on this machine, or whom the proxy for {} lets in", names.join(", "))
        }
        Reach::Network => format!("{anybody} who reaches it"),
    }
}

fn reach(config: &Config) -> Reach {
    match &config.site.hosts {
        Hosts::Any => Reach::Network,
        Hosts::Loopback(names) if names.is_empty() => Reach::Machine,
        Hosts::Loopback(names) => Reach::Proxy(names.clone()),
    }
}

/// What may be done to files.
fn deeds(writes: &WriteOptions) -> String {
    let mut deeds = match writes.uploads {
        Uploads::Refused => vec![],
        Uploads::CreateOnly => vec!["create"],
        Uploads::Allowed => vec!["create", "replace"],
    };
    if writes.deletes == Deletes::Allowed {
        deeds.push("delete");
    }
    deeds.join(", ")
}

#[cfg(test)]
mod tests;

//! What browsers may do with files that somebody else has uploaded.
//!
//! A page runs with the rights of whoever looks at it: its scripts can read and write what the visitor can, and see what other pages of the
//! same origin keep in the browser. So a document with scripts is dangerous where its author may do less than its visitors. There it
//! goes into a sandbox, where it is a page of no origin, runs nothing, and is saved instead of shown.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};

use crate::access::Writers;
use crate::http::message::fields::{Fields, ResponseFields};
use crate::http::message::media_types;
use crate::http::policy::header_rules::Extra;
use crate::http::{Hosts, Site};
use crate::resource_path::ResourcePath;
use crate::write::Uploads;

const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox");
const ATTACHMENT: HeaderValue = HeaderValue::from_static("attachment");

/// Whose uploads may run as pages of the site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadTrust {
    /// Those of accounts that may read and write everything. Those of everybody as well, where only this machine reaches the server and
    /// there are no accounts: whoever can write there can do all that a script could.
    #[default]
    Editors,
    /// All.
    All,
}

/// What browsers may do with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// What its type says.
    #[default]
    None,
    /// Save it. If they show it all the same, it is a page of no origin, without scripts.
    Sandbox,
}

impl Site {
    /// Finds out what is sent with a file at `path` besides `fields`, which describe it.
    pub(in crate::http) fn extra_of_file(&self, path: &ResourcePath<'_>, fields: &Fields) -> Arc<Extra> {
        let mut extra = self.extra(path);
        let confinement = self.confinement(path, fields, &extra);
        if extra.confinement != confinement {
            Arc::make_mut(&mut extra).confinement = confinement;
        }
        extra
    }

    /// What browsers may do with the file at `path`, which is described by `fields` and `extra`.
    fn confinement(&self, path: &ResourcePath<'_>, fields: &Fields, extra: &Extra) -> Confinement {
        let media_type = extra.content_type.as_ref().unwrap_or(&fields.content_type);
        match media_types::is_active(media_type) && !self.trusts_writers_of(path) {
            true => Confinement::Sandbox,
            false => Confinement::None,
        }
    }

    fn trusts_writers_of(&self, path: &ResourcePath<'_>) -> bool {
        let options = &self.options;
        if options.writes.uploads == Uploads::Refused || options.trust == UploadTrust::All {
            return true;
        }
        match options.access.writers(path) {
            Writers::Nobody | Writers::Editors => true,
            Writers::Others => {
                let names = match &options.hosts {
                    Hosts::Loopback(names) => Some(names),
                    Hosts::Any => None,
                };
                options.access.is_empty() && names.is_some_and(Vec::is_empty)
            }
        }
    }
}

impl Confinement {
    /// Adds the fields of a representation, to those of the operator that are there.
    pub(in crate::http) fn describe(self, target: &mut impl ResponseFields, extra: &Extra) {
        self.describe_page(target);
        let is_said = extra.fields.iter().any(|(name, _)| *name == header::CONTENT_DISPOSITION);
        if self == Self::Sandbox && !is_said {
            target.put(header::CONTENT_DISPOSITION, &ATTACHMENT);
        }
    }

    /// Adds the fields of a page that is shown in place of another one. It is not to be saved: that would be an odd answer to somebody
    /// who has mistyped an address.
    pub(in crate::http) fn describe_page(self, target: &mut impl ResponseFields) {
        if self == Self::Sandbox {
            target.add(header::CONTENT_SECURITY_POLICY, &SANDBOX);
        }
    }
}

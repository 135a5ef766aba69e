//! What browsers may do with files that somebody else has uploaded.
//!
//! A page runs with the rights of whoever looks at it: its scripts can read and write what the visitor can, and see what other pages of the
//! same origin keep in the browser. So a document with scripts is dangerous where its author may do less than its visitors. There it
//! goes into a sandbox, where it is a page of no origin, runs nothing, and is saved instead of shown.

use actix_web::http::header::{self, HeaderValue};

use crate::http::message::fields::ResponseFields;
use crate::http::policy::header_rules::Extra;

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

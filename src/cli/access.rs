//! The flags about accounts, and the making of hashes for them.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::UsageError;
use super::file::{Rule, RuleRight};
use crate::access::{Access, Right, new_token, password_hash};
use crate::root::{WatchedFile, shown};

#[derive(Debug, Args)]
#[command(next_help_heading = "Accounts")]
pub(super) struct AccessArgs {
    /// An account, NAME:HASH (ifmatch hash-password)
    ///
    /// It may read and write everything; with NAME:HASH@/PATH:RIGHT it has a right (rw, r or -) below a path, and with
    /// @/PATH:RIGHT everybody has. May be given several times. Where there is an account, everybody else may read and not write.
    #[arg(
        short,
        long,
        value_name = "ACCOUNT",
        value_delimiter = ';',
        env = "IFMATCH_AUTH",
        hide_env_values = true
    )]
    auth: Vec<String>,
    /// A file of accounts, as htpasswd makes it
    ///
    /// One a line, with paths as in --auth.
    #[arg(long, value_name = "FILE", env = "IFMATCH_AUTH_FILE")]
    pub(super) auth_file: Option<PathBuf>,
    /// Nobody reads anything without an account
    #[arg(long, env = "IFMATCH_PRIVATE", value_parser = FalseyValueParser::new())]
    private: bool,
}

#[derive(Debug, Args)]
pub(super) struct HashArgs {
    /// The name of the account, to print the whole line
    name: Option<String>,
    /// Make a token for a program instead of asking for a password
    #[arg(long)]
    token: bool,
}

/// A password or token that is to be hashed.
pub enum PasswordRequest {
    /// Of an account with this name, or of none yet.
    Password(Option<String>),
    /// The same for a token.
    Token(Option<String>),
}

/// What there is to print.
pub struct HashedPassword {
    /// The line for the list of accounts.
    pub line: String,
    /// The token that was made. It belongs into no list.
    pub token: Option<String>,
}

impl AccessArgs {
    /// Reads all accounts, and adds what `rules` say of them.
    pub(super) fn lower(self, rules: &[Rule]) -> Result<Access, UsageError> {
        let mut access = self.accounts()?;
        for rule in rules {
            for RuleRight { name, right, place } in &rule.rights {
                let patterns = rule.headers.iter().map(|header| header.files.clone());
                access
                    .add_rule(name, patterns, *right)
                    .map_err(|why| UsageError(format!("{place}: {why}")))?;
            }
        }
        Ok(access)
    }

    fn accounts(self) -> Result<Access, UsageError> {
        let mut lines: Vec<(String, String)> =
            self.auth.into_iter().map(|line| (line, "--auth".to_owned())).collect();
        if let Some(path) = self.auth_file {
            lines.extend(file_lines(path)?);
        }
        if lines.is_empty() && !self.private {
            return Ok(Access::open());
        }
        let everybody = if self.private { Right::None } else { Right::Read };
        let access =
            Access::parse(lines.iter().map(|(line, _)| line.as_str()), everybody).map_err(|why| {
                let place = lines.get(why.index()).map_or("--auth", |(_, place)| place.as_str());
                UsageError(format!("{place}: {why}"))
            })?;
        match access.is_empty() && !access.gives_everybody(Right::Read) {
            true => Err(UsageError(
                "there is no account and nobody may read anything without one; add one with --auth or --auth-file"
                    .to_owned(),
            )),
            false => Ok(access),
        }
    }
}

/// The lines of a list of accounts that say something, and where each stands.
fn file_lines(path: PathBuf) -> Result<Vec<(String, String)>, UsageError> {
    let file = WatchedFile::new(path);
    let place = format!("--auth-file {}", shown(file.path()));
    let failed = |why: &str| UsageError(format!("{place}: {why}"));
    let text = file.read().map_err(|error| failed(&reason(&error)))?;
    let text = String::from_utf8(text).map_err(|_| failed("it is not text in UTF-8"))?;
    // Some editors put a mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let said = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
    let lines = text.lines().map(str::trim).enumerate().filter(said);
    let lines: Vec<_> =
        lines.map(|(index, line)| (line.to_owned(), format!("{place}, line {}", index + 1))).collect();
    // It may be cut off, or about to be written: without it everything would be open.
    if lines.is_empty() {
        return Err(failed(
            "it says nothing; an account is written NAME:HASH, and @/:r is the line for a site without any that everybody may read",
        ));
    }
    Ok(lines)
}

pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the server's user may not read it".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

impl HashArgs {
    pub(super) fn lower(self) -> Result<PasswordRequest, UsageError> {
        if self.name.as_ref().is_some_and(|name| !can_stand_in_a_list(name)) {
            return Err(UsageError(
                "the name of an account is not empty; it has no colon, no semicolon, no @/, no control character and no space at its ends, \
                 and does not begin with #"
                    .to_owned(),
            ));
        }
        Ok(if self.token { PasswordRequest::Token(self.name) } else { PasswordRequest::Password(self.name) })
    }
}

/// Whether a line with this name is read as it was meant, in a file and behind `--auth`.
fn can_stand_in_a_list(name: &str) -> bool {
    let is_plain = !name.contains([':', ';']) && !name.contains("@/") && !name.contains(char::is_control);
    is_plain && !name.is_empty() && name.trim() == name && !name.starts_with(['#', '\u{feff}'])
}

impl PasswordRequest {
    /// Asks for the password, twice where a person types it.
    ///
    /// # Errors
    /// A sentence.
    pub fn answer(&self) -> Result<HashedPassword, UsageError> {
        let failed = |why: &dyn std::fmt::Display| UsageError(why.to_string());
        let account = |name: &Option<String>, hash: String| match name {
            Some(name) => format!("{name}:{hash}"),
            None => hash,
        };
        match self {
            Self::Password(name) => {
                let password = ask().map_err(|error| UsageError(format!("no password: {error}")))?;
                let hash = password_hash(password.as_bytes()).map_err(|error| failed(&error))?;
                Ok(HashedPassword { line: account(name, hash), token: None })
            }
            Self::Token(name) => {
                let (token, hash) = new_token().map_err(|error| failed(&error))?;
                Ok(HashedPassword { line: account(name, hash), token: Some(token) })
            }
        }
    }
}

fn ask() -> io::Result<String> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? != password {
        return Err(io::Error::other("the two are not the same"));
    }
    Ok(password)
}

//! Who may read and write what: accounts, their rights, and proving that one is somebody. It knows paths, and neither HTTP nor
//! files.
//!
//! Rights belong to a path and everything below it. Of several rules the one with the longest path counts. Whoever proves to be
//! somebody may do what that account may, and what everybody may.

mod attempts;
mod extent;
mod network;
mod rules;
mod secret;
mod verifier;
mod writers;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::resource_path::pattern::{PathPattern, has_escapes};
use crate::resource_path::{Dotfiles, ResourcePath};
use attempts::Attempts;
pub use extent::Extent;
pub use network::Network;
use rules::Rules;
use secret::SecretError;
pub use secret::{Secret, new_token, password_hash};
use verifier::{Question, Verifier};
pub use writers::Writers;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing at all.
    None,
    /// Reading.
    Read,
    /// Reading, creating, replacing and deleting, as far as the server allows that to anybody.
    Write,
}

/// Somebody with a name.
#[derive(Debug)]
struct Account {
    name: String,
    secret: Secret,
    rules: Rules,
}

/// All accounts, and what everybody may do without one.
#[derive(Debug)]
pub struct Access {
    accounts: Vec<Account>,
    everybody: Rules,
    attempts: Arc<Attempts>,
    verifier: Verifier,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor(Option<usize>);

/// What a request offers to prove that it comes from somebody.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// A name and a password.
    Password(&'a str, &'a [u8]),
    /// A token, which stands for a name as well.
    Token(&'a [u8]),
}

/// Whether that succeeded.
#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    /// Yes.
    Given(Visitor),
    /// No.
    Wrong,
    /// It was not looked at: too many wrong ones came before, or come now. Worth another try after so many seconds.
    Later(u64),
}

/// Why accounts cannot be set up, as the second half of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError {
    why: String,
    index: usize,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl AccessError {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), index: 0 }
    }

    /// Which of several lines it is about, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Right {
    /// From what an operator writes: `r`, `rw` or `-`.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        match text {
            "r" => Ok(Self::Read),
            "rw" => Ok(Self::Write),
            "-" => Ok(Self::None),
            _ => Err(AccessError::new(format!("{text:?} is not a right; they are r, rw and -"))),
        }
    }
}

impl Visitor {
    /// Somebody who has proved nothing.
    pub const ANYBODY: Self = Self(None);
}

impl Access {
    fn new(accounts: Vec<Account>, everybody: Rules) -> Self {
        Self { accounts, everybody, attempts: Arc::new(Attempts::new()), verifier: Verifier::new() }
    }

    /// No accounts: everybody may do what the server allows.
    pub fn open() -> Self {
        Self::new(Vec::new(), Rules::everywhere(Right::Write))
    }

    /// Sets up accounts from lines `NAME:HASH`, `NAME:HASH@/PATH:RIGHT` and, for everybody, `@/PATH:RIGHT`; a
    /// right is `rw`, `r` or `-`. Without a path an account may read and write everything; several lines for one name and
    /// hash add up. `everybody` is what may be done everywhere without an account, unless a line says otherwise.
    ///
    /// # Errors
    /// [`AccessError`], which never repeats a hash or a password.
    pub fn parse<'a>(
        lines: impl IntoIterator<Item = &'a str>,
        everybody: Right,
    ) -> Result<Self, AccessError> {
        let mut accounts: Vec<Account> = Vec::new();
        let mut common = Rules::everywhere(everybody);
        for (index, line) in lines.into_iter().enumerate() {
            parse_line(line, &mut accounts, &mut common).map_err(|error| AccessError { index, ..error })?;
        }
        Ok(Self::new(accounts, common))
    }

    /// Adds that the account called `name`, or everybody for `*`, may do `right` with what any of `patterns` is about, and no more
    /// than that, whatever was said before.
    ///
    /// # Errors
    /// [`AccessError`], if there is no such account.
    pub fn add_rule(
        &mut self,
        name: &str,
        patterns: impl IntoIterator<Item = PathPattern>,
        right: Right,
    ) -> Result<(), AccessError> {
        let account = self.accounts.iter_mut().find(|account| account.name == name);
        let rules = match (name, account) {
            ("*", _) => &mut self.everybody,
            (_, Some(account)) => &mut account.rules,
            (_, None) => {
                return Err(AccessError::new(format!(
                    "there is no account {name:?}; * stands for everybody"
                )));
            }
        };
        rules.add_patterns(patterns, right);
        Ok(())
    }

    /// Starts what verifies passwords, if there are any. It is tried again when the first one comes.
    pub fn start(&self) {
        if self.accounts.iter().any(|account| account.secret.is_slow()) {
            self.verifier.start();
        }
    }

    /// The name of the visitor's account.
    pub fn name(&self, visitor: Visitor) -> Option<&str> {
        visitor.0.and_then(|index| self.accounts.get(index)).map(|account| account.name.as_str())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Whether there is a path at which everybody may do that.
    pub fn gives_everybody(&self, right: Right) -> bool {
        self.everybody.give(right)
    }

    /// Whether anybody at all may write at `path`.
    pub fn lets_anybody_write(&self, path: &ResourcePath<'_>) -> bool {
        self.writers(path) != Writers::Nobody
    }

    /// Whether tokens are taken.
    pub fn has_tokens(&self) -> bool {
        self.accounts.iter().any(|account| matches!(account.secret, Secret::Token(_)))
    }

    /// Whether `visitor` may do `right` at `path`. A conflict copy has bytes of another file, and is for who may do it with both.
    pub fn allows(&self, visitor: Visitor, path: &ResourcePath<'_>, right: Right) -> bool {
        // The usual case: one rule for everybody, for the root.
        if self.everybody.same_everywhere().is_some_and(|given| given >= right) {
            return true;
        }
        let account = visitor.0.and_then(|index| self.accounts.get(index));
        judged(path).iter().all(|path| {
            let own = account.and_then(|account| account.rules.at(path));
            own.max(self.everybody.at(path)).is_some_and(|given| given >= right)
        })
    }

    /// Finds out who offers `credentials`. A name that does not exist costs as much as one that does. After some wrong attempts from
    /// one address under one name further ones have to wait; hashes are computed one at a time, on a thread of
    /// low priority.
    pub async fn prove(&self, credentials: &Credentials<'_>, from: Option<IpAddr>) -> Proof {
        let (name, password) = match *credentials {
            Credentials::Password(name, password) => (name, password),
            Credentials::Token(token) => {
                let digest = secret::digest_of(token);
                let found = self.accounts.iter().position(|account| account.secret.is_token(&digest));
                return found.map_or(Proof::Wrong, |index| Proof::Given(Visitor(Some(index))));
            }
        };
        let attempt = self.attempts.of(name, password, from);
        if let Some(index) = self.attempts.known(&attempt) {
            return Proof::Given(Visitor(Some(index)));
        }
        if let Some(seconds) = self.attempts.wait(&attempt) {
            return Proof::Later(seconds);
        }
        let index = self.accounts.iter().position(|account| account.name == name && account.secret.is_slow());
        let Some(secret) = index.or_else(|| self.stand_in(name)).map(|index| &self.accounts[index].secret)
        else {
            return Proof::Wrong;
        };
        let (attempts, tried) = (Arc::clone(&self.attempts), attempt.clone());
        let record = Box::new(move |is_right| match index {
            Some(index) if is_right => attempts.succeeded(&tried, index),
            _ => attempts.failed(&tried),
        });
        let at_once = self.attempts.at_once(&attempt);
        let question = Question { attempt, secret: secret.clone(), password: password.to_vec(), record };
        match (self.verifier.verify(question, at_once).await, index) {
            (Some(true), Some(index)) => Proof::Given(Visitor(Some(index))),
            (Some(_), _) => Proof::Wrong,
            (None, _) => Proof::Later(1),
        }
    }

    /// Whose hash is computed for a name that nobody has: always the same one's for the same name.
    fn stand_in(&self, name: &str) -> Option<usize> {
        let slow: Vec<usize> =
            (0..self.accounts.len()).filter(|index| self.accounts[*index].secret.is_slow()).collect();
        let sum = name.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        slow.get(sum.checked_rem(slow.len())?).copied()
    }
}

/// The paths of which an account needs the right: `path`, and what it is a conflict copy of.
fn judged<'a>(path: &ResourcePath<'a>) -> Vec<ResourcePath<'a>> {
    std::iter::successors(Some(path.clone()), |path| path.conflict_original()).collect()
}

fn parse_line(line: &str, accounts: &mut Vec<Account>, common: &mut Rules) -> Result<(), AccessError> {
    let (who, rule) = match line.rfind("@/") {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    if who.is_empty() {
        let rule = rule.ok_or_else(|| AccessError::new("there is an empty line"))?;
        let (path, right) = parse_rule(rule)?;
        common.set(path, right);
        return Ok(());
    }
    let (name, hash) = who
        .split_once(':')
        .ok_or_else(|| AccessError::new("it has no colon; an account is written NAME:HASH"))?;
    if name.is_empty() {
        return Err(AccessError::new("there is no name before the colon; an account is written NAME:HASH"));
    }
    if name.contains(char::is_control) {
        return Err(AccessError::new(format!(
            "the name {name:?} has a control character, which nobody can send"
        )));
    }
    // Before the rule, which may be the end of a password.
    let secret = Secret::parse(hash).map_err(|why| not_taken(name, why))?;
    let (path, right) = rule.map_or(Ok((ResourcePath::ROOT, Right::Write)), parse_rule)?;
    match accounts.iter_mut().find(|account| account.name == name) {
        Some(account) if account.secret == secret => account.rules.set(path, right),
        Some(_) => return Err(AccessError::new(format!("{name:?} has two different hashes"))),
        None => {
            let mut rules = Rules::default();
            rules.set(path, right);
            accounts.push(Account { name: name.to_owned(), secret, rules });
        }
    }
    Ok(())
}

fn parse_rule(text: &str) -> Result<(ResourcePath<'static>, Right), AccessError> {
    let (path, right) = text.rsplit_once(':').ok_or_else(|| {
        AccessError::new(format!(
            "{text:?} has no right behind its path; write {text}:r, {text}:rw or {text}:-"
        ))
    })?;
    let right = Right::parse(right)?;
    let names = path.trim_matches('/');
    if has_escapes(names) {
        return Err(AccessError::new(format!(
            "{names:?}: names are written as they are, not percent-encoded; a rule in a configuration file can name one with a percent sign"
        )));
    }
    let path = if names.is_empty() {
        Some(ResourcePath::ROOT)
    } else {
        ResourcePath::from_names(names, Dotfiles::Served).map(ResourcePath::into_owned)
    };
    path.map(|path| (path, right))
        .ok_or_else(|| AccessError::new(format!("no request can name the path {names:?}")))
}

fn not_taken(name: &str, why: SecretError) -> AccessError {
    AccessError::new(match why {
        SecretError::Unknown => format!(
            "what stands behind {name:?} is not a hash that is known (bcrypt, SHA-512-crypt, argon2, token); passwords are never \
             taken as plain text: make a hash with `ifmatch hash-password {name}`"
        ),
        SecretError::TooDear => format!(
            "the hash of {name:?} would take too long to compute, or too much memory (bcrypt up to cost 16, SHA-512-crypt up to \
             5000000 rounds, argon2 up to 1 GiB in four passes): make one with `ifmatch hash-password {name}`"
        ),
    })
}

#[cfg(test)]
mod tests;

//! What an account is known by: the hash of a password, or of a token.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha_crypt::ShaCrypt;
use sha2::{Digest as _, Sha256};

use super::AccessError;

/// Longer passwords are wrong without being looked at.
const LONGEST_PASSWORD: usize = 1024;

/// 512 bits, six to a character.
const SHA_CRYPT_LENGTH: usize = 86;

/// The highest cost of a bcrypt hash that is taken: some seconds to compute.
const MAX_BCRYPT_COST: u32 = 16;

/// The same for the rounds of SHA-512-crypt.
const MAX_ROUNDS: u32 = 5_000_000;

/// The same for the memory of argon2, in KiB, and for its memory times its passes.
const MAX_MEMORY: u32 = 1 << 20;
const MAX_MEMORY_PASSES: u64 = 4 << 20;

/// Why a hash is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// It is none, or none that is known.
    Unknown,
    /// To compute it would keep everybody waiting who wants to prove something, or need all the memory.
    TooDear,
}

/// What an account is known by.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `$2y$...`, as htpasswd -B makes it.
    Bcrypt(String),
    /// `$6$...`, as mkpasswd and openssl passwd -6 make it.
    ShaCrypt(String),
    /// `$argon2id$...`, in the form of PHC.
    Argon2(String),
    /// The SHA-256 of a token, which nobody could guess.
    Token([u8; 32]),
}

/// A hash is no secret to be shown.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads a hash.
    ///
    /// # Errors
    /// `SecretError`, for anything else, a password among it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let (secret, is_dear) = if let Some(hex) = text.strip_prefix("token:") {
            (Self::Token(token_digest(hex).ok_or(SecretError::Unknown)?), false)
        } else if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|start| text.starts_with(start)) {
            let parts = text.parse::<bcrypt::HashParts>().map_err(|_| SecretError::Unknown)?;
            (Self::Bcrypt(text.to_owned()), parts.get_cost() > MAX_BCRYPT_COST)
        } else if text.starts_with("$6$") {
            (Self::ShaCrypt(text.to_owned()), rounds(text).ok_or(SecretError::Unknown)? > MAX_ROUNDS)
        } else if text.starts_with("$argon2") {
            let costs = argon2_costs(text).ok_or(SecretError::Unknown)?;
            let dear = costs.m_cost() > MAX_MEMORY
                || u64::from(costs.m_cost()) * u64::from(costs.t_cost()) > MAX_MEMORY_PASSES;
            (Self::Argon2(text.to_owned()), dear)
        } else {
            return Err(SecretError::Unknown);
        };
        if is_dear { Err(SecretError::TooDear) } else { Ok(secret) }
    }

    /// Whether it is the hash of a password, which takes its time to compute.
    pub(super) fn is_slow(&self) -> bool {
        !matches!(self, Self::Token(_))
    }

    /// Whether it is that of the token with this digest. Digests are compared, so that the time this takes tells nothing about the token.
    pub(super) fn is_token(&self, digest: &[u8; 32]) -> bool {
        matches!(self, Self::Token(known) if known == digest)
    }

    /// Whether this is the hash of `password`. Takes tens of milliseconds and, with argon2, tens of MiB.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        if password.len() > LONGEST_PASSWORD {
            return false;
        }
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::ShaCrypt(hash) => sha_crypt::PasswordHash::new(hash)
                .is_ok_and(|hash| ShaCrypt::default().verify_password(password, &hash).is_ok()),
            Self::Argon2(hash) => PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            Self::Token(_) => false,
        }
    }
}

/// A hash of `password` by argon2id.
///
/// # Errors
/// When there are no random numbers to be had, or the password is empty or too long.
pub fn password_hash(password: &[u8]) -> Result<String, AccessError> {
    if password.is_empty() || password.len() > LONGEST_PASSWORD {
        return Err(AccessError::new(format!("a password has from 1 to {LONGEST_PASSWORD} bytes")));
    }
    let hash = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(|error| AccessError::new(error.to_string()))
}

/// A new token, and what to write into the list of accounts for it.
///
/// # Errors
/// When there are no random numbers to be had.
pub fn new_token() -> Result<(String, String), AccessError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| AccessError::new(error.to_string()))?;
    let token = URL_SAFE_NO_PAD.encode(random);
    let digest: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((token, format!("token:{digest}")))
}

/// What a token is known by.
pub(super) fn digest_of(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// How many rounds a whole hash of SHA-512-crypt takes.
fn rounds(text: &str) -> Option<u32> {
    let is_whole = sha_crypt::PasswordHash::new(text).is_ok()
        && text.rsplit('$').next().is_some_and(|last| last.len() == SHA_CRYPT_LENGTH);
    let rounds = text.strip_prefix("$6$rounds=").and_then(|rest| rest.split('$').next());
    let rounds = rounds.map_or(Some(sha_crypt::Params::RECOMMENDED_ROUNDS), |rounds| rounds.parse().ok());
    rounds.filter(|_| is_whole)
}

/// What a whole hash of argon2 takes.
fn argon2_costs(text: &str) -> Option<argon2::Params> {
    let hash = PasswordHash::new(text).ok()?;
    let is_whole = hash.salt.is_some() && hash.hash.is_some();
    argon2::Params::try_from(&hash).ok().filter(|_| is_whole)
}

fn token_digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(digest)
}

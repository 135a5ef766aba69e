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
    /// Reads a hash; `None` for anything else, as a password.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(hex) = text.strip_prefix("token:") {
            return token_digest(hex).map(Self::Token);
        }
        let owned = text.to_owned();
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|start| text.starts_with(start)) {
            return text.parse::<bcrypt::HashParts>().is_ok().then_some(Self::Bcrypt(owned));
        }
        if text.starts_with("$6$") {
            let is_whole = sha_crypt::PasswordHash::new(text).is_ok()
                && text.rsplit('$').next().is_some_and(|last| last.len() == SHA_CRYPT_LENGTH);
            return is_whole.then_some(Self::ShaCrypt(owned));
        }
        if text.starts_with("$argon2") {
            let parsed = PasswordHash::new(text).ok()?;
            let whole = parsed.salt.is_some() && parsed.hash.is_some();
            return whole.then_some(Self::Argon2(owned));
        }
        None
    }

    /// Whether it is the hash of a password, which takes its time to compute.
    pub(super) fn is_slow(&self) -> bool {
        !matches!(self, Self::Token(_))
    }

    /// Whether this is the hash of `token`.
    pub(super) fn is_token(&self, token: &[u8]) -> bool {
        // Digests are compared, so that the time this takes tells nothing about the token.
        matches!(self, Self::Token(digest) if *digest == <[u8; 32]>::from(Sha256::digest(token)))
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
        return Err(AccessError(format!("a password has from 1 to {LONGEST_PASSWORD} bytes")));
    }
    let hash = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(|error| AccessError(error.to_string()))
}

/// A new token, and what to write into the list of accounts for it.
///
/// # Errors
/// When there are no random numbers to be had.
pub fn new_token() -> Result<(String, String), AccessError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| AccessError(error.to_string()))?;
    let token = URL_SAFE_NO_PAD.encode(random);
    let digest: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((token, format!("token:{digest}")))
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

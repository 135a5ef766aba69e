//! Digests that travel with bytes: `Content-Digest`, `Repr-Digest` and `Want-Repr-Digest` (RFC 9530), and the older
//! `Content-MD5` (RFC 1864).
//!
//! What the fields say and whether digests agree is decided here. No bytes are hashed here: digests come in as
//! arrays.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::{MalformedField, trim_ows};

/// The hash functions of RFC 9530 5 that hold out against attackers, the other ones being deprecated there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityAlgorithm {
    /// `sha-256`.
    Sha256,
    /// `sha-512`.
    Sha512,
}

/// A digest that a field carries, or that is compared with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityDigest {
    /// `sha-256` of RFC 9530.
    Sha256([u8; 32]),
    /// `sha-512` of RFC 9530.
    Sha512([u8; 64]),
    /// `Content-MD5`. It finds accidents only, and no field of RFC 9530 is read or written with it.
    Md5([u8; 16]),
}

/// The fields in which a request tells the digests of its body. The body of a PUT that is neither a part nor
/// coded is the whole representation, so each of them speaks of the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityField {
    /// RFC 9530 2.
    ContentDigest,
    /// RFC 9530 3; in a request that changes state it describes what is sent (3.1).
    ReprDigest,
    /// RFC 1864.
    ContentMd5,
}

/// The digests that the body of a request must have: none, or up to five.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedDigests {
    expected: Vec<(IntegrityField, IntegrityDigest)>,
}

/// A field whose promise cannot be read. To go on without it would store bytes that its sender wanted checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedIntegrity(pub IntegrityField);

/// A body that is not what its sender promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrityMismatch {
    /// The field with the promise.
    pub field: IntegrityField,
    /// What the field says.
    pub expected: IntegrityDigest,
    /// The digest of the body by the same function; `None` if nobody computed it.
    pub computed: Option<IntegrityDigest>,
}

impl IntegrityAlgorithm {
    /// Every algorithm, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The algorithm's key in the registry of RFC 9530 7.2.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// The algorithm that all lines of a `Want-Repr-Digest` field like best (RFC 9530 4), `sha-256` if they like
    /// both alike.
    ///
    /// `None` if they want none of those there are: the weight is 0, or the algorithm is not named. A field that
    /// breaks its grammar, a weight that is no integer from 0 to 10 included, is ignored: it is a wish, and no
    /// promise depends on it.
    pub fn wanted<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let weights = dictionary(lines).ok()?;
        let mut best: Option<(i64, Self)> = None;
        for algorithm in Self::ALL {
            let Some(weight) = weights.get(algorithm.name()) else { continue };
            let weight = weight_of(weight)?;
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, algorithm));
            }
        }
        best.map(|(_, algorithm)| algorithm)
    }

    /// The digest that `bytes` are; `None` if they are too many or too few.
    fn digest(self, bytes: &[u8]) -> Option<IntegrityDigest> {
        match self {
            Self::Sha256 => bytes.try_into().ok().map(IntegrityDigest::Sha256),
            Self::Sha512 => bytes.try_into().ok().map(IntegrityDigest::Sha512),
        }
    }
}

impl IntegrityDigest {
    /// The value of a `Repr-Digest` field with this digest (RFC 9530 3): `sha-256=:...:`.
    pub fn repr_digest(&self) -> String {
        format!("{}={self}", self.function())
    }

    /// The name of the hash function.
    fn function(&self) -> &'static str {
        match self {
            Self::Sha256(_) => IntegrityAlgorithm::Sha256.name(),
            Self::Sha512(_) => IntegrityAlgorithm::Sha512.name(),
            Self::Md5(_) => "md5",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
            Self::Md5(bytes) => bytes,
        }
    }
}

/// The digest as its field writes it: a byte sequence between colons (RFC 9651 3.3.5), for MD5 without them.
impl fmt::Display for IntegrityDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = STANDARD.encode(self.bytes());
        match self {
            Self::Sha256(_) | Self::Sha512(_) => write!(f, ":{text}:"),
            Self::Md5(_) => f.write_str(&text),
        }
    }
}

impl IntegrityField {
    /// Every field, in the order in which they are looked at.
    pub const ALL: [Self; 3] = [Self::ContentDigest, Self::ReprDigest, Self::ContentMd5];

    /// The field's name as it is written, for example `Content-Digest`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContentDigest => "Content-Digest",
            Self::ReprDigest => "Repr-Digest",
            Self::ContentMd5 => "Content-MD5",
        }
    }
}

impl ExpectedDigests {
    /// Reads all three fields of a request; `lines` gives the lines of each of them.
    ///
    /// Algorithms that are not known are ignored (RFC 9530 2), and where a field names one twice, the last counts (RFC
    /// 9651 4.2.2).
    ///
    /// # Errors
    /// [`MalformedIntegrity`] with the first field that breaks its grammar, or whose value for a known algorithm is
    /// not a byte sequence as long as the digests of that algorithm are.
    pub fn parse<'a, L>(lines: impl Fn(IntegrityField) -> L) -> Result<Self, MalformedIntegrity>
    where
        L: IntoIterator<Item = &'a [u8]>,
    {
        let mut expected = Vec::new();
        for field in IntegrityField::ALL {
            let digests = match field {
                IntegrityField::ContentDigest | IntegrityField::ReprDigest => digests(lines(field)),
                IntegrityField::ContentMd5 => content_md5(lines(field)),
            };
            let digests = digests.map_err(|MalformedField| MalformedIntegrity(field))?;
            expected.extend(digests.into_iter().map(|digest| (field, digest)));
        }
        Ok(Self { expected })
    }

    /// Whether nothing is promised.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// Each digest that is expected, with the field that says so.
    pub fn iter(&self) -> impl Iterator<Item = (IntegrityField, IntegrityDigest)> {
        self.expected.iter().copied()
    }

    /// Compares the promises with what was `computed` of the body: one digest of each function that is expected.
    ///
    /// # Errors
    /// [`IntegrityMismatch`] with the first promise that does not hold. One that was not computed does not hold.
    pub fn check(&self, computed: &[IntegrityDigest]) -> Result<(), Box<IntegrityMismatch>> {
        for (field, expected) in self.iter() {
            let same_function = |digest: &&IntegrityDigest| digest.function() == expected.function();
            let computed = computed.iter().find(same_function).copied();
            if computed != Some(expected) {
                return Err(Box::new(IntegrityMismatch { field, expected, computed }));
            }
        }
        Ok(())
    }
}

impl fmt::Display for MalformedIntegrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, form) = match self.0 {
            IntegrityField::ContentMd5 => ("Content-MD5", "the base64 of 16 bytes"),
            field => (field.name(), "a dictionary of byte sequences, as in sha-256=:<base64 of 32 bytes>:"),
        };
        write!(f, "{name}: the field must be {form}")
    }
}

impl std::error::Error for MalformedIntegrity {}

impl fmt::Display for IntegrityMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, computed } = self;
        let (name, function) = (field.name(), expected.function());
        match computed {
            Some(computed) => {
                write!(f, "{name}: the body's {function} is {computed}, the field says {expected}")
            }
            None => write!(f, "{name}: the body's {function} is not known, the field says {expected}"),
        }
    }
}

impl std::error::Error for IntegrityMismatch {}

/// The digests of a `Content-Digest` or `Repr-Digest` field.
fn digests<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<IntegrityDigest>, MalformedField> {
    let members = dictionary(lines)?;
    let known = IntegrityAlgorithm::ALL.into_iter();
    let known = known.filter_map(|algorithm| Some((algorithm, members.get(algorithm.name())?)));
    known
        .map(|(algorithm, member)| match member {
            ListEntry::Item(item) => {
                let bytes = item.bare_item.as_byte_sequence();
                bytes.and_then(|bytes| algorithm.digest(bytes)).ok_or(MalformedField)
            }
            ListEntry::InnerList(_) => Err(MalformedField),
        })
        .collect()
}

/// The digest of a `Content-MD5` field: one line, the base64 of 16 bytes.
fn content_md5<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<IntegrityDigest>, MalformedField> {
    let mut lines = lines.into_iter();
    let Some(line) = lines.next() else { return Ok(Vec::new()) };
    if lines.next().is_some() {
        return Err(MalformedField);
    }
    let bytes = STANDARD.decode(trim_ows(line)).map_err(|_| MalformedField)?;
    let digest = bytes.try_into().map_err(|_| MalformedField)?;
    Ok(vec![IntegrityDigest::Md5(digest)])
}

/// All lines of a field as the single dictionary they are (RFC 9651 4.2).
fn dictionary<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Dictionary, MalformedField> {
    let mut members = Dictionary::new();
    for line in lines {
        let parser = Parser::new(trim_ows(line));
        parser.parse_dictionary_with_visitor(&mut members).map_err(|_| MalformedField)?;
    }
    Ok(members)
}

/// A preference of RFC 9530 4: an integer from 0 to 10.
fn weight_of(member: &ListEntry) -> Option<i64> {
    match member {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::Integer(weight) => Some(i64::from(weight)).filter(|weight| (0..=10).contains(weight)),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    }
}

#[cfg(test)]
mod tests;

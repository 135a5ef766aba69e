//! [`Text`]: whether the bytes of a file are text. It knows no media types.

use super::settle::MEMORY_FILE_LIMIT;
use crate::root::{OpenError, OpenFile, Stamp};

/// How many bytes of a file decide: all of a small one, the beginning of a large one. So the answer does not change when the rest of a
/// large file is read, and is the same for everybody who has the same bytes.
const DECISIVE: u64 = MEMORY_FILE_LIMIT;

/// How much of a large file is read at a time. Most files that are no text show it at once.
const PIECE: usize = 64 << 10;

/// Whether bytes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// UTF-8 in which tabs, ends of lines and form feeds are the only control characters.
    Plain,
    /// UTF-8 with other control characters.
    WithControls,
    /// No text, or text in another encoding. ASCII with the control characters by which ISO 2022 encodings change between alphabets
    /// counts as that.
    Other,
}

/// What some bytes have in them.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    controls: u8,
    shifts: u8,
    /// The highest bit is set if any byte is not ASCII.
    bits: u8,
}

impl Text {
    /// Looks at all bytes of a small file.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(_) => Seen::default().and(bytes).verdict(),
            Err(_) => Self::Other,
        }
    }

    /// Looks at a file of the size in `stamp`. Blocks. That the bytes belong to the stamp is for the caller to verify.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the filesystem fails.
    pub fn of_file(file: &OpenFile, stamp: &Stamp) -> Result<Self, OpenError> {
        let decisive = stamp.size.min(DECISIVE);
        let (mut piece, mut begun, mut offset) = (vec![0; PIECE], 0, 0);
        let mut seen = Seen::default();
        while offset < decisive {
            let room = piece.len().min(begun + usize::try_from(decisive - offset).unwrap_or(PIECE));
            let read = match file.read_at(&mut piece[begun..room], offset)? {
                0 => break,
                read => read,
            };
            offset += read as u64;
            let bytes = &piece[..begun + read];
            let whole = match std::str::from_utf8(bytes) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_some() => return Ok(Self::Other),
                // The last character goes on in the next piece.
                Err(error) => error.valid_up_to(),
            };
            seen = seen.and(&bytes[..whole]);
            begun = bytes.len() - whole;
            piece.copy_within(whole..whole + begun, 0);
        }
        // A character that the end of the file cuts off is none.
        Ok(if begun > 0 && offset >= stamp.size { Self::Other } else { seen.verdict() })
    }
}

impl Seen {
    /// Goes through all bytes without leaving early: that is what the compiler makes wide instructions of.
    fn and(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |seen, byte| {
            let is_space = matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
            let is_control = (*byte < 0x20 && !is_space) || *byte == 0x7f;
            Self {
                controls: seen.controls | u8::from(is_control),
                shifts: seen.shifts | u8::from(matches!(byte, 0x0e | 0x0f | 0x1b)),
                bits: seen.bits | byte,
            }
        })
    }

    fn verdict(self) -> Text {
        match (self.shifts != 0 && self.bits.is_ascii(), self.controls != 0) {
            (true, _) => Text::Other,
            (false, true) => Text::WithControls,
            (false, false) => Text::Plain,
        }
    }
}

#[cfg(test)]
mod tests;

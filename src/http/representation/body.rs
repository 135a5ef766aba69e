//! Bodies that are streamed from a file: never a byte under a tag it does not belong to.
//!
//! Each chunk is read, then the file's stamp is looked at, and only if it is the one the tag was
//! computed under is the chunk handed on. If the stamp moved, the bytes may still be the same (chmod, a
//! new hard link, touch): then the file is hashed again and the chunk read again. Otherwise the body ends
//! in an error, and the connection with it: a cache may keep a prefix (RFC 9111 3.3), so stopping only at
//! the end would be too late.
//!
//! A file that somebody was writing to when it was opened (a log) has no strong tag to belong to. As long as it only
//! grows, what was there at that moment is sent to its end.

mod chunk;
mod growth;

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use chunk::{Chunk, SMALLEST, Sending};
use growth::grown;
use rustix::io::Errno;

use crate::blocking::Task;
use crate::root::{Location, OpenFile, ReadStyle, Stamp, Standing};
use crate::semantics::range::ByteRange;

/// A file that is about to be sent.
pub(in crate::http) struct FileBody {
    file: OpenFile,
    location: Location,
    style: ReadStyle,
    when_changed: WhenChanged,
}

/// What becomes of a body whose file has changed.
enum WhenChanged {
    /// It ends.
    End,
    /// It goes on if the file still has the digest that was promised.
    Recheck(Recheck),
    /// It goes on if the file is longer than before: appending leaves alone what was there.
    MayGrow,
}

/// Finds the stamp under which the file has the digest that was promised, if it still has.
pub(in crate::http) type Recheck = Box<dyn Fn() -> Rechecking>;

/// A recheck under way.
pub(in crate::http) type Rechecking = Pin<Box<dyn Future<Output = Option<Stamp>>>>;

/// How often a body is rechecked before it is given up.
const RECHECKS: u32 = 8;

/// A piece of a body.
pub(in crate::http) enum Segment {
    /// Bytes made for this response.
    Text(Bytes),
    /// Bytes of the file.
    Range(ByteRange),
}

/// The body as actix sends it.
pub(in crate::http) struct Stream {
    source: Arc<Source>,
    /// The stamp every chunk must be read under; its ctime moves on when the file is displaced.
    expected: Stamp,
    segments: VecDeque<Segment>,
    left: u64,
    reading: Option<Task<Result<Chunk, Errno>>>,
    when_changed: WhenChanged,
    rechecking: Option<Rechecking>,
    rechecks_left: u32,
    _sending: Sending,
}

/// What is read from, here or on the blocking pool.
struct Source {
    file: OpenFile,
    location: Location,
    style: ReadStyle,
}

/// Why a body ended early.
#[derive(Debug)]
pub(in crate::http) enum BodyError {
    /// The file changed while it was sent.
    Changed,
    /// It could not be read.
    Read(Errno),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("the file changed while it was sent; the connection is cut"),
            Self::Read(errno) => write!(f, "the file could not be read to its end: {errno}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl FileBody {
    /// A body of `file`, whose stamp is the one its tag was computed under.
    pub(in crate::http) fn new(file: OpenFile, location: Location, style: ReadStyle) -> Self {
        Self { file, location, style, when_changed: WhenChanged::End }
    }

    /// The same body, which outlives changes that leave the bytes as they are.
    pub(in crate::http) fn with_recheck(self, recheck: Recheck) -> Self {
        Self { when_changed: WhenChanged::Recheck(recheck), ..self }
    }

    /// The same body, which goes on while the file only grows.
    pub(in crate::http) fn that_may_grow(self) -> Self {
        Self { when_changed: WhenChanged::MayGrow, ..self }
    }

    /// All of it.
    pub(in crate::http) fn whole(self, length: u64) -> Stream {
        match length.checked_sub(1) {
            Some(last) => self.part(ByteRange { first: 0, last }),
            None => self.segments(VecDeque::new()),
        }
    }

    /// One range of it.
    pub(in crate::http) fn part(self, range: ByteRange) -> Stream {
        self.segments(VecDeque::from([Segment::Range(range)]))
    }

    /// Pieces of it, and text between them.
    pub(in crate::http) fn segments(self, segments: VecDeque<Segment>) -> Stream {
        let left = segments.iter().map(Segment::len).sum();
        let Self { file, location, style, when_changed } = self;
        Stream {
            expected: file.stamp(),
            source: Arc::new(Source { file, location, style }),
            segments,
            left,
            reading: None,
            when_changed,
            rechecking: None,
            rechecks_left: RECHECKS,
            _sending: Sending::begin(),
        }
    }
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Text(bytes) => bytes.len() as u64,
            Self::Range(range) => range.len(),
        }
    }
}

impl Stream {
    /// Reads at once if that needs no waiting for the disk.
    fn read_now(&self, range: ByteRange) -> Result<Chunk, Errno> {
        let mut chunk = Chunk::for_length(range.len());
        let read = match self.source.style {
            ReadStyle::InPlace => self.source.file.read_at(chunk.space(), range.first)?,
            ReadStyle::TryCached => self.source.file.read_cached_at(chunk.space(), range.first)?,
            ReadStyle::Pool => return Err(Errno::AGAIN),
        };
        Ok(chunk.filled(read))
    }

    fn read_later(&self, range: ByteRange) -> Task<Result<Chunk, Errno>> {
        let source = Arc::clone(&self.source);
        let mut chunk = Chunk::for_length(range.len());
        crate::blocking::spawn(move || {
            let read = source.file.read_at(chunk.space(), range.first)?;
            Ok(chunk.filled(read))
        })
    }

    /// Whether what was just read was read under the promised stamp.
    fn is_true(&mut self) -> bool {
        match self.source.file.standing(&self.expected, &self.source.location) {
            Standing::Same => true,
            Standing::Displaced(stamp) => {
                self.expected = stamp;
                // What nobody can ask for any more cannot be hashed again.
                if let WhenChanged::Recheck(_) = self.when_changed {
                    self.when_changed = WhenChanged::End;
                }
                true
            }
            Standing::Changed => self.has_only_grown(),
        }
    }

    /// Whether it may grow and is longer than before.
    fn has_only_grown(&mut self) -> bool {
        let WhenChanged::MayGrow = self.when_changed else { return false };
        let longer = self.source.file.stamp_now().ok().filter(|now| now.has_grown_from(&self.expected));
        self.expected = longer.unwrap_or(self.expected);
        longer.is_some()
    }

    /// Begins to find out whether the bytes are the same under the stamp of now.
    fn begin_recheck(&mut self) -> Result<(), BodyError> {
        let same_size = self.source.file.stamp_now().is_ok_and(|stamp| stamp.size == self.expected.size);
        match &self.when_changed {
            WhenChanged::Recheck(recheck) if same_size && self.rechecks_left > 0 => {
                self.rechecks_left -= 1;
                self.rechecking = Some(recheck());
                Ok(())
            }
            WhenChanged::MayGrow => {
                self.rechecking = Some(Box::pin(grown(Arc::clone(&self.source), self.expected)));
                Ok(())
            }
            _ => Err(BodyError::Changed),
        }
    }

    fn poll_recheck(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(rechecking) = &mut self.rechecking else { return Poll::Ready(Ok(())) };
        let found = ready!(rechecking.as_mut().poll(context));
        self.rechecking = None;
        Poll::Ready(match found.filter(|stamp| stamp.same_inode(&self.expected)) {
            Some(stamp) => {
                self.expected = stamp;
                Ok(())
            }
            None => Err(BodyError::Changed),
        })
    }

    /// Hands on what was read of `range`.
    fn accept(&mut self, range: ByteRange, chunk: Chunk) -> Result<Bytes, BodyError> {
        let read = chunk.as_ref().len() as u64;
        if read == 0 {
            return Err(BodyError::Changed);
        }
        match read < range.len() {
            true => {
                let rest = ByteRange { first: range.first + read, ..range };
                self.segments[0] = Segment::Range(rest);
            }
            false => drop(self.segments.pop_front()),
        }
        self.left -= read;
        Ok(Bytes::from_owner(chunk))
    }

    fn poll_chunk(&mut self, range: ByteRange, context: &mut Context<'_>) -> Poll<Result<Chunk, Errno>> {
        if self.reading.is_none() {
            match self.read_now(range) {
                Err(Errno::AGAIN | Errno::OPNOTSUPP) => {}
                other => return Poll::Ready(other),
            }
        }
        let later = match self.reading.take() {
            Some(reading) => reading,
            None => self.read_later(range),
        };
        let reading = self.reading.insert(later);
        let done = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        Poll::Ready(done.unwrap_or(Err(Errno::IO)))
    }

    fn poll_range(&mut self, range: ByteRange, context: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        loop {
            ready!(self.poll_recheck(context))?;
            let chunk = ready!(self.poll_chunk(range, context)).map_err(BodyError::Read)?;
            if self.is_true() {
                return Poll::Ready(self.accept(range, chunk));
            }
            self.begin_recheck()?;
        }
    }
}

impl MessageBody for Stream {
    type Error = BodyError;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        match this.segments.front() {
            None => Poll::Ready(None),
            Some(&Segment::Range(range)) => {
                let polled = this.poll_range(range, context);
                if let Poll::Ready(Err(error)) = &polled {
                    log::info!("{error}");
                }
                polled.map(Some)
            }
            Some(Segment::Text(text)) => {
                let text = text.clone();
                this.segments.pop_front();
                this.left -= text.len() as u64;
                Poll::Ready(Some(Ok(text)))
            }
        }
    }
}

/// Bytes in memory as a body. Many are handed on in pieces: actix copies each piece into its write
/// buffer, which is cheap only while that stays in the processor's cache.
pub(in crate::http) fn memory(bytes: Bytes) -> BoxBody {
    match bytes.len() <= SMALLEST {
        true => BoxBody::new(bytes),
        false => BoxBody::new(Pieces(VecDeque::from([bytes]), Sending::begin())),
    }
}

/// Parts of bytes in memory as a body, and text between them. The bytes are shared with others that are sent, not copied.
pub(in crate::http) fn memory_segments(bytes: &Bytes, segments: VecDeque<Segment>) -> BoxBody {
    let part = |segment| match segment {
        Segment::Text(text) => text,
        Segment::Range(range) => slice(bytes, range),
    };
    BoxBody::new(Pieces(segments.into_iter().map(part).collect(), Sending::begin()))
}

struct Pieces(VecDeque<Bytes>, Sending);

impl MessageBody for Pieces {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.iter().map(|bytes| bytes.len() as u64).sum())
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        while self.0.front().is_some_and(Bytes::is_empty) {
            self.0.pop_front();
        }
        let next = self.0.front_mut().map(|bytes| bytes.split_to(bytes.len().min(Sending::share())));
        Poll::Ready(next.map(Ok))
    }
}

/// A range of bytes in memory.
pub(in crate::http) fn slice(bytes: &Bytes, range: ByteRange) -> Bytes {
    let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(clamp(range.first)..clamp(range.last.saturating_add(1)))
}

/// The boundary and the segments of a `multipart/byteranges` body (RFC 9110 14.6).
pub(in crate::http) fn multipart(
    ranges: &[ByteRange],
    media_type: &str,
    complete_length: u64,
) -> (String, VecDeque<Segment>) {
    let boundary = boundary();
    let mut segments = VecDeque::with_capacity(ranges.len() * 2 + 1);
    for ByteRange { first, last } in ranges {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {media_type}\r\n\
             Content-Range: bytes {first}-{last}/{complete_length}\r\n\r\n"
        );
        segments.push_back(Segment::Text(Bytes::from(head)));
        segments.push_back(Segment::Range(ByteRange { first: *first, last: *last }));
    }
    segments.push_back(Segment::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    (boundary, segments)
}

/// A boundary nobody can foresee, so that no file can contain it on purpose.
fn boundary() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

#[cfg(test)]
mod tests;

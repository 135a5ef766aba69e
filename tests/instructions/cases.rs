//! The requests that are counted, and the folder they are about. How they are sent is not here.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::client::{Client, Request};

/// One kind of request.
pub(crate) struct Case {
    /// Its name in the table.
    pub(crate) name: &'static str,
    method: &'static str,
    path: &'static str,
    field: Field,
    status: u16,
}

/// What a request says beside what every request says.
enum Field {
    None,
    /// `If-None-Match` with the tag that the file has.
    Tag,
    /// `Range`.
    Range(&'static str),
}

/// In the order in which they are counted.
pub(crate) const CASES: [Case; 6] = [
    Case { name: "get-1k", method: "GET", path: "/f.txt", field: Field::None, status: 200 },
    Case { name: "get-nested", method: "GET", path: "/a/b/c/f.txt", field: Field::None, status: 200 },
    Case { name: "head", method: "HEAD", path: "/f.txt", field: Field::None, status: 200 },
    Case { name: "not-modified", method: "GET", path: "/f.txt", field: Field::Tag, status: 304 },
    Case { name: "not-found", method: "GET", path: "/nothing.txt", field: Field::None, status: 404 },
    Case {
        name: "range-of-large",
        method: "GET",
        path: "/large.bin",
        field: Field::Range("bytes=1000000-1065535"),
        status: 206,
    },
];

/// Larger than what is kept in memory, so that it is read from disk.
const LARGE: usize = 4 << 20;

/// A folder with the files that the cases ask for. They look as if they had been there for long.
pub(crate) fn folder() -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let nested = folder.path().join("a/b/c");
    fs::create_dir_all(&nested)?;
    write(&folder.path().join("f.txt"), 1024)?;
    write(&nested.join("f.txt"), 1024)?;
    write(&folder.path().join("large.bin"), LARGE)?;
    Ok(folder)
}

fn write(path: &Path, length: usize) -> io::Result<()> {
    let bytes: Vec<u8> = b"ifmatch\n".iter().copied().cycle().take(length).collect();
    fs::write(path, bytes)?;
    // A date that does not change has always the same length and the same digits.
    let past = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::options().write(true).open(path)?.set_times(FileTimes::new().set_modified(past))
}

/// The requests of [`CASES`] as they go over the wire.
pub(crate) fn requests(client: &mut Client) -> Result<Vec<Request>, String> {
    CASES.iter().map(|case| request(case, client)).collect()
}

fn request(case: &Case, client: &mut Client) -> Result<Request, String> {
    let Case { method, path, status, .. } = *case;
    let field = match case.field {
        Field::None => String::new(),
        Field::Range(ranges) => format!("Range: {ranges}\r\n"),
        Field::Tag => format!("If-None-Match: {}\r\n", client.tag_of(&Request::new("GET", path, "", 200))?),
    };
    Ok(Request::new(method, path, &field, status))
}

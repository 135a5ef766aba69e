//! Streams of files that hold still, and of files that do not.

use std::fs;
use std::io::{Seek as _, Write as _};

use super::chunk::CHUNK;
use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Root, SymlinkPolicy};

const SIZE: usize = 4 * CHUNK + 77;

/// Sends a file of [`SIZE`] bytes in the given style, with a change after the first chunk.
fn send(style: ReadStyle, change: impl FnOnce(&std::path::Path)) -> Result<Vec<u8>, String> {
    send_body(style, |body| body, change)
}

fn send_body(
    style: ReadStyle,
    prepare: impl FnOnce(FileBody) -> FileBody,
    change: impl FnOnce(&std::path::Path),
) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, vec![b'a'; SIZE]).unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let resource = ResourcePath::ROOT.child("file", Dotfiles::Hidden).unwrap();
    let file = root.open_file(&resource).unwrap();
    let body = FileBody::new(file, root.locate(&resource).unwrap(), style);
    let mut stream = prepare(body).whole(SIZE as u64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut sent = Vec::new();
        let mut change = Some(change);
        while let Some(chunk) = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await
        {
            sent.extend_from_slice(&chunk.map_err(|error| error.to_string())?);
            if let Some(change) = change.take() {
                change(&path);
            }
        }
        Ok(sent)
    })
}

const STYLES: [ReadStyle; 3] = [ReadStyle::TryCached, ReadStyle::InPlace, ReadStyle::Pool];

#[test]
fn a_file_left_alone_or_displaced_arrives_whole() {
    for style in STYLES {
        assert_eq!(send(style, |_| {}), Ok(vec![b'a'; SIZE]), "{style:?}");
        let replaced = send(style, |path| {
            fs::write(path.with_extension("new"), vec![b'b'; SIZE]).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        });
        assert_eq!(replaced, Ok(vec![b'a'; SIZE]), "{style:?}");
    }
}

#[test]
fn a_file_that_changes_under_way_is_never_finished() {
    let truncate = |path: &std::path::Path| fs::write(path, "short").unwrap();
    let grow = |path: &std::path::Path| {
        fs::File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
    };
    let overwrite = |path: &std::path::Path| {
        let mut file = fs::File::options().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.seek(std::io::SeekFrom::End(-1)).unwrap();
        file.write_all(b"b").unwrap();
        file.set_modified(modified).unwrap();
    };
    for style in STYLES {
        for change in [truncate as fn(&std::path::Path), grow, overwrite] {
            assert!(send(style, change).is_err(), "{style:?}");
        }
    }
}

#[test]
fn a_file_that_may_grow_arrives_as_it_was_unless_it_changes_in_another_way() {
    fn append(path: &std::path::Path) {
        fs::File::options().append(true).open(path).unwrap().write_all(b"a line").unwrap();
    }
    let rotate = |path: &std::path::Path| {
        fs::rename(path, path.with_extension("1")).unwrap();
        append(&path.with_extension("1"));
        fs::write(path, "the next").unwrap();
    };
    let truncate = |path: &std::path::Path| fs::write(path, "short").unwrap();
    let overwrite = |path: &std::path::Path| {
        fs::File::options().write(true).open(path).unwrap().write_all(b"b").unwrap();
    };
    for style in STYLES {
        for change in [append as fn(&std::path::Path), rotate] {
            assert_eq!(send_body(style, FileBody::that_may_grow, change), Ok(vec![b'a'; SIZE]), "{style:?}");
        }
        for change in [truncate as fn(&std::path::Path), overwrite] {
            assert!(send_body(style, FileBody::that_may_grow, change).is_err(), "{style:?}");
        }
    }
}

#[test]
fn several_ranges_are_framed_and_counted() {
    let ranges = [ByteRange { first: 0, last: 1 }, ByteRange { first: 4, last: 4 }];
    let (boundary, segments) = multipart(&ranges, "text/plain", 5);
    let length: u64 = segments.iter().map(Segment::len).sum();
    let mut body = memory_segments(&Bytes::from_static(b"abcde"), segments);
    assert_eq!(body.size(), BodySize::Sized(length));
    let mut sent = Vec::new();
    let mut context = Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(piece)) = Pin::new(&mut body).poll_next(&mut context) {
        sent.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(sent.len() as u64, length);
    let expected = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/5\r\n\r\nab\
         \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-4/5\r\n\r\ne\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(sent).unwrap(), expected);
}

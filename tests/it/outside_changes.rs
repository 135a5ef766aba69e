//! Files that others change: between the GET and the PUT of a client, and while its upload is under way. What others have
//! saved is never lost to somebody who has not seen it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::harness::folder::{modified, set_modified, set_modified_seconds};
use crate::harness::saver::map;
use crate::harness::{
    Folder, How, Launch, Server, Upload, assert_nothing_left, delete, get, put, request, save, tag_of, tree,
    version_bytes,
};

/// What somebody does to a file of these bytes; the last argument is a folder of their own.
type Change = fn(&Path, &[u8], &Path);

fn shell(script: &str, path: &Path, own: &Path) {
    let status = Command::new("sh").args(["-ec", script, "sh"]).args([path, own]).status().unwrap();
    assert!(status.success(), "{script}");
}

/// The same number of other bytes.
fn other(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x55).collect()
}

/// Changes of the bytes, however they are made and whatever they leave as it was.
const CHANGES: [(&str, Change); 16] = [
    ("echo >", |path, _, own| shell("echo changed > \"$1\"", path, own)),
    ("echo >>", |path, _, own| shell("echo changed >> \"$1\"", path, own)),
    (": >", |path, _, own| shell(": > \"$1\"", path, own)),
    ("mv", |path, _, own| shell("echo changed > \"$2/x\"; mv \"$2/x\" \"$1\"", path, own)),
    ("cp", |path, _, own| shell("echo changed > \"$2/x\"; cp \"$2/x\" \"$1\"", path, own)),
    ("ln -f", |path, _, own| shell("echo changed > \"$2/x\"; ln -f \"$2/x\" \"$1\"; rm \"$2/x\"", path, own)),
    ("dd in the middle", |path, _, own| {
        shell("printf xyz | dd of=\"$1\" bs=1 seek=7 conv=notrunc 2> /dev/null", path, own)
    }),
    ("cp -p of a file of the same size and time", |path, bytes, own| {
        fs::write(own.join("x"), other(bytes)).unwrap();
        set_modified(&own.join("x"), modified(path));
        shell("cp -p \"$2/x\" \"$1\"", path, own);
    }),
    ("mv of a file of the same size and time", |path, bytes, own| {
        fs::write(own.join("x"), other(bytes)).unwrap();
        set_modified(&own.join("x"), modified(path));
        fs::rename(own.join("x"), path).unwrap();
    }),
    ("truncated and rewritten to the same size and time", |path, bytes, _| {
        let before = modified(path);
        save(How::Truncate, path, &other(bytes)).unwrap();
        set_modified(path, before);
    }),
    ("written over in place with the same time", |path, bytes, _| {
        let before = modified(path);
        save(How::InPlace, path, &other(bytes)).unwrap();
        set_modified(path, before);
    }),
    ("through a mapping with the same time", |path, bytes, _| {
        let before = modified(path);
        save(How::Map, path, &other(bytes)).unwrap();
        set_modified(path, before);
    }),
    ("unlinked and made again with the same time", |path, bytes, _| {
        let before = modified(path);
        save(How::Recreate, path, &other(bytes)).unwrap();
        set_modified(path, before);
    }),
    ("one bit", |path, bytes, _| {
        let mut changed = bytes.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        let before = modified(path);
        fs::write(path, changed).unwrap();
        set_modified(path, before);
    }),
    ("rm", |path, _, _| fs::remove_file(path).unwrap()),
    ("mv away", |path, _, own| fs::rename(path, own.join("away")).unwrap()),
];

/// Things that happen to a file and leave its bytes as they are.
const NO_CHANGES: [(&str, Change); 9] = [
    ("touch", |path, _, own| shell("touch \"$1\"", path, own)),
    ("touch to another day", |path, _, _| set_modified_seconds(path, 1_000_000)),
    ("chmod", |path, _, own| shell("chmod 600 \"$1\"", path, own)),
    ("ln", |path, _, own| shell("ln -f \"$1\" \"$2/another-name\"", path, own)),
    ("read", |path, _, _| drop(fs::read(path).unwrap())),
    ("rewritten to the same bytes", |path, bytes, _| fs::write(path, bytes).unwrap()),
    ("a copy of the same bytes moved over it", |path, _, own| {
        shell("cp \"$1\" \"$2/x\"; mv \"$2/x\" \"$1\"", path, own);
    }),
    ("made again with the same bytes", |path, bytes, _| save(How::Recreate, path, bytes).unwrap()),
    ("opened for writing and closed", |path, _, _| {
        drop(OpenOptions::new().append(true).open(path).unwrap());
    }),
];

const SIZES: [usize; 3] = [500, 300_000, (1 << 20) + 77];

/// A server, the file that is changed, and a folder for who changes it.
fn served() -> (Server, PathBuf, PathBuf) {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let own = server.folder().outside("own");
    fs::create_dir(&own).unwrap();
    let path = server.folder().path("file");
    (server, path, own)
}

#[test]
fn what_changed_between_get_and_put_is_not_replaced() {
    let (server, path, own) = served();
    for size in SIZES {
        let (old, new) = (version_bytes(1, size), version_bytes(2, size));
        for (what, change) in CHANGES {
            for question in
                [put("/file", &new), request("PUT", "/file").chunked(&new, 99_999), delete("/file")]
            {
                fs::write(&path, &old).unwrap();
                let tag = server.get_settled("/file").expect_file(&old).tag();
                change(&path, &old, &own);
                let before = tree(&server.folder().root());
                let status = if path.exists() || question.method == "PUT" { 412 } else { 404 };
                let refused = server.ask(&question.field("If-Match", tag)).expect_problem(status);
                assert_eq!(tree(&server.folder().root()), before, "{what}\n{refused}");
            }
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn what_changes_during_an_upload_is_not_replaced() {
    let (server, path, own) = served();
    for size in SIZES {
        let (old, new) = (version_bytes(1, size), version_bytes(2, size));
        for (what, change) in CHANGES {
            for question in [put("/file", &new), request("PUT", "/file").chunked(&new, 99_999)] {
                fs::write(&path, &old).unwrap();
                let upload = Upload::begin(&server, question.field("If-Match", tag_of(&old)));
                change(&path, &old, &own);
                let before = tree(&server.folder().root());
                let refused = upload.finish().expect_problem(412);
                assert_eq!(refused.json()["failed-field"], "If-Match", "{what}\n{refused}");
                assert_eq!(tree(&server.folder().root()), before, "{what}\n{refused}");
                let now = fs::read(&path).ok().map(|bytes| tag_of(&bytes));
                assert_eq!(refused.field("ETag"), now.as_deref(), "{what}\n{refused}");
            }
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn what_appears_during_an_upload_is_not_replaced() {
    let (server, path, _) = served();
    for size in SIZES {
        let upload = Upload::begin(&server, put("/file", version_bytes(1, size)).field("If-None-Match", "*"));
        fs::write(&path, "theirs").unwrap();
        let before = tree(&server.folder().root());
        upload.finish().expect_problem(412);
        assert_eq!(tree(&server.folder().root()), before);
        fs::remove_file(&path).unwrap();
        // The other way round: what was there is gone, and may be made anew.
        fs::write(&path, "theirs").unwrap();
        let upload = Upload::begin(&server, put("/file", version_bytes(1, size)));
        fs::remove_file(&path).unwrap();
        upload.finish().expect(201);
        server.get("/file").expect_file(&version_bytes(1, size));
        fs::remove_file(&path).unwrap();
    }
    assert_nothing_left(&server);
}

#[test]
fn what_leaves_the_bytes_as_they_are_is_no_conflict() {
    let (server, path, own) = served();
    for size in SIZES {
        let (old, new) = (version_bytes(1, size), version_bytes(2, size));
        for (what, change) in NO_CHANGES {
            for question in [put("/file", &new), delete("/file")] {
                fs::write(&path, &old).unwrap();
                let tag = server.get_settled("/file").expect_file(&old).tag();
                change(&path, &old, &own);
                eprintln!("{what}");
                let answer = server.ask(&question.field("If-Match", tag)).expect(204);
                if answer.method == "PUT" {
                    server.get("/file").expect_file(&new);
                }
            }
            fs::write(&path, &old).unwrap();
            let upload = Upload::begin(&server, put("/file", &new).field("If-Match", tag_of(&old)));
            change(&path, &old, &own);
            upload.finish().expect(204);
            server.get("/file").expect_file(&new);
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn who_names_only_a_date_does_not_replace_what_has_kept_it() {
    let (server, _, own) = served();
    // Old enough that the clock cannot be what tells the versions apart.
    for size in SIZES {
        for (what, change) in
            CHANGES.into_iter().filter(|(what, _)| what.contains("same") || what.contains("bit"))
        {
            for question in [put("/", "mine"), delete("/")] {
                // A file of its own: a date that moved past those of other versions is not told at once.
                let name = format!("{} {size} {what}", question.method).replace(' ', "-");
                let (old, target) = (version_bytes(1, size), format!("/{name}"));
                let path = server.folder().write(&name, &old);
                set_modified_seconds(&path, 784_111_777);
                let date = server.get_settled(&target).expect(200).field("Last-Modified").unwrap().to_owned();
                change(&path, &old, &own);
                let before = tree(&server.folder().root());
                let question = question.at(&target).field("If-Unmodified-Since", date);
                let refused = server.ask(&question).expect_problem(412);
                assert_eq!(tree(&server.folder().root()), before, "{what}\n{refused}");
            }
        }
    }
}

/// Panics unless the write says that somebody is writing, and has touched nothing.
#[track_caller]
fn assert_told_to_wait(server: &Server, question: &crate::harness::Request) {
    let before = tree(&server.folder().root());
    let refused = server.ask(question).expect_problem(409);
    let seconds: u64 = refused.field("Retry-After").unwrap_or_default().parse().unwrap();
    assert!((1..60).contains(&seconds), "{refused}");
    assert_eq!(tree(&server.folder().root()), before, "{refused}");
}

#[test]
fn a_file_that_somebody_has_open_for_writing_is_waited_for() {
    let (server, path, _) = served();
    for size in SIZES {
        let (old, new) = (version_bytes(1, size), version_bytes(2, size));
        let guarded = put("/file", &new).field("If-Match", tag_of(&old));
        let openings: [fn(&Path) -> File; 3] = [
            |path| OpenOptions::new().write(true).open(path).unwrap(),
            |path| OpenOptions::new().append(true).open(path).unwrap(),
            |path| OpenOptions::new().read(true).write(true).open(path).unwrap(),
        ];
        for open in openings {
            fs::write(&path, &old).unwrap();
            let writer = open(&path);
            assert_told_to_wait(&server, &guarded);
            assert_told_to_wait(&server, &guarded.clone().field("Expect", "100-continue"));
            assert_told_to_wait(&server, &delete("/file").field("If-Match", tag_of(&old)));
            drop(writer);
            server.ask(&guarded).expect(204);
            server.get("/file").expect_file(&new);
        }
        // It was opened only while the body came.
        fs::write(&path, &old).unwrap();
        let upload = Upload::begin(&server, guarded.clone());
        let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
        upload.finish().expect_problem(409);
        writer.write_all(b"theirs").unwrap();
        drop(writer);
        server.ask(&guarded).expect_problem(412);
        assert_eq!(fs::read(&path).unwrap(), [old.as_slice(), b"theirs"].concat());
    }
    assert_nothing_left(&server);
}

#[test]
fn a_file_that_is_mapped_for_writing_is_waited_for() {
    let (server, path, _) = served();
    let old = version_bytes(1, 8192);
    fs::write(&path, &old).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let fill = map(&file, 8192);
    drop(file);
    assert_told_to_wait(&server, &put("/file", "mine").field("If-Match", tag_of(&old)));
    fill(b'x');
    // That it is not the old one any more is certain all the same.
    server.ask(&put("/file", "mine").field("If-Match", tag_of(&old))).expect_one_of(&[409, 412]);
    assert_told_to_wait(&server, &delete("/file").field("If-Match", tag_of(&[b'x'; 8192])));
    assert_eq!(fs::read(&path).unwrap(), [b'x'; 8192]);
}

#[test]
fn who_names_no_version_does_not_wait_for_writers() {
    let (server, path, _) = served();
    for size in SIZES {
        let new = version_bytes(2, size);
        for question in [put("/file", &new), put("/file", &new).field("If-Match", "*")] {
            fs::write(&path, "old").unwrap();
            let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
            server.ask(&question).expect(204);
            // What they have open is not the file any more.
            writer.write_all(b"theirs").unwrap();
            server.get("/file").expect_file(&new);
        }
        fs::write(&path, "old").unwrap();
        let _writer = OpenOptions::new().append(true).open(&path).unwrap();
        server.ask(&delete("/file")).expect(204);
        assert!(!path.exists());
    }
}

#[test]
fn a_reader_does_not_stand_in_the_way() {
    let (server, path, _) = served();
    let old = version_bytes(1, 300_000);
    fs::write(&path, &old).unwrap();
    let _reader = File::open(&path).unwrap();
    // A client that takes its time is a reader, too.
    let mut slow = server.connect();
    slow.send(get("/file").bytes());
    let mut answer = slow.try_read_head(&get("/file")).expect("a head");
    server.ask(&put("/file", "new").field("If-Match", tag_of(&old))).expect(204);
    slow.try_read_rest(&mut answer).expect("the body");
    answer.expect_file(&old);
    server.get("/file").expect_file(b"new");
}

#[test]
fn a_folder_that_moves_during_an_upload_is_found_again_or_missed() {
    for size in SIZES {
        let folder = Arc::new(Folder::new());
        folder.write("sub/file", "old");
        let server = Launch::writing().start_in(Arc::clone(&folder));
        // Guarded: what was to be replaced is not there.
        let guarded = put("/sub/file", version_bytes(1, size)).field("If-Match", tag_of(b"old"));
        let upload = Upload::begin(&server, guarded.clone());
        fs::rename(folder.path("sub"), folder.path("moved")).unwrap();
        let before = tree(&folder.root());
        upload.finish().expect_problem(412);
        assert_eq!(tree(&folder.root()), before);
        // Back again, and exchanged for another folder in which the file is another one.
        fs::rename(folder.path("moved"), folder.path("sub")).unwrap();
        let upload = Upload::begin(&server, guarded);
        fs::rename(folder.path("sub"), folder.path("moved")).unwrap();
        folder.write("sub/file", "another");
        let before = tree(&folder.root());
        upload.finish().expect_problem(412);
        assert_eq!(tree(&folder.root()), before);
        // Not guarded: it goes where the path leads now.
        let upload = Upload::begin(&server, put("/sub/file", version_bytes(2, size)));
        fs::rename(folder.path("sub"), folder.path("moved again")).unwrap();
        upload.finish().expect(201);
        server.get("/sub/file").expect_file(&version_bytes(2, size));
        assert_eq!(fs::read_to_string(folder.path("moved again/file")).unwrap(), "another");
        assert_nothing_left(&server);
    }
}

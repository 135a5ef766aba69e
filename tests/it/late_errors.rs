//! Filesystems that take bytes and lose them: the error comes late, or never. No upload is acknowledged whose bytes are
//! not there, and the version before stays.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::harness::mount::Mount;
use crate::harness::{
    Folder, Launch, Server, Upload, delete, eventually, put, request, tag_of, version_bytes,
};

/// A folder that is served through SFTP and lies on a disk of 1 MiB, which `taken` bytes of others fill.
fn on_a_small_disk(folder: &Folder, taken: usize) -> Option<(Mount, Mount)> {
    fs::create_dir(folder.outside("disk")).unwrap();
    let disk = Mount::tmpfs(&folder.outside("disk"), &["size=1m"])?;
    fs::write(folder.outside("disk/others"), version_bytes(9, taken)).unwrap();
    let shown = Mount::sshfs(&folder.outside("disk"), &folder.root(), &[])?;
    Some((disk, shown))
}

/// Panics unless every answer of success is true.
#[track_caller]
fn assert_no_byte_is_lost(server: &Server, sizes: &[usize]) {
    let folder = server.folder();
    let stored = |name: &str| fs::read(folder.outside("disk").join(name)).ok();
    let old = version_bytes(1, 1000);
    server.ask(&put("/old", &old)).expect(201);
    for (round, size) in sizes.iter().enumerate() {
        let new = version_bytes(round as u64 + 2, *size);
        let guarded = put("/old", &new).field("If-Match", tag_of(&old));
        let chunked = request("PUT", "/old").chunked(&new, 32 << 10);
        for question in [put("/old", &new), guarded, chunked] {
            server.ask(&question).expect_one_of(&[500, 507]);
            assert_eq!(stored("old"), Some(old.clone()), "{size} bytes: the version before is gone");
        }
        server.ask(&put("/new", &new)).expect_one_of(&[500, 507]);
        assert_eq!(stored("new"), None, "{size} bytes: a part of the file has its name");
        server.get("/old").expect_file(&old);
    }
    let small = version_bytes(8, 2000);
    eventually("the room of what was refused is free again", || {
        let answer = server.ask(&put("/old", &small));
        (answer.status == 204).then_some(())
    });
    assert_eq!(stored("old"), Some(small));
    server.ask(&delete("/old")).expect(204);
}

#[test]
fn no_upload_is_acknowledged_that_a_full_disk_behind_sftp_has_not_stored() {
    for durability in ["full", "file", "none"] {
        let folder = Arc::new(Folder::new());
        let Some(_mounts) = on_a_small_disk(&folder, 800_000) else { return };
        let launch = Launch::writing().args(["--durability", durability]);
        let mut server = launch.start_in(Arc::clone(&folder));
        // The first ones never leave memory until they are complete.
        assert_no_byte_is_lost(&server, &[300_000, 500_000, 1 << 20, 3 << 20]);
        server.assert_well();
    }
}

#[test]
fn what_a_filesystem_gives_back_is_compared_before_anything_is_displaced() {
    let folder = Arc::new(Folder::new());
    folder.write_outside("below/file", "old");
    let Some(_mount) = Mount::bindfs(&folder.outside("below"), &folder.root(), &[]) else { return };
    for durability in ["full", "none"] {
        let launch = Launch::writing().args(["--durability", durability]);
        let server = launch.start_in(Arc::clone(&folder));
        for (target, guard) in [("/file", tag_of(b"old")), ("/new", String::new())] {
            let mut question = put(target, version_bytes(1, 3_000_000));
            if !guard.is_empty() {
                question = question.field("If-Match", guard);
            }
            let upload = Upload::begin(&server, question);
            // The disk below turns a byte that was written and acknowledged, and tells nobody.
            eventually("the first half is in a file", || turn_a_byte_of_an_upload(&folder));
            let refused = upload.finish().expect_problem(500);
            assert!(refused.text().contains("Nothing was changed"), "{refused}");
            assert_eq!(fs::read(folder.outside("below/file")).unwrap(), b"old");
            assert!(!folder.outside("below/new").exists());
        }
    }
}

/// Changes the first byte of the one upload that is under way, once some of it is on the disk.
fn turn_a_byte_of_an_upload(folder: &Folder) -> Option<()> {
    let names = fs::read_dir(folder.outside("below")).unwrap().map(|entry| entry.unwrap().path());
    let staged = names.into_iter().find(|path| path.display().to_string().contains("/.~ifmatch.t."))?;
    let file = fs::File::options().read(true).write(true).open(staged).ok()?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).ok()?;
    file.write_all_at(&[byte[0] ^ 1], 0).unwrap();
    Some(())
}

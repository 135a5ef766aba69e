//! Filesystems that are mounted in each other's place under a running server. Device, inode, size and times of a file can
//! all be those of the file before it: what was read in one mount is never believed in another.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::harness::mount::{Image, Mount};
use crate::harness::{Folder, Launch, Server, get, version_bytes};

const SMALL: usize = 5000;
const LARGE: usize = 2 << 20;

/// Makes two images of the same files with other bytes.
#[track_caller]
fn two_images(folder: &Folder, image: fn(&Path, u32) -> Option<Image>) -> Option<(Image, Image)> {
    let of_version = |version| {
        for (name, size) in [("small", SMALL), ("large", LARGE)] {
            folder.write_outside(&format!("source/{name}"), version_bytes(version, size));
        }
        image(&folder.outside("source"), 1_700_000_000)
    };
    let images = (of_version(1)?, of_version(2)?);
    // So that either fits the device of the other.
    let length = |image: &Image| fs::metadata(image.file()).unwrap().len();
    let longest = length(&images.0).max(length(&images.1));
    for image in [&images.0, &images.1] {
        fs::File::options().write(true).open(image.file()).unwrap().set_len(longest).unwrap();
    }
    Some(images)
}

/// Asks for both files, and returns their tags.
#[track_caller]
fn expect_version(server: &Server, folder: &str, version: u64) -> Vec<String> {
    let files = [("small", SMALL), ("large", LARGE)];
    let tag_of = |(name, size)| {
        let response = server.get_settled(format!("{folder}/{name}"));
        response.expect_file(&version_bytes(version, size)).tag()
    };
    files.map(tag_of).to_vec()
}

/// What the filesystem says of a file, but for its mount.
fn told(path: &Path) -> (u64, u64, u64, i64, i64) {
    let status = fs::metadata(path).unwrap();
    (status.dev(), status.ino(), status.size(), status.mtime(), status.ctime())
}

/// Mounts two images one after the other on the same device, so that nothing but the mount tells their files apart.
#[track_caller]
fn never_old_bytes_from_an_image(image: fn(&Path, u32) -> Option<Image>) {
    let folder = Arc::new(Folder::new());
    let Some((first, second)) = two_images(&folder, image) else { return };
    let at = folder.folder("image");
    let device = first.attach();
    let mount = device.mount(&at, &[]);
    let server = Launch::new().start_in(Arc::clone(&folder));
    let before = told(&folder.path("image/small"));
    let tags = expect_version(&server, "/image", 1);
    expect_version(&server, "/image", 1);

    mount.unmount();
    fs::write(first.file(), fs::read(second.file()).unwrap()).unwrap();
    let _mount = device.mount(&at, &[]);
    assert_eq!(told(&folder.path("image/small")), before, "the stamps repeat, or this tests nothing");
    let date = server.head("/image/small").field("last-modified").map(str::to_owned);
    for (name, tag) in [("small", &tags[0]), ("large", &tags[1])] {
        let target = format!("/image/{name}");
        server.ask(&get(&target).field("If-None-Match", tag)).expect(200);
        server.ask(&get(&target).field("If-Range", tag).field("Range", "bytes=0-9")).expect(200);
    }
    assert_ne!(date.as_deref(), Some("Tue, 14 Nov 2023 22:13:20 GMT"), "the date of other bytes");
    assert_ne!(expect_version(&server, "/image", 2), tags);
}

#[test]
fn another_squashfs_is_never_answered_with_the_bytes_of_the_one_before() {
    never_old_bytes_from_an_image(Image::squashfs);
}

#[test]
fn another_erofs_is_never_answered_with_the_bytes_of_the_one_before() {
    never_old_bytes_from_an_image(Image::erofs);
}

#[test]
fn an_image_that_is_unmounted_while_it_is_used_gives_way_to_the_next() {
    let folder = Arc::new(Folder::new());
    let Some((first, second)) = two_images(&folder, Image::squashfs) else { return };
    let mount = first.mount(&folder.folder("image"), &[]);
    let server = Launch::new().start_in(Arc::clone(&folder));
    expect_version(&server, "/image", 1);
    let _held = fs::File::open(folder.path("image/large")).unwrap();
    let mount = mount.replace(&second, &[]);
    expect_version(&server, "/image", 2);
    let _mount = mount.replace(&first, &[]);
    expect_version(&server, "/image", 1);
}

#[test]
fn an_image_that_is_the_root_itself_gives_way_to_the_next() {
    let folder = Arc::new(Folder::new());
    let Some((first, second)) = two_images(&folder, Image::squashfs) else { return };
    let mount = first.mount(&folder.root(), &[]);
    // The sandbox knows the folder that was there at start, and lets no other filesystem be read in its place.
    let server = Launch::new().args(["--sandbox", "off"]).start_in(Arc::clone(&folder));
    expect_version(&server, "", 1);
    let mount = mount.replace(&second, &[]);
    expect_version(&server, "", 2);
    // Mounted over it, and away again.
    let over = first.mount(&folder.root(), &[]);
    expect_version(&server, "", 1);
    drop(over);
    expect_version(&server, "", 2);
    drop(mount);
    server.get("/small").expect(404);
}

#[test]
fn a_folder_and_a_file_that_are_mounted_over_others_are_seen() {
    let folder = Arc::new(Folder::new());
    let at = folder.folder("place");
    folder.write("place/small", version_bytes(1, SMALL));
    folder.write("place/large", version_bytes(1, LARGE));
    folder.write_outside("other/small", version_bytes(2, SMALL));
    folder.write_outside("other/large", version_bytes(2, LARGE));
    let server = Launch::new().start_in(Arc::clone(&folder));
    expect_version(&server, "/place", 1);
    let Some(over) = Mount::bind(&folder.outside("other"), &at) else { return };
    expect_version(&server, "/place", 2);
    drop(over);
    expect_version(&server, "/place", 1);
    let file = Mount::bind(&folder.outside("other/small"), &folder.path("place/small")).unwrap();
    server.get("/place/small").expect_file(&version_bytes(2, SMALL));
    drop(file);
    server.get("/place/small").expect_file(&version_bytes(1, SMALL));
}

#[test]
fn an_overlay_over_another_image_is_another_filesystem() {
    let folder = Arc::new(Folder::new());
    let Some((first, second)) = two_images(&folder, Image::squashfs) else { return };
    let (lower, empty, at) = (folder.outside("lower"), folder.outside("empty"), folder.folder("place"));
    for place in [&lower, &empty] {
        fs::create_dir(place).unwrap();
    }
    let device = first.attach();
    let image = device.mount(&lower, &[]);
    let Some(overlay) = Mount::overlay(&at, &[&lower, &empty], None) else { return };
    let server = Launch::new().start_in(Arc::clone(&folder));
    let tags = expect_version(&server, "/place", 1);
    overlay.unmount();
    image.unmount();
    fs::write(first.file(), fs::read(second.file()).unwrap()).unwrap();
    let _image = device.mount(&lower, &[]);
    let _overlay = Mount::overlay(&at, &[&lower, &empty], None).unwrap();
    server.ask(&get("/place/small").field("If-None-Match", &tags[0])).expect(200);
    expect_version(&server, "/place", 2);
}

#[test]
fn a_filesystem_with_coarser_times_on_the_same_device_is_looked_at_anew() {
    let folder = Arc::new(Folder::new());
    let Some(image) = Image::ext4(16, &[]) else { return };
    let at = folder.folder("disk");
    let mut device = image.attach();
    let mount = device.mount(&at, &[]);
    // A server that only reads cannot try out how fine the times of a filesystem below its root are.
    let server = Launch::writing().start_in(Arc::clone(&folder));
    folder.write("disk/file", version_bytes(0, SMALL));
    server.get("/disk/file").expect_file(&version_bytes(0, SMALL));
    mount.unmount();
    device.format_ext4(&["-I", "128"]);
    let _mount = device.mount(&at, &[]);
    // All of them within a second or two, so that most share a stamp with the one before.
    for version in 1..50 {
        folder.write("disk/file", version_bytes(version, SMALL));
        assert_eq!(
            server.get("/disk/file").expect(200).body,
            version_bytes(version, SMALL),
            "version {version}"
        );
    }
}

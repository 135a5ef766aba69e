//! The guards of `harness/mount.rs`: each filesystem comes, can be used, and leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::mount::{Image, Mount, mounted, skipped};
use crate::harness::{Folder, Launch, eventually};

/// A folder with `root/` to mount at, and a full one beside it.
fn places() -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder.write_outside("source/a.txt", "a file");
    let source = folder.outside("source");
    (folder, source)
}

/// Is a file behind some loop device?
fn is_attached(file: &Path) -> bool {
    let devices = fs::read_dir("/sys/block").unwrap();
    let behind = |device: PathBuf| fs::read_to_string(device.join("loop/backing_file")).unwrap_or_default();
    devices.map(|device| behind(device.unwrap().path())).any(|name| Path::new(name.trim_end()) == file)
}

/// Checks that a filesystem of this kind is there, that it goes with its guard, and that it takes a file if it should.
#[track_caller]
fn comes_and_goes(mount: Mount, kind: &str, takes_files: bool) {
    let at = mount.at().to_owned();
    assert_eq!(mounted(&at), [kind]);
    let written = fs::write(at.join("written"), "words");
    assert_eq!(written.is_ok(), takes_files, "{written:?}");
    drop(mount);
    assert!(mounted(&at).is_empty());
    assert!(!at.join("written").exists());
}

/// The same for an image, whose loop device has to be freed and whose file has to be removed.
#[track_caller]
fn image_comes_and_goes(image: Image, kind: &str, takes_files: bool) {
    let folder = Folder::new();
    let mount = image.mount(&folder.root(), &[]);
    assert!(is_attached(image.file()));
    if !takes_files {
        assert_eq!(fs::read(folder.path("a.txt")).unwrap(), b"a file");
        assert_eq!(crate::harness::folder::modified(&folder.path("a.txt")), at_seconds(1000));
    }
    comes_and_goes(mount, kind, takes_files);
    // Another process, which a test started at that moment, may have the filesystem among its own for a while.
    eventually("the loop device is freed", || (!is_attached(image.file())).then_some(()));
    let file = image.file().to_owned();
    drop(image);
    assert!(!file.parent().unwrap().exists());
}

fn at_seconds(seconds: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

#[test]
fn an_ext4_image_comes_and_goes() {
    let Some(image) = Image::ext4(8, &[]) else { return };
    image_comes_and_goes(image, "ext4", true);
}

#[test]
fn an_ext4_of_small_inodes_keeps_whole_seconds() {
    let (Some(small), Some(large)) = (Image::ext4(8, &["-I", "128"]), Image::ext4(8, &["-I", "256"])) else {
        return;
    };
    let folder = Folder::new();
    let time = at_seconds(1_000_000) + std::time::Duration::from_nanos(123_456_789);
    for (image, kept) in [(small, at_seconds(1_000_000)), (large, time)] {
        let _mount = image.mount(&folder.root(), &[]);
        let path = folder.write("a.txt", "");
        crate::harness::folder::set_modified(&path, time);
        assert_eq!(crate::harness::folder::modified(&path), kept);
    }
}

#[test]
fn an_xfs_image_comes_and_goes() {
    let Some(image) = Image::xfs(&[]) else { return };
    image_comes_and_goes(image, "xfs", true);
}

#[test]
fn a_btrfs_image_comes_and_goes() {
    let Some(image) = Image::btrfs(&[]) else { return };
    image_comes_and_goes(image, "btrfs", true);
}

#[test]
fn a_squashfs_image_comes_and_goes() {
    let (_folder, source) = places();
    let Some(image) = Image::squashfs(&source, 1000) else { return };
    image_comes_and_goes(image, "squashfs", false);
}

#[test]
fn an_erofs_image_comes_and_goes() {
    let (_folder, source) = places();
    let Some(image) = Image::erofs(&source, 1000) else { return };
    image_comes_and_goes(image, "erofs", false);
}

#[test]
fn a_device_can_be_given_another_filesystem() {
    let Some(image) = Image::ext4(8, &["-I", "256"]) else { return };
    let folder = Folder::new();
    let mut device = image.attach();
    let mount = device.mount(&folder.root(), &[]);
    folder.write("a.txt", "of the first");
    mount.unmount();
    device.format_ext4(&["-I", "128"]);
    let mount = device.mount(&folder.root(), &[]);
    assert!(!folder.path("a.txt").exists());
    assert!(device.path().starts_with("/dev"));
    drop(mount);
    drop(device);
    eventually("the loop device is freed", || (!is_attached(image.file())).then_some(()));
}

#[test]
fn a_tmpfs_has_the_size_it_was_given() {
    let folder = Folder::new();
    let Some(mount) = Mount::tmpfs(&folder.root(), &["size=64k"]) else { return };
    assert!(fs::write(folder.path("large"), [0; 128 << 10]).is_err());
    fs::remove_file(folder.path("large")).unwrap();
    comes_and_goes(mount, "tmpfs", true);
}

#[test]
fn a_mount_can_become_read_only() {
    let folder = Folder::new();
    let Some(mount) = Mount::tmpfs(&folder.root(), &[]) else { return };
    folder.write("a.txt", "a file");
    mount.change("ro");
    comes_and_goes(mount, "tmpfs", false);
}

#[test]
fn an_overlay_comes_and_goes() {
    let (folder, source) = places();
    // An overlay cannot lie on another, as the temporary folder of a container may.
    let Some(_disk) = Mount::tmpfs(&source, &[]) else { return };
    for name in ["one", "two", "upper", "work"] {
        folder.write_outside(&format!("source/{name}/{name}.txt"), name);
    }
    fs::remove_file(source.join("work/work.txt")).unwrap();
    let lower = [source.join("one"), source.join("two")];
    let lower: Vec<&Path> = lower.iter().map(PathBuf::as_path).collect();
    let (upper, work) = (source.join("upper"), source.join("work"));
    let Some(mount) = Mount::overlay(&folder.root(), &lower, Some((&upper, &work))) else { return };
    assert!(["one", "two", "upper"].iter().all(|name| folder.path(format!("{name}.txt")).exists()));
    comes_and_goes(mount, "overlay", true);
    assert!(upper.join("written").exists());
    let Some(mount) = Mount::overlay(&folder.root(), &lower, None) else { return };
    comes_and_goes(mount, "overlay", false);
}

/// Checks a filesystem that shows the folder `source`.
#[track_caller]
fn shows_and_goes(mount: Mount, source: &Path, kind: &str) {
    assert_eq!(fs::read(mount.at().join("a.txt")).unwrap(), b"a file");
    comes_and_goes(mount, kind, true);
    eventually("the file is stored", || {
        fs::read(source.join("written")).ok().filter(|bytes| bytes == b"words")
    });
}

#[test]
fn a_bind_mount_comes_and_goes() {
    let (folder, source) = places();
    let Some(mount) = Mount::tmpfs(&folder.root(), &[]) else { return };
    fs::write(folder.path("a.txt"), "a file").unwrap();
    let at = folder.outside("source");
    let Some(bound) = Mount::bind(&folder.root(), &at) else { return };
    shows_and_goes(bound, &folder.root(), "tmpfs");
    assert!(source.join("a.txt").exists());
    drop(mount);
}

#[test]
fn a_folder_shown_by_bindfs_comes_and_goes() {
    let (folder, source) = places();
    let Some(mount) = Mount::bindfs(&source, &folder.root(), &[]) else { return };
    shows_and_goes(mount, &source, "fuse");
}

#[test]
fn a_folder_shown_by_sshfs_comes_and_goes() {
    let (folder, source) = places();
    let Some(mount) = Mount::sshfs(&source, &folder.root(), &["cache=no"]) else { return };
    shows_and_goes(mount, &source, "fuse.sshfs");
}

#[test]
fn a_folder_shown_by_rclone_comes_and_goes() {
    let (folder, source) = places();
    let Some(mount) = Mount::rclone(&source, &folder.root(), &["--vfs-cache-mode=off"]) else { return };
    shows_and_goes(mount, &source, "fuse.rclone");
}

#[test]
fn a_process_behind_a_filesystem_ends_with_it() {
    let (folder, source) = places();
    let Some(mount) = Mount::sshfs(&source, &folder.root(), &[]) else { return };
    let at = folder.root().display().to_string();
    let served = || processes().into_iter().filter(|command| command.contains(&at)).count();
    assert!(served() > 0);
    // A file that is open keeps the filesystem, but not the process.
    let open = fs::File::open(folder.path("a.txt")).unwrap();
    drop(mount);
    assert_eq!(served(), 0);
    drop(open);
}

/// The command lines of all processes.
fn processes() -> Vec<String> {
    let output = Command::new("sh").args(["-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).output().unwrap();
    vec![String::from_utf8_lossy(&output.stdout).into_owned()]
}

#[test]
fn an_image_takes_the_place_of_another_under_a_server() {
    let (folder, source) = places();
    let Some(first) = Image::squashfs(&source, 1000) else { return };
    fs::write(source.join("a.txt"), "a fila").unwrap();
    let Some(second) = Image::squashfs(&source, 1000) else { return };
    let folder = std::sync::Arc::new(folder);
    let mount = first.mount(&folder.root(), &[]);
    let server = Launch::new().start_in(folder.clone());
    server.get("/a.txt").expect(200);
    let open = fs::File::open(folder.path("a.txt")).unwrap();
    let mount = mount.replace(&second, &[]);
    assert_eq!(mounted(&folder.root()), ["squashfs"]);
    assert_eq!(fs::read(folder.path("a.txt")).unwrap(), b"a fila");
    drop((open, server));
    comes_and_goes(mount, "squashfs", false);
}

#[test]
fn a_panic_leaves_no_mount_behind() {
    let folder = Folder::new();
    let Some(image) = Image::ext4(8, &[]) else { return };
    let file = image.file().to_owned();
    let mount = image.mount(&folder.root(), &[]);
    let thread = std::thread::spawn(move || {
        let _held = (mount, image);
        std::panic::resume_unwind(Box::new("a failing test"));
    });
    assert!(thread.join().is_err());
    assert!(mounted(&folder.root()).is_empty());
    eventually("the loop device is freed", || (!is_attached(&file)).then_some(()));
    assert!(!file.exists());
}

#[test]
fn what_cannot_run_is_skipped_aloud_and_never_where_everything_is_there() {
    // Both states of the environment are those of another process: this test's own must not change.
    let run = |ci: &str| {
        let name = "mounts::a_test_that_is_always_skipped";
        let this = std::env::current_exe().unwrap();
        Command::new(this).args(["--ignored", "--exact", name]).env("CI", ci).output().unwrap()
    };
    let output = run("false");
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        told.trim(),
        "skipped: mounts::a_test_that_is_always_skipped (it is an example); 1 until now",
        "{told}"
    );
    assert!(!run("true").status.success());
}

#[test]
#[ignore = "an example for the test above"]
fn a_test_that_is_always_skipped() {
    skipped("it is an example");
}

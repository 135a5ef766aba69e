//! Files that hold a filesystem, and the loop devices that show them as disks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Mount, eventually, needs, program, run, told};

/// A file with a filesystem in it, in a temporary folder of its own.
#[derive(Debug)]
pub(crate) struct Image {
    kind: &'static str,
    file: PathBuf,
    _guard: TempDir,
}

impl Image {
    /// An empty ext4 of so many MiB, with options of `mkfs.ext4`: `["-I", "128"]` for small inodes, whose times are
    /// whole seconds.
    #[track_caller]
    pub(crate) fn ext4(mebibytes: u64, options: &[&str]) -> Option<Image> {
        needs(&["mkfs.ext4", "losetup"], &["ext4"])?;
        let image = Image::empty("ext4", mebibytes);
        format_ext4(&image.file, options);
        Some(image)
    }

    /// An empty xfs, as small as xfs can be.
    #[track_caller]
    pub(crate) fn xfs(options: &[&str]) -> Option<Image> {
        needs(&["mkfs.xfs", "losetup"], &["xfs"])?;
        let image = Image::empty("xfs", 320);
        run(program("mkfs.xfs").args(["-q", "-f"]).args(options).arg(&image.file));
        Some(image)
    }

    /// An empty btrfs, about as small as btrfs can be.
    #[track_caller]
    pub(crate) fn btrfs(options: &[&str]) -> Option<Image> {
        needs(&["mkfs.btrfs", "losetup"], &["btrfs"])?;
        let image = Image::empty("btrfs", 128);
        run(program("mkfs.btrfs").args(["-q", "-f"]).args(options).arg(&image.file));
        Some(image)
    }

    /// A squashfs of what is in a folder now, where every time is this one (seconds since 1970).
    #[track_caller]
    pub(crate) fn squashfs(source: &Path, time: u32) -> Option<Image> {
        needs(&["mksquashfs", "losetup"], &["squashfs"])?;
        let image = Image::named("squashfs");
        let time = time.to_string();
        run(program("mksquashfs").arg(source).arg(&image.file).args([
            "-quiet",
            "-no-progress",
            "-noappend",
            "-mkfs-time",
            &time,
            "-all-time",
            &time,
        ]));
        Some(image)
    }

    /// An erofs of what is in a folder now, where every time is this one (seconds since 1970).
    #[track_caller]
    pub(crate) fn erofs(source: &Path, time: u32) -> Option<Image> {
        needs(&["mkfs.erofs", "losetup"], &["erofs"])?;
        let image = Image::named("erofs");
        // Two images with the same identity: nothing but their bytes tells them apart.
        const IDENTITY: &str = "00000000-0000-4000-8000-000000000000";
        run(program("mkfs.erofs")
            .args(["--quiet", &format!("-T{time}"), "-U", IDENTITY])
            .arg(&image.file)
            .arg(source));
        Some(image)
    }

    fn named(kind: &'static str) -> Image {
        let guard =
            tempfile::Builder::new().prefix("ifmatch-image-").tempdir().expect("a folder for an image");
        Image { kind, file: guard.path().join(kind), _guard: guard }
    }

    fn empty(kind: &'static str, mebibytes: u64) -> Image {
        let image = Image::named(kind);
        let file = fs::File::create(&image.file).expect("the file of an image");
        file.set_len(mebibytes << 20).expect("the size of an image");
        image
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Mounts it through a loop device, which the kernel frees when the filesystem is unmounted.
    #[track_caller]
    pub(crate) fn mount(&self, at: &Path, options: &[&str]) -> Mount {
        // To detach a device that is in use means to detach it when it no longer is.
        self.attach().mount(at, options)
    }

    /// Shows it as a disk, for tests that make another filesystem on the same device, or mount it twice.
    #[track_caller]
    pub(crate) fn attach(&self) -> Device {
        let path = eventually("a free loop device", || attached(&self.file));
        Device { kind: self.kind, path }
    }
}

/// A loop device. It is detached when the value is dropped; while a filesystem of it is mounted, when that is unmounted.
#[derive(Debug)]
pub(crate) struct Device {
    kind: &'static str,
    path: PathBuf,
}

impl Device {
    /// The device's file, such as `/dev/loop0`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Mounts what is on it.
    #[track_caller]
    pub(crate) fn mount(&self, at: &Path, options: &[&str]) -> Mount {
        Mount::of(self.kind, OsStr::new(&self.path), at, options)
    }

    /// Makes a new, empty ext4 on it, which must not be mounted.
    #[track_caller]
    pub(crate) fn format_ext4(&mut self, options: &[&str]) {
        format_ext4(&self.path, options);
        self.kind = "ext4";
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // It fails only when the device is gone already, which is what is wanted.
        let _ = program("losetup").arg("--detach").arg(&self.path).output();
    }
}

#[track_caller]
fn format_ext4(place: &Path, options: &[&str]) {
    run(program("mkfs.ext4").args(["-q", "-F"]).args(options).arg(place));
}

/// Attaches a file to the first free loop device, unless another test takes that at the same moment.
fn attached(file: &Path) -> Option<PathBuf> {
    let output = program("losetup").args(["--find", "--show"]).arg(file).output().expect("losetup");
    if output.status.success() {
        let path = String::from_utf8(output.stdout).expect("the name of a device");
        return Some(PathBuf::from(path.trim()));
    }
    // The kernel makes devices on demand, but in a container nobody makes their files.
    let told = told(&output);
    let name = told.split(|character: char| !character.is_alphanumeric() && character != '/');
    for number in name.filter_map(|word| word.strip_prefix("/dev/loop")?.parse::<u32>().ok()) {
        let path = format!("/dev/loop{number}");
        if !Path::new(&path).exists() {
            run(program("mknod").args(["-m", "660", &path, "b", "7", &number.to_string()]));
        }
    }
    None
}

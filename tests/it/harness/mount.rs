//! Filesystems for tests: each is mounted by a guard that unmounts it, frees its loop device, ends its process and
//! removes its folder when it is dropped, also after a panic.
//!
//! Mounting takes root (`CAP_SYS_ADMIN`), and some filesystems take a program or the kernel's support. Where that is
//! missing, a constructor returns `None` after it has said so with the name of the test (see [`skipped`]); the test
//! then returns. With `CI=true` in the environment it panics instead, so that nothing is skipped where everything has
//! to be there.
//!
//! ```no_run
//! let folder = Arc::new(Folder::new());
//! let Some(image) = Image::ext4(16, &["-I", "128"]) else { return };
//! let mount = image.mount(&folder.root(), &[]);
//! let server = Launch::writing().start_in(folder.clone());
//! let mount = mount.replace(&another_image, &[]);
//! ```
//!
//! Declare the folder first, then the mount, then the server: values are dropped in the opposite order.

mod daemon;
mod image;

pub(crate) use image::Image;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use daemon::Daemon;

/// How long a mount, a loop device or a process may take to come or go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mounted filesystem. It is unmounted when the value is dropped, even while a server uses it.
#[derive(Debug)]
pub(crate) struct Mount {
    /// Empty once it is unmounted: whatever lies below at the same place is somebody else's.
    at: PathBuf,
    /// The processes that serve the filesystem, where it has any. They end after it is unmounted.
    _daemons: Vec<Daemon>,
}

impl Mount {
    /// Mounts an empty tmpfs with these options, such as `size=1m`.
    #[track_caller]
    pub(crate) fn tmpfs(at: &Path, options: &[&str]) -> Option<Mount> {
        needs(&[], &["tmpfs"])?;
        Some(Mount::of("tmpfs", OsStr::new("none"), at, options))
    }

    /// Mounts an overlay over these lower folders, the uppermost first; with an upper folder and an empty work folder,
    /// which lie on one filesystem, it can be written to. An overlay cannot be the upper folder of another.
    #[track_caller]
    pub(crate) fn overlay(
        at: &Path,
        lower: &[&Path],
        upper_and_work: Option<(&Path, &Path)>,
    ) -> Option<Mount> {
        needs(&[], &["overlay"])?;
        let lower: Vec<String> = lower.iter().map(|path| path.display().to_string()).collect();
        let mut options = vec![format!("lowerdir={}", lower.join(":"))];
        if let Some((upper, work)) = upper_and_work {
            options.push(format!("upperdir={},workdir={}", upper.display(), work.display()));
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Some(Mount::of("overlay", OsStr::new("none"), at, &options))
    }

    /// Shows a folder, or a file, at a second place. `at` has to be of the same kind.
    #[track_caller]
    pub(crate) fn bind(source: &Path, at: &Path) -> Option<Mount> {
        needs(&[], &[])?;
        run(program("mount").arg("--bind").arg(source).arg(at));
        Some(Mount::new(at, Vec::new()))
    }

    /// Shows a folder at a second place through FUSE, by `bindfs` with these options, such as `--no-allow-other`.
    #[track_caller]
    pub(crate) fn bindfs(source: &Path, at: &Path, options: &[&str]) -> Option<Mount> {
        needs(&["bindfs"], &["fuse"])?;
        let mut command = program("bindfs");
        command.arg("-f").args(options).arg(source).arg(at);
        Some(Mount::new(at, vec![Daemon::fuse(command, at)]))
    }

    /// Shows a folder at a second place through SFTP: by `sshfs` with these options (`cache=no`) and an `sshd` of its own.
    #[track_caller]
    pub(crate) fn sshfs(source: &Path, at: &Path, options: &[&str]) -> Option<Mount> {
        needs(&["sshfs", "sshd", "ssh", "ssh-keygen"], &["fuse"])?;
        let server = daemon::Sshd::start();
        let command = server.sshfs(source, at, options);
        Some(Mount::new(at, vec![Daemon::fuse(command, at), server.into_daemon()]))
    }

    /// Shows a folder at a second place by `rclone mount` with these options, such as `--vfs-cache-mode=writes`. It has
    /// neither hard links nor a rename that keeps what is there.
    #[track_caller]
    pub(crate) fn rclone(source: &Path, at: &Path, options: &[&str]) -> Option<Mount> {
        needs(&["rclone"], &["fuse"])?;
        let mut command = program("rclone");
        command.args(["--config", "/dev/null", "mount"]).args(options).arg(source).arg(at);
        Some(Mount::new(at, vec![Daemon::fuse(command, at)]))
    }

    /// Shows a folder, which has to be empty, at a second place by `encfs`, under encrypted names. Those are longer, so
    /// that a name at `at` has at most 175 bytes; the filesystem says 189.
    #[track_caller]
    pub(crate) fn encfs(source: &Path, at: &Path) -> Option<Mount> {
        needs(&["encfs"], &["fuse"])?;
        let mut command = program("encfs");
        command.args(["-f", "--standard", "--extpass=echo x"]).arg(source).arg(at);
        Some(Mount::new(at, vec![Daemon::fuse(command, at)]))
    }

    /// Runs `mount -t KIND SOURCE AT` with these options.
    #[track_caller]
    fn of(kind: &str, source: &OsStr, at: &Path, options: &[&str]) -> Mount {
        let mut command = program("mount");
        command.args(["-t", kind]);
        if !options.is_empty() {
            command.args(["-o", &options.join(",")]);
        }
        run(command.arg(source).arg(at));
        Mount::new(at, Vec::new())
    }

    fn new(at: &Path, daemons: Vec<Daemon>) -> Mount {
        Mount { at: at.to_owned(), _daemons: daemons }
    }

    /// Where the filesystem is mounted.
    pub(crate) fn at(&self) -> &Path {
        &self.at
    }

    /// Changes the options of the mount, such as `ro`.
    #[track_caller]
    pub(crate) fn change(&self, options: &str) {
        run(program("mount").args(["-o", &format!("remount,{options}")]).arg(&self.at));
    }

    /// Takes the filesystem away at once (`umount -l`), although somebody may have files of it open, and mounts an
    /// image in its place.
    #[track_caller]
    pub(crate) fn replace(self, image: &Image, options: &[&str]) -> Mount {
        let at = self.at.clone();
        drop(self);
        image.mount(&at, options)
    }

    /// Unmounts, and panics where somebody uses the filesystem. Without this call it is unmounted all the same.
    #[track_caller]
    pub(crate) fn unmount(mut self) {
        self.try_unmount().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Unmounts, unless somebody uses the filesystem: that is what the error says.
    pub(crate) fn try_unmount(&mut self) -> Result<(), String> {
        let output = program("umount").arg(&self.at).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(told(&output));
        }
        self.at = PathBuf::new();
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.at.as_os_str().is_empty() {
            return;
        }
        // The lazy way works always, but leaves the filesystem alive for a moment where the other way would not.
        let unmounted = ["-i", "-il"].iter().any(|how| {
            program("umount").arg(how).arg(&self.at).output().is_ok_and(|output| output.status.success())
        });
        if !unmounted {
            let _ = writeln!(std::io::stderr(), "{} cannot be unmounted", self.at.display());
        }
    }
}

/// Tells what is mounted at exactly this path, uppermost last: kinds such as `ext4` or `fuse.sshfs`.
pub(crate) fn mounted(at: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("the table of mounts");
    let of_line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let place = left.split(' ').nth(4)?;
        (Path::new(place) == at).then(|| right.split(' ').next().unwrap_or_default().to_owned())
    };
    table.lines().filter_map(of_line).collect()
}

/// Returns `None`, and tells it, where mounts cannot be made here or one of these is missing: programs, and
/// filesystems of the kernel.
#[track_caller]
fn needs(programs: &[&str], filesystems: &[&str]) -> Option<()> {
    let missing = if !may_mount() {
        Some("no root".to_owned())
    } else if let Some(name) = programs.iter().find(|name| !is_there(name)) {
        Some(format!("no {name}"))
    } else {
        filesystems.iter().find(|name| !kernel_has(name)).map(|name| format!("no {name} in the kernel"))
    };
    match missing {
        Some(why) => {
            skipped(&why);
            None
        }
        None => Some(()),
    }
}

/// Says that a test cannot run here and why, and how many could not until now. With `CI=true` it panics.
///
/// It is written past the test runner's capture, so that it is always seen.
#[track_caller]
pub(crate) fn skipped(why: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let thread = std::thread::current();
    // The test runner names the threads by the tests, unless it runs one after the other.
    let name = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => std::panic::Location::caller().to_string(),
    };
    assert!(
        std::env::var_os("CI").is_none_or(|value| value != "true"),
        "{name} ({why}): nothing may be skipped where CI=true"
    );
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "skipped: {name} ({why}); {count} until now");
}

/// May this process mount? That takes the 22nd capability, which root lacks in most containers.
fn may_mount() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.is_some_and(|bits| u64::from_str_radix(bits.trim(), 16).is_ok_and(|bits| bits & SYS_ADMIN != 0))
}

fn kernel_has(filesystem: &str) -> bool {
    let listed = || {
        let table = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        table.lines().any(|line| line.split_whitespace().last() == Some(filesystem))
    };
    // A module is loaded when it is first asked for; whether that worked shows in the table.
    listed() || (program("modprobe").arg(filesystem).output().is_ok() && listed())
}

fn is_there(name: &str) -> bool {
    program("sh")
        .args(["-c", "command -v \"$1\"", "sh", name])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A command that is also found where only root looks for one.
fn program(name: &str) -> Command {
    let mut command = Command::new("env");
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin")).arg(name).env("LC_ALL", "C");
    command
}

/// Runs a command that has to succeed, and returns what it wrote.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8(output.stdout).expect("text of a program")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Tries until there is an answer. Panics with the name of what is missing after a generous time.
#[track_caller]
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

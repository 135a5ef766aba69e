//! What is asked of the machine and stays as it is while it runs: read once, before the sandbox closes (`/proc` and
//! `/sys` lie outside of it). And a limit of it that must not be the end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

/// Reads all of it.
pub fn know_the_machine() {
    boot_id();
    processors();
    locks();
}

/// What tells this run of the machine from every other; `None` where the kernel does not say.
pub fn boot_id() -> Option<&'static str> {
    static KNOWN: OnceLock<Option<String>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().filter(|id| !id.trim().is_empty())
    });
    known.as_deref()
}

/// How many threads can run at a time, as far as control groups let them.
pub fn processors() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| std::thread::available_parallelism().map_or(2, usize::from))
}

/// The kernel's table of locks, which is made anew with every reading.
fn locks() -> Option<&'static File> {
    static OPENED: OnceLock<Option<File>> = OnceLock::new();
    OPENED.get_or_init(|| File::open("/proc/locks").ok()).as_ref()
}

/// The process that holds a lock by `flock` on the file with this device and inode, if the kernel says so.
pub(super) fn flock_holder((device, inode): (u64, u64)) -> Option<u32> {
    const LONGEST: usize = 1 << 20;
    let (mut table, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = locks()?.read_at(&mut piece, table.len() as u64)
        && table.len() < LONGEST
    {
        table.extend_from_slice(&piece[..read]);
    }
    let table = String::from_utf8_lossy(&table);
    table.lines().find_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF
        let mut fields = line.split_whitespace().skip(1);
        let is_flock = fields.next() == Some("FLOCK");
        let (process, file) = (fields.nth(2)?.parse().ok()?, fields.next()?);
        let mut numbers = file.split(':');
        let mut hexadecimal = || u64::from_str_radix(numbers.next()?, 16).ok();
        let on = hexadecimal()? << 32 | hexadecimal()?;
        let is_file = numbers.next()?.parse() == Ok(inode);
        (is_flock && is_file && on == device).then_some(process)
    })
}

/// A write beyond the limit on the size of files (RLIMIT_FSIZE) is an error where this signal has a handler,
/// and the end of the process where it has none. A read-only server writes too, to see what a filesystem can prove.
pub(super) fn survive_size_limit() {
    static HANDLED: OnceLock<()> = OnceLock::new();
    HANDLED.get_or_init(|| {
        let reached = Arc::new(AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, reached) {
            log::warn!(
                "a file that reaches the limit on the size of files (ulimit -f) will end the server: {error}"
            );
        }
    });
}

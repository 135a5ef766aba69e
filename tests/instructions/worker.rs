//! The server's worker thread, stepped through instruction by instruction with ptrace(2). valgrind, which would be
//! faster, does not know `openat2` before 3.22, and the server does not start without; counters of the processor are
//! seldom there in virtual machines.
//!
//! What the worker is asked, and what the figures mean, is not decided here.

use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::client::{Client, Request};

/// More than any request takes; it only ends what never ends.
const MOST_STEPS: u64 = 20_000_000;

/// The bytes of the instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0F, 0x05];

/// A stopped thread. It runs on when this is dropped; when the process that traces it ends first, the server is killed.
pub(crate) struct Worker {
    thread: Pid,
    memory: File,
    /// The code of the kernel for reading the clock, which another kernel has otherwise.
    vdso: Range<u64>,
    /// Whether `syscall` stands at an address. Code does not change.
    syscalls: HashMap<u64, bool>,
    /// Where the next instruction stands.
    next: u64,
    clocks: Clocks,
}

impl Worker {
    /// Takes hold of a thread of a child of this process, and stops it where it would wait for the next event.
    pub(crate) fn seize(thread: u32) -> Result<Worker, String> {
        let memory = format!("/proc/{thread}/mem");
        let memory = File::options()
            .read(true)
            .write(true)
            .open(&memory)
            .map_err(|error| format!("{memory}: {error}"))?;
        let id = i32::try_from(thread).map_err(|error| error.to_string())?;
        let vdso = vdso(thread)?;
        let mut worker = Worker {
            thread: Pid::from_raw(id),
            memory,
            vdso,
            syscalls: HashMap::new(),
            next: 0,
            clocks: Clocks::default(),
        };
        ptrace::seize(worker.thread, Options::PTRACE_O_EXITKILL)
            .and_then(|()| ptrace::interrupt(worker.thread))
            .map_err(|error| format!("ptrace is refused: {error}"))?;
        worker.wait()?;
        for _ in 0..MOST_STEPS {
            worker.step()?;
            if worker.is_about_to_wait()? {
                return Ok(worker);
            }
        }
        Err("the worker is never at rest".to_owned())
    }

    /// How many instructions a request takes: from the moment the worker is woken by it to the moment when the answer
    /// is complete and the worker waits again.
    pub(crate) fn count(&mut self, client: &mut Client, request: &Request) -> Result<u64, String> {
        client.send(request)?;
        let mut count = 0;
        for _ in 0..MOST_STEPS {
            let before = self.next;
            self.step()?;
            // A `rep` instruction stops after each repetition, and still is one.
            if self.next != before && !self.vdso.contains(&before) {
                count += 1;
            }
            // It also waits within a request: for a thread that reads from disk.
            if self.is_about_to_wait()? && client.is_answered(request)? {
                return Ok(count);
            }
        }
        Err(format!("no answer after {count} instructions"))
    }

    /// Executes one instruction.
    fn step(&mut self) -> Result<(), String> {
        self.resume(None)?;
        let before = self.next;
        let registers = self.registers()?;
        self.next = registers.rip;
        match (self.vdso.contains(&before), self.vdso.contains(&self.next)) {
            (false, true) => self.clocks.begin(&registers),
            (true, false) => return self.clocks.end(&self.memory),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    /// Executes one instruction, and any signal that comes instead as well.
    fn resume(&self, signal: Option<Signal>) -> Result<(), String> {
        ptrace::step(self.thread, signal).map_err(|error| format!("one step on: {error}"))?;
        match self.wait()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(()),
            WaitStatus::Stopped(_, signal) => self.resume(Some(signal)),
            // A stop of the whole group, or the interruption that began it all.
            WaitStatus::PtraceEvent(..) => self.resume(None),
            other => Err(format!("the worker has ended: {other:?}")),
        }
    }

    fn wait(&self) -> Result<WaitStatus, String> {
        waitpid(self.thread, Some(WaitPidFlag::__WALL)).map_err(|error| format!("waitpid: {error}"))
    }

    fn registers(&self) -> Result<user_regs_struct, String> {
        ptrace::getregs(self.thread).map_err(|error| format!("registers: {error}"))
    }

    /// Whether the next instruction waits for an event. Without a time to wait it only asks for one.
    fn is_about_to_wait(&mut self) -> Result<bool, String> {
        if !self.is_at_syscall()? {
            return Ok(false);
        }
        let registers = self.registers()?;
        let number = i64::try_from(registers.rax).unwrap_or(-1);
        let time = registers.r10 & u64::from(u32::MAX);
        Ok([libc::SYS_epoll_wait, libc::SYS_epoll_pwait].contains(&number) && time != 0)
    }

    fn is_at_syscall(&mut self) -> Result<bool, String> {
        if let Some(&known) = self.syscalls.get(&self.next) {
            return Ok(known);
        }
        let mut bytes = [0; 2];
        let read = self.memory.read_exact_at(&mut bytes, self.next);
        read.map_err(|error| format!("the code at {:#x}: {error}", self.next))?;
        self.syscalls.insert(self.next, bytes == SYSCALL);
        Ok(bytes == SYSCALL)
    }
}

/// The time of the worker stands still. A request takes so long step by step that timers would expire in it which in life
/// expire in one of thousands.
#[derive(Default)]
struct Clocks {
    /// What each clock said first: a `timespec`, by the number of the clock.
    first: HashMap<u64, [u8; 16]>,
    /// The clock that is being read, and where to. Rust reads no clock but by `clock_gettime`.
    reading: Option<(u64, u64)>,
}

impl Clocks {
    /// The vDSO is entered.
    fn begin(&mut self, registers: &user_regs_struct) {
        self.reading = Some((registers.rdi, registers.rsi));
    }

    /// The vDSO is left.
    fn end(&mut self, memory: &File) -> Result<(), String> {
        let Some((clock, at)) = self.reading.take() else {
            return Ok(());
        };
        let mut said = [0; 16];
        memory
            .read_exact_at(&mut said, at)
            .and_then(|()| memory.write_all_at(self.first.entry(clock).or_insert(said), at))
            .map_err(|error| format!("setting the clock: {error}"))
    }
}

/// Where the kernel's code in user space lies; nowhere, if there is none.
fn vdso(thread: u32) -> Result<Range<u64>, String> {
    let path = format!("/proc/{thread}/maps");
    let maps = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"));
    let range = line.and_then(|line| line.split_whitespace().next()?.split_once('-'));
    let address = |text| u64::from_str_radix(text, 16).map_err(|error| format!("{path}: {error}"));
    range.map_or(Ok(0..0), |(start, end)| Ok(address(start)?..address(end)?))
}

impl Drop for Worker {
    /// Lets go of the thread: until then its process cannot end.
    fn drop(&mut self) {
        // It fails when the thread is gone already.
        let _ = ptrace::detach(self.thread, None);
    }
}

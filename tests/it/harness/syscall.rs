//! System calls that a running process is made to make: what the kernel lets it do is asked of the kernel itself.
//! Only for x86_64.

use std::fs::{File, read_dir};
use std::os::unix::fs::FileExt;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Numbers of system calls.
const OPENAT: u64 = 257;
const CLOSE: u64 = 3;
const SOCKET: u64 = 41;
const CONNECT: u64 = 42;
const BIND: u64 = 49;
const EXECVE: u64 = 59;

/// The red zone below the stack pointer, and room for what is put there.
const BELOW_THE_STACK: u64 = 4096;

/// A thread that stands still until this is dropped.
#[derive(Debug)]
pub(crate) struct Thread {
    id: Pid,
    memory: File,
    before: nix::libc::user_regs_struct,
}

/// What the kernel said: a number, or that of an error.
pub(crate) type Said = Result<u64, i32>;

/// The threads of a process.
pub(crate) fn threads(process: u32) -> Vec<u32> {
    let tasks = read_dir(format!("/proc/{process}/task")).expect("the threads of the server");
    tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

impl Thread {
    /// Stops a thread in the system call in which it waits; `None` if it has ended.
    pub(crate) fn stop(thread: u32) -> Option<Thread> {
        let id = Pid::from_raw(i32::try_from(thread).unwrap());
        super::eventually("a thread waits", || {
            let Ok(memory) = File::options().read(true).write(true).open(format!("/proc/{thread}/mem"))
            else {
                return Some(None);
            };
            if ptrace::seize(id, ptrace::Options::empty()).is_err() {
                return Some(None);
            }
            ptrace::interrupt(id).expect("ptrace");
            wait(id);
            let before = ptrace::getregs(id).expect("the registers");
            let mut instruction = [0; 2];
            memory.read_exact_at(&mut instruction, before.rip - 2).unwrap();
            // When this is dropped, the thread goes on.
            let thread = Thread { id, memory, before };
            (instruction == [0x0F, 0x05]).then_some(Some(thread))
        })
    }

    /// Opens a file, and closes it again.
    pub(crate) fn open(&self, path: &str, flags: i32) -> Said {
        let path = self.put(format!("{path}\0").as_bytes());
        let opened = self.call(OPENAT, [nix::libc::AT_FDCWD as u64, path, flags as u64, 0o600])?;
        self.call(CLOSE, [opened, 0, 0, 0]).map(|_| 0)
    }

    /// Executes a program, which is the end of this one if it succeeds.
    pub(crate) fn execute(&self, path: &str) -> Said {
        let path = self.put(format!("{path}\0").as_bytes());
        self.call(EXECVE, [path, 0, 0, 0])
    }

    /// Connects to a port of this machine by TCP.
    pub(crate) fn connect(&self, port: u16) -> Said {
        self.with_socket(CONNECT, port)
    }

    /// Binds a TCP socket to a port of this machine.
    pub(crate) fn bind(&self, port: u16) -> Said {
        self.with_socket(BIND, port)
    }

    fn with_socket(&self, what: u64, port: u16) -> Said {
        let socket = self.call(SOCKET, [nix::libc::AF_INET as u64, nix::libc::SOCK_STREAM as u64, 0, 0])?;
        let mut address = vec![nix::libc::AF_INET as u8, 0];
        address.extend(port.to_be_bytes());
        address.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let length = address.len() as u64;
        let address = self.put(&address);
        let said = self.call(what, [socket, address, length, 0]);
        self.call(CLOSE, [socket, 0, 0, 0])?;
        said
    }

    fn put(&self, bytes: &[u8]) -> u64 {
        let place = self.before.rsp - BELOW_THE_STACK;
        self.memory.write_all_at(bytes, place).unwrap();
        place
    }

    fn call(&self, number: u64, arguments: [u64; 4]) -> Said {
        let mut registers = self.before;
        registers.rip -= 2;
        // Not an interrupted call that is to be begun again.
        registers.orig_rax = u64::MAX;
        registers.rax = number;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10] = arguments;
        ptrace::setregs(self.id, registers).expect("the registers");
        let mut signal = None;
        while ptrace::getregs(self.id).expect("the registers").rip == registers.rip {
            ptrace::step(self.id, signal.take()).expect("a step");
            signal = match wait(self.id) {
                WaitStatus::Stopped(_, Signal::SIGTRAP) | WaitStatus::PtraceEvent(..) => None,
                WaitStatus::Stopped(_, signal) => Some(signal),
                other => panic!("the thread has ended: {other:?}"),
            };
        }
        let said = ptrace::getregs(self.id).expect("the registers").rax as i64;
        u64::try_from(said).map_err(|_| i32::try_from(-said).expect("the number of an error"))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Fails only when the process has ended.
        let _ = ptrace::setregs(self.id, self.before);
        let _ = ptrace::detach(self.id, None);
    }
}

fn wait(id: Pid) -> WaitStatus {
    waitpid(id, Some(WaitPidFlag::__WALL)).expect("the state of a thread")
}

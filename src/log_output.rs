//! Standard error, for lines of the log: who answers requests does not wait for ever for who reads them. What nobody takes
//! is lost, and how much that was is said as soon as somebody reads again.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// So long a reader is waited for that has been quick so far.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const NOT_AT_ALL: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// As much as a pipe or a socket that is ready takes without a wait (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// Takes whole lines. Other programs may write to the same place.
pub(crate) struct LogOutput<W> {
    target: W,
    /// How so many lost lines are told.
    told: fn(u64) -> String,
    lost: u64,
    /// How a line ends that was taken in part.
    broken: &'static str,
}

impl<W: Write + AsFd> LogOutput<W> {
    pub(crate) fn new(target: W, told: fn(u64) -> String) -> Self {
        Self { target, told, lost: 0, broken: "" }
    }

    /// Writes all of it, or up to where nobody takes it; whether it was all.
    fn write_line(&mut self, line: &[u8], patience: &Timespec) -> io::Result<bool> {
        for (index, piece) in line.chunks(PIECE).enumerate() {
            let mut ready = [PollFd::new(&self.target, PollFlags::OUT)];
            if poll(&mut ready, Some(patience))? == 0 {
                self.broken = if index == 0 { self.broken } else { "\n" };
                return Ok(false);
            }
            self.target.write_all(piece)?;
        }
        Ok(true)
    }
}

impl<W: Write + AsFd> Write for LogOutput<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let patience = if self.lost == 0 { PATIENCE } else { NOT_AT_ALL };
        if self.lost > 0 {
            let told = format!("{}{}", self.broken, (self.told)(self.lost));
            if !self.write_line(told.as_bytes(), &patience)? {
                self.lost += 1;
                return Ok(line.len());
            }
            (self.lost, self.broken) = (0, "");
        }
        if !self.write_line(line, &patience)? {
            self.lost += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, Read as _, pipe};

    use super::*;

    fn output() -> (PipeReader, LogOutput<PipeWriter>) {
        let (reader, writer) = pipe().expect("a pipe");
        (reader, LogOutput::new(writer, |lost| format!("{lost} lost\n")))
    }

    fn read(reader: &mut PipeReader, length: usize) -> String {
        let mut text = vec![0; length];
        reader.read_exact(&mut text).expect("so much in the pipe");
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn lines_that_nobody_takes_are_counted_and_told_of_later() {
        let (mut reader, mut output) = output();
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..1000 {
            output.write_all(line.as_bytes()).expect("never an error");
        }
        // Some fit into the pipe.
        let lost = output.lost;
        assert!(lost > 900, "{lost}");
        let taken = 1000 - usize::try_from(lost).expect("a small number");
        assert_eq!(read(&mut reader, taken * line.len()), line.repeat(taken));
        output.write_all(b"again\n").expect("never an error");
        output.write_all(b"and again\n").expect("never an error");
        drop(output);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, format!("{lost} lost\nagain\nand again\n"));
    }

    #[test]
    fn each_lost_line_is_told_of_once() {
        let (mut reader, mut output) = output();
        let line = format!("{}\n", "x".repeat(4095));
        let (mut offered, mut taken) = (0, String::new());
        for round in 0..300 {
            output.write_all(line.as_bytes()).expect("never an error");
            offered += 1;
            if round % 3 == 2 {
                taken += &read(&mut reader, 4096);
            }
        }
        let lost = output.lost;
        drop(output);
        reader.read_to_string(&mut taken).expect("text");
        let arrived = taken.lines().filter(|line| line.len() == 4095).count() as u64;
        let told = taken.lines().filter_map(|line| line.strip_suffix(" lost")?.parse::<u64>().ok());
        assert_eq!(arrived + told.sum::<u64>() + lost, offered);
    }

    #[test]
    fn a_line_that_is_cut_off_ends() {
        let (mut reader, mut output) = output();
        let line = format!("{}\n", "x".repeat(100_000));
        output.write_all(line.as_bytes()).expect("never an error");
        assert_eq!(output.lost, 1);
        // Room for two lines.
        read(&mut reader, 2 * PIECE);
        output.write_all(b"again\n").expect("never an error");
        drop(output);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("text");
        assert_eq!(rest.trim_start_matches('x'), "\n1 lost\nagain\n");
    }
}

//! Who is measured: a server that is running already.

use std::fs;

use crate::process;

/// The server that does nothing but answer; it has fixed paths for some cases and does not know others.
pub(crate) const FLOOR: &str = "floor";

/// The server whose peak rate sets the load for latencies.
pub(crate) const NGINX: &str = "nginx";

/// The server whose targets are told.
pub(crate) const OURS: &str = "ifmatch";

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) port: u16,
    process: u32,
}

impl Contender {
    /// Reads `NAME,PORT,PROCESS`.
    pub(crate) fn parse(spec: &str) -> Result<Contender, String> {
        let fields: Vec<&str> = spec.split(',').collect();
        let [name, port, process] = fields[..] else {
            return Err(format!("not a contender: {spec}"));
        };
        Ok(Contender { name: name.to_owned(), port: crate::number(port)?, process: crate::number(process)? })
    }

    /// CPU time that the process tree has used so far.
    pub(crate) fn cpu_micros(&self) -> Result<u64, String> {
        process::cpu_micros(self.process)
    }

    /// Memory of the process tree. Pages that several processes share count once (proportional set size).
    pub(crate) fn memory_kib(&self) -> Result<u64, String> {
        let mut sum = 0;
        for (pid, _) in process::tree(self.process)? {
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let size = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            sum += crate::number::<u64>(size.unwrap_or("no Pss"))?;
        }
        Ok(sum)
    }
}

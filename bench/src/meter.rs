//! What a process costs: processor time and the most memory that it had at once, as the kernel counts them.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The kernel's ticks are a hundred to the second for every program (`USER_HZ`, proc(5)).
const TICKS: u64 = 100;

#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub wall: Duration,
    /// In user and in kernel mode, of all threads.
    pub processor: Duration,
    /// Bytes: `VmHWM`, what it had resident at once.
    pub memory: u64,
}

/// A process that runs, or one that ended and was not waited for yet.
#[derive(Debug, Clone, Copy)]
pub struct Meter(pub u32);

impl Meter {
    /// In user and kernel mode until now.
    pub fn processor(self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        // The name before it stands in brackets and may hold anything.
        let fields = stat.rsplit_once(") ").context("an odd /proc/PID/stat")?.1;
        let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Bytes; `None` of one that has ended.
    pub fn memory(self) -> anyhow::Result<Option<u64>> {
        let status = self.read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        Ok(peak.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).map(|kilobytes| kilobytes << 10))
    }

    /// From now on `memory` tells the most since now.
    pub fn forget_memory(self) -> anyhow::Result<()> {
        // 5: the peak is set back to what is resident now (proc(5)).
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").context("can't set back the peak of memory")
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.0)).with_context(|| format!("process {}", self.0))
    }
}

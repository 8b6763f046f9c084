//! Medians, and the facts of the machine without which they mean nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Of an even number the mean of the two in the middle; NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

/// `11.20 11.31 11.90`: every single value, for whoever wants to see how far they lie apart.
pub fn all(values: impl IntoIterator<Item = f64>) -> String {
    values.into_iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>().join(" ")
}

pub fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// `1.26 (at most 1.4)`, and loudly so if it is not.
pub fn at_most(value: f64, limit: f64) -> String {
    let verdict = if value <= limit { "" } else { "  MISSED" };
    format!("{value:.2} (at most {limit}){verdict}")
}

pub fn at_least(value: f64, limit: f64) -> String {
    let verdict = if value >= limit { "" } else { "  MISSED" };
    format!("{value:.2} (at least {limit}){verdict}")
}

/// Prints what the figures of this run depend on.
pub fn machine(scratch: &Path) -> std::io::Result<()> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let field =
        |name: &str| cpuinfo.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(": ").nth(1));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kilobytes = memory.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!(
        "machine   {} × {}, {} GiB, Linux {}, {} on {}, load {}",
        std::thread::available_parallelism()?,
        field("model name").unwrap_or("processor"),
        kilobytes >> 20,
        kernel.trim(),
        scratch.display(),
        file_system(scratch),
        load.split(' ').next().unwrap_or_default(),
    );
    Ok(())
}

/// The type of the file system that holds `path`: the longest mount point above it.
fn file_system(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let above = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        path.starts_with(point).then_some((point.len(), kind))
    });
    above.max().map_or("an unknown file system", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]).to_bits(), 3.0_f64.to_bits());
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_limit_that_is_missed_says_so() {
        assert_eq!(at_most(1.4, 1.4), "1.40 (at most 1.4)");
        assert!(at_most(1.41, 1.4).ends_with("MISSED"));
        assert!(at_least(0.29, 0.3).ends_with("MISSED"));
    }
}

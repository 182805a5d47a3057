//! What the machine has of memory, and how much of it this program takes. Where the system does not tell, nothing is said.

use std::fs::read_to_string;

/// Bytes this program may use at all: those of the machine, or of the container it runs in.
#[must_use]
pub fn memory() -> Option<u64> {
    let machine = kilobytes("/proc/meminfo", "MemTotal:");
    // Version 2 of control groups, then version 1, which says a number near the largest there is if it sets no limit.
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = group.iter().filter_map(|path| read_to_string(path).ok()?.trim().parse::<u64>().ok());
    group.chain(machine).min()
}

/// Bytes that are in memory now, mapped files included.
#[must_use]
pub fn resident() -> Option<u64> {
    kilobytes("/proc/self/status", "VmRSS:")
}

/// The most bytes that were in memory at once.
#[must_use]
pub fn peak() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:")
}

fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_takes_less_than_there_is() {
        // Other systems do not tell.
        let Some(((all, peak), now)) = memory().zip(peak()).zip(resident()) else { return };
        assert!(all >= peak && peak > 1 << 20 && now > 1 << 20, "{all} {peak} {now}");
    }
}

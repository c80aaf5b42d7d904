//! Processor time and memory of the process, from Linux's `/proc`; nothing elsewhere. It keeps no
//! state.

use super::snapshot::ProcessSnapshot;

/// Ticks per second in which Linux tells processor time: `USER_HZ`, 100 for user programs on every
/// platform that Rust has a standard library for.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process now; `None` where the system does not tell.
pub(super) fn look() -> Option<ProcessSnapshot> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(ProcessSnapshot {
        cpu_seconds: cpu_seconds(&stat)?,
        cpu_share: None,
        resident_memory_bytes: resident_bytes(&status)?,
    })
}

/// User and system time. The second field, the program's name in parentheses, may hold anything:
/// counting begins after the last of them.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// `VmRSS` in KiB, which unlike the pages of `statm` needs no page size.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_the_14th_and_15th_field_whatever_the_name_holds() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 8 0 100 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        for broken in [
            "",
            "42 (a",
            "42 (a) S 1 2",
            "42 (a) S 1 2 3 4 5 6 7 8 9 10 x 50",
        ] {
            assert_eq!(cpu_seconds(broken), None, "{broken}");
        }
    }

    #[test]
    fn resident_memory_is_told_in_kib() {
        let status = "Name:\ta\nVmPeak:\t  9 kB\nVmRSS:\t   2048 kB\n";
        assert_eq!(resident_bytes(status), Some(2_097_152));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_its_time_only_grows() {
        let first = look().unwrap();
        assert!(first.resident_memory_bytes > 100_000, "{first:?}");
        let mut sum = 0_u64;
        while look().unwrap().cpu_seconds <= first.cpu_seconds {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}

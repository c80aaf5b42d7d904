//! What processes cost, by `/proc`: the processor time of a browser's renderers and of the process
//! that draws.

use std::time::Duration;

/// The kernel counts processor time in hundredths of a second on every architecture of Linux.
const TICK: Duration = Duration::from_millis(10);

/// The processor time so far of the processes below this one whose command line names one of these
/// types.
pub(crate) fn processor_time(root: u32, types: &[&str]) -> Duration {
    let all: Vec<(u32, Stat)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, Stat::of(id)?)))
        .collect();
    let is_below = |mut id: u32| {
        while let Some((_, stat)) = all.iter().find(|(other, _)| *other == id) {
            if stat.parent == root {
                return true;
            }
            id = stat.parent;
        }
        false
    };
    let chosen = all
        .iter()
        .filter(|(id, _)| is_below(*id) && is_of(*id, types));
    chosen.map(|(_, stat)| stat.time).sum()
}

struct Stat {
    parent: u32,
    time: Duration,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name before it may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
        // User and system: fields 14 and 15 of the line, the state being the third.
        Some(Self {
            parent: number(1)?,
            time: TICK * (number(11)? + number(12)?),
        })
    }
}

fn is_of(id: u32, types: &[&str]) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    types
        .iter()
        .any(|kind| line.contains(&format!("--type={kind}")))
}

//! A batch of ticks in the order in which it is stored: by key, with every sequence given.
//!
//! Rows are put into piles by instrument, which costs one pass, and a pile is only sorted when
//! its stamps do not rise by themselves. It decides nothing about what is stored.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::keys::TickKey;
use super::tick_store::{Followed, KeyedTick, Stamp, TickStore};
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::timestamp::Timestamp;

/// The distinct ids of a column: each gets a slot, in the order of their first rows.
pub(super) struct IdSlots {
    ids: Vec<i64>,
    of_id: HashMap<i64, u32, RandomState>,
    of_row: Vec<u32>,
}

impl IdSlots {
    pub(super) fn of(column: impl ExactSizeIterator<Item = i64>) -> Self {
        let mut slots = Self {
            ids: Vec::new(),
            // Seeded anew for each batch, so that nobody can choose ids that collide.
            of_id: HashMap::default(),
            of_row: Vec::with_capacity(column.len()),
        };
        let mut last = None;
        for id in column {
            // Most columns have runs of one id.
            let slot = match last {
                Some((known, slot)) if known == id => slot,
                _ => slots.slot(id),
            };
            last = Some((id, slot));
            slots.of_row.push(slot);
        }
        slots
    }

    fn slot(&mut self, id: i64) -> u32 {
        let ids = &mut self.ids;
        *self.of_id.entry(id).or_insert_with(|| {
            ids.push(id);
            (ids.len() - 1) as u32
        })
    }

    /// The distinct ids.
    pub(super) fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// The slot of each row.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.of_row.iter().map(|slot| *slot as usize)
    }

    /// By slot, the place of its id among `found`, if it is there.
    pub(super) fn places(&self, found: impl Iterator<Item = i64>) -> Vec<Option<u32>> {
        let mut places = vec![None; self.ids.len()];
        for (place, id) in (0..).zip(found) {
            if let Some(slot) = self.of_id.get(&id) {
                places[*slot as usize] = Some(place);
            }
        }
        places
    }
}

/// The accepted ticks by key; those without a sequence get the next free ones of their stamp,
/// after those that the batch brings along. Rows of one key stay in the order of the batch. Ticks
/// after `newest_allowed` are left out; the second list has their indexes.
pub(super) fn in_key_order<'a>(
    ticks: &'a [Tick],
    places: &[Option<u32>],
    instruments: &[Followed],
    newest_allowed: Timestamp,
    store: &mut dyn TickStore,
) -> Result<(Vec<KeyedTick<'a>>, Vec<usize>)> {
    let piles = Piles::of(places, instruments.len());
    let mut by_id: Vec<usize> = (0..instruments.len()).collect();
    // Key order: the clustered table is walked once, and writers of several instruments lock in one
    // order.
    by_id.sort_unstable_by_key(|place| instruments[*place].known.id);
    let mut rows: Vec<KeyedTick<'a>> = Vec::with_capacity(piles.rows.len());
    let mut too_new = Vec::new();
    let mut numbered = true;
    for place in by_id {
        let newest = instruments[place].known.newest;
        let start = rows.len();
        rows.extend(piles.of_place(place).iter().map(|index| {
            let tick = &ticks[*index as usize];
            numbered &= tick.sequence().is_some();
            KeyedTick {
                // Those without a number come last at their stamp.
                key: key(tick, tick.sequence().unwrap_or(i64::MAX)),
                tick,
                index: *index as usize,
                fresh: newest.is_none_or(|newest| tick.timestamp() > newest),
            }
        }));
        let pile = &mut rows[start..];
        if !pile.is_sorted_by_key(|row| row.key) {
            // A stable sort: rows of one key stay in the order of the batch, and the first one
            // counts.
            pile.sort_by_key(|row| row.key);
        }
        // The last row of a pile is its newest: one comparison per instrument, none per row.
        if pile
            .last()
            .is_some_and(|row| row.key.timestamp > newest_allowed)
        {
            let allowed = pile.partition_point(|row| row.key.timestamp <= newest_allowed);
            too_new.extend(rows.drain(start + allowed..).map(|row| row.index));
        }
    }
    if !numbered {
        number(&mut rows, instruments, store)?;
    }
    Ok((rows, too_new))
}

/// The rows of each instrument, in the order of the batch: a counting sort.
struct Piles {
    rows: Vec<u32>,
    ends: Vec<usize>,
}

impl Piles {
    fn of(places: &[Option<u32>], count: usize) -> Self {
        let mut ends = vec![0; count];
        for place in places.iter().flatten() {
            ends[*place as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        let mut rows = vec![0; total];
        for (index, place) in (0..).zip(places) {
            if let Some(place) = place {
                let at = &mut ends[*place as usize];
                rows[*at] = index;
                *at += 1;
            }
        }
        Self { rows, ends }
    }

    fn of_place(&self, place: usize) -> &[u32] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start..self.ends[place]]
    }
}

/// Gives the rows without a sequence the next free ones of their stamps.
fn number(
    rows: &mut [KeyedTick<'_>],
    instruments: &[Followed],
    store: &mut dyn TickStore,
) -> Result<()> {
    let same_stamp = |a: &KeyedTick<'_>, b: &KeyedTick<'_>| stamp(a) == stamp(b);
    let lacks = |row: &KeyedTick<'_>| row.tick.sequence().is_none();
    let asked: Vec<Stamp> = rows
        .chunk_by(same_stamp)
        // A stamp after every stored one has no sequence that could be taken.
        .filter(|rows| !rows[0].fresh && rows.iter().any(lacks))
        .map(|rows| stamp(&rows[0]))
        .collect();
    let mut stored = if asked.is_empty() {
        HashMap::new()
    } else {
        store.next_sequences(&asked)?
    };
    let old = |(id, at, _): &Stamp| {
        let known = instruments.iter().find(|followed| followed.known.id == *id);
        known.is_some_and(|followed| followed.known.is_archived(*at))
    };
    // An instrument without archived ticks has no such stamp, and there is seldom one that has.
    #[cfg(feature = "archive")]
    if instruments
        .iter()
        .any(|followed| followed.known.archived_to.is_some())
    {
        let old: Vec<Stamp> = asked.iter().copied().filter(old).collect();
        for (stamp, next) in store.next_archived_sequences(&old)? {
            let free = stored.entry(stamp).or_insert(next);
            *free = next.max(*free);
        }
    }
    #[cfg(not(feature = "archive"))]
    let _ = (&mut stored, old);
    for rows in rows.chunk_by_mut(same_stamp) {
        // After the numbers that the batch brings along, or a row without one would take a later
        // row's key.
        let own = rows.iter().filter_map(|row| row.tick.sequence()).max();
        let mut next = own.map_or(0, |greatest| greatest.saturating_add(1));
        if !rows[0].fresh {
            next = next.max(stored.get(&stamp(&rows[0])).copied().unwrap_or(0));
        }
        for row in rows.iter_mut().filter(|row| lacks(row)) {
            row.key.sequence = next;
            next = next.saturating_add(1);
        }
    }
    Ok(())
}

fn stamp(row: &KeyedTick<'_>) -> Stamp {
    (row.key.instrument_id, row.key.timestamp, row.key.source_id)
}

fn key(tick: &Tick, sequence: i64) -> TickKey {
    TickKey {
        instrument_id: tick.instrument_id(),
        timestamp: tick.timestamp(),
        source_id: tick.source_id(),
        sequence,
    }
}

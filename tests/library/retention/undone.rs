//! Undoing: whatever policies have done is taken back exactly.

use super::*;

on_both! {
    /// Once every batch is undone, in whatever order, both have the same.
    fn what_is_undone_is_as_if_no_policy_had_been(db: &TestDatabase) {
        let mut deletions = 0;
        for seed in 0..6 {
            let mut twins = Twins::new(db, seed);
            for step in 0..30 {
                twins.step(step);
            }
            while !twins.batches.is_empty() {
                twins.undo_one();
                if twins.random.bool() {
                    refresh(&twins.kept);
                }
            }
            twins.both(refresh);
            assert_eq!(twins.place.texts("SELECT count(*) || '' AS text FROM retention_spans"), ["0"]);
            let (kept, without) = (&twins.kept, &twins.without);
            assert_eq!(count(kept), count(without), "seed {seed}");
            for frequency in [Frequency::FiveMinutes, Frequency::OneHour, DAILY, Frequency::OneWeek, Frequency::OneMonth] {
                assert_eq!(history(kept, frequency), history(without, frequency), "seed {seed}, {frequency}");
            }
            deletions += twins.undone;
        }
        assert!(deletions > 12, "{deletions}");
    }
}

/// One database that policies look after, and whose ticks somebody deletes, and one without.
struct Twins {
    kept: Database,
    without: Database,
    clock: Clock,
    place: TestDatabase,
    _alone: TestDatabase,
    random: fastrand::Rng,
    seed: u64,
    today: i64,
    now: Timestamp,
    batches: Vec<i64>,
    undone: usize,
}

impl Twins {
    fn new(db: &TestDatabase, seed: u64) -> Self {
        let (place, alone) = (another(db), another(db));
        let (kept, clock) = open(&place, 1_000);
        let (without, _) = open(&alone, 1_000);
        let twins = Self {
            kept,
            without,
            clock,
            place,
            _alone: alone,
            random: fastrand::Rng::with_seed(seed),
            seed,
            today: 40,
            now: at(1_000, 0),
            batches: Vec::new(),
            undone: 0,
        };
        // Bars of a vendor, of some days alone.
        let of_day = |day: i64| (0..6).map(move |n| (at(day * 5, 7_200 + n * 300), n as f64));
        let bars = (0..8).flat_map(of_day);
        let bars: Vec<_> = bars
            .map(|(at, price)| flat_bar(1, Frequency::FiveMinutes, at, price))
            .collect();
        twins.both(|database| {
            fill(database, 0..40);
            insert_bars(database, bars.clone()).unwrap();
            for frequency in [
                Frequency::OneHour,
                DAILY,
                Frequency::OneWeek,
                Frequency::OneMonth,
            ] {
                build_bars(database, 1, frequency);
            }
        });
        twins
    }

    fn both(&self, change: impl Fn(&Database)) {
        change(&self.kept);
        change(&self.without);
    }

    fn step(&mut self, step: usize) {
        self.now = self.now.saturating_add_micros(1_000_000);
        self.clock.set(self.now);
        match self.random.u8(0..9) {
            0 | 1 => {
                let until = self.today + self.random.i64(1..20);
                self.both(|database| fill(database, self.today..until));
                self.today = until;
            }
            2 => {
                let random = &mut self.random;
                let mut moment = || at(random.i64(0..self.today), random.i64(0..86_400));
                let late = [(moment(), step as f64), (moment(), step as f64)];
                self.both(|database| store(database, 1, &late));
            }
            3 => self.both(refresh),
            4 => self.delete_some(),
            5 if !self.batches.is_empty() => self.undo_one(),
            _ => self.keep(),
        }
    }

    /// Somebody deletes ticks.
    fn delete_some(&mut self) {
        let start = self.random.i64(0..self.today);
        let range = TickRange {
            instrument_id: 1,
            start: Some(at(start, 0)),
            end: Some(at(start + self.random.i64(1..40), 0)),
        };
        let (by, now) = (NewDeletion::of("somebody"), self.now);
        let deleted = self.kept.write("test.delete", move |conn| {
            deletion::batch(conn, &by, now, |conn, batch| {
                market_data::soft_delete_range(conn, &range, batch)
            })
        });
        self.batches.extend(deleted.unwrap().1.map(|of| of.id()));
    }

    /// Policies are set and done.
    fn keep(&mut self) {
        let random = &mut self.random;
        let mut age = |from: u64| days(from + random.u64(1..60)).filter(|_| random.bool());
        let (hours, five_minutes, delete) = (age(0), age(0), age(40));
        let archive = days(random.u64(1..40));
        set(&self.kept, ticks_policy(archive, delete));
        set(&self.kept, bars_policy(Some(Frequency::OneHour), hours));
        set(
            &self.kept,
            bars_policy(Some(Frequency::FiveMinutes), five_minutes),
        );
        let report = run(&self.kept);
        assert!(report.failures.is_empty(), "{report:?}");
        self.batches.extend(report.deletion.map(|of| of.id()));
    }

    fn undo_one(&mut self) {
        let id = self
            .batches
            .swap_remove(self.random.usize(0..self.batches.len()));
        let options = UndoOptions {
            skip_conflicts: true,
            ..UndoOptions::default()
        };
        let undone = deletion::undo(&self.kept, id, &options).unwrap();
        assert_eq!(
            undone.outcome,
            UndoOutcome::Undone,
            "seed {}: {undone:?}",
            self.seed
        );
        self.undone += 1;
    }
}

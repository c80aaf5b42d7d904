//! One series from its first bar on: extension, repair, what touches it and what does not.

use crate::bar_series::world::{DAY, HOUR, MINUTE, World, at, open};
use crate::support::{db_delete, db_read, db_write, insert_bars, on_both, upsert_bars};
use diesel::prelude::*;
use tickbase::database::BackendConnection;
use tickbase::domain::tick::Tick;
use tickbase::domain::{BarPrice, Frequency};
use tickbase::models::NewDeletion;
use tickbase::repository::RangeQuery;
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::bar_series::{self, BuildSpan};
use tickbase::repository::deletion::{self, UndoOptions};
use tickbase::repository::instrument;
use tickbase::repository::market_data::{self, InsertOptions, TickKey, TickRange};
use tickbase::repository::purge;
use tickbase::services::historical_data::{BarQuery, bars};
use tickbase::{Error, Timestamp, on_backend};

const M1: Frequency = Frequency::OneMinute;
const H1: Frequency = Frequency::OneHour;

fn key(world: &World<'_>, seconds: i64) -> TickKey {
    TickKey {
        instrument_id: world.id,
        timestamp: at(seconds),
        source_id: 1,
        sequence: 0,
    }
}

/// Deletes a tick as a batch of its own.
fn delete_tick(conn: &mut BackendConnection<'_>, key: TickKey) -> tickbase::Result<()> {
    deletion::batch(conn, &NewDeletion::of("a test"), at(0), |conn, batch| {
        market_data::soft_delete_keys(conn, &[key], batch)
    })?;
    Ok(())
}

on_both! {
    fn only_closed_periods_are_built_and_a_refresh_goes_on_from_there(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        assert_eq!(world.build(M1).series, None, "there is no tick");
        assert_eq!(world.refresh(M1).series, None);
        world.insert(&[10, 20, 70, 130, 150]);
        let report = world.build(M1);
        let series = report.series.unwrap();
        assert_eq!((series.built_from, series.built_to), (at(0), at(120)));
        assert_eq!((report.ticks_read, report.bars_written, report.transactions), (3, 2, 1));
        world.insert(&[600]);
        let report = world.refresh(M1);
        assert_eq!(report.series.unwrap().built_to, at(600));
        assert_eq!((report.ticks_read, report.bars_written), (2, 1));
        assert_eq!(world.stored(M1).len(), 3, "periods without a tick have no bar");
        assert_eq!(world.refresh(M1).transactions, 0);
        world.assert_true();
    }

    fn a_series_that_was_begun_beyond_its_ticks_builds_closed_periods_alone(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        let beyond = BuildSpan { start: Some(at(30 * DAY)), end: None };
        let report = world.build_span(M1, beyond).unwrap();
        assert_eq!(report.bars_written, 0);
        let series = world.build(M1).series.unwrap();
        assert_eq!((series.built_from, series.built_to), (at(0), at(120)));
        world.insert(&[140, 150]);
        assert_eq!(world.stale(M1), [0_i64; 0], "its period is open");
        world.assert_true();
    }

    fn ticks_that_foreign_sql_changed_are_built_anew_when_it_is_said(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130, 2 * HOUR]);
        world.build(M1);
        world.build(H1);
        let (id, whole) = (world.id, TickRange::all(world.id));
        db.write("test.own", move |conn| {
            let sql = format!("UPDATE market_data SET price = 1 WHERE instrument_id = {id}");
            on_backend!(conn, |c| diesel::sql_query(sql).execute(c))?;
            bar_series::mark_stale(conn, &TickRange { start: Some(at(75)), ..whole })
        })
        .unwrap();
        assert_eq!(world.stale(H1), [0, HOUR]);
        assert_eq!(world.stale(M1).len(), 119, "from the minute of the start on");
        assert_eq!(world.stale(M1)[0], 60);
        // What was not said stays as it was built, until it is.
        let marked = world.mark_stale(world.range(0, 60)).unwrap();
        assert_eq!((marked, world.stale(M1).len()), (2, 120));
        for frequency in [M1, H1] {
            world.refresh(frequency);
            assert_eq!(world.stale(frequency), [0_i64; 0]);
        }
        world.assert_true();
        assert_eq!(world.mark_stale(world.range(-DAY, 0)).unwrap(), 0);
        assert_eq!(world.mark_stale(world.range(2 * HOUR, DAY)).unwrap(), 0);
        let crossed = world.mark_stale(world.range(5, 4)).unwrap_err();
        assert!(matches!(crossed, Error::Invalid { .. }), "{crossed:?}");
    }

    fn a_late_tick_at_the_very_end_of_a_series_is_none_of_it(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130, 2 * HOUR]);
        world.build(H1);
        let two = BuildSpan { start: None, end: Some(at(120)) };
        world.build_span(M1, two).unwrap();
        world.insert(&[120]);
        assert_eq!((world.stale(M1), world.stale(H1)), (vec![], vec![0]));
        let last = Timestamp::from_micros(at(120).micros() - 1).unwrap();
        let late = Tick::trade(world.id, last, 5.0, 1.0).unwrap();
        world.ticks().insert_batch(vec![late], InsertOptions::default()).unwrap();
        assert_eq!(world.stale(M1), [60]);
        world.insert(&[0]);
        assert_eq!(world.stale(M1), [0, 60]);
        world.assert_true();
        world.refresh(M1);
        world.assert_true();
        assert_eq!(world.of(M1).unwrap().built_to, at(2 * HOUR));
    }

    fn a_finer_series_that_covers_a_part_is_no_basis_of_the_whole(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 40 * MINUTE, HOUR + 10, 3 * HOUR]);
        let first_hour = |from| BuildSpan { start: Some(at(from)), end: Some(at(HOUR)) };
        // It begins after the first tick of the hour.
        world.build_span(M1, first_hour(30 * MINUTE)).unwrap();
        world.build(H1);
        world.assert_true();
        // It ends in the middle of what is stale.
        world.insert(&[20, HOUR + 20]);
        world.build_span(M1, first_hour(0)).unwrap();
        assert_eq!((world.stale(M1), world.stale(H1)), (vec![], vec![0, HOUR]));
        world.refresh(H1);
        assert_eq!(world.stored(H1).len(), 2);
        world.assert_true();
    }

    fn a_long_bar_takes_no_part_from_short_ones_of_which_one_is_stale(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, HOUR + 10, 2 * HOUR]);
        world.build(M1);
        world.insert(&[75]);
        assert_eq!(world.stale(M1), [60]);
        let query = BarQuery::all(world.id, H1);
        let answer = db.read("test.bars", |conn| bars(conn, &query)).unwrap();
        let ticks = answer.bars.iter().map(|bar| bar.values.as_ref().unwrap().tick_count);
        assert_eq!(ticks.collect::<Vec<_>>(), [Some(3), Some(1), Some(1)]);
    }

    fn a_repair_that_ends_early_keeps_the_marks_that_it_has_not_come_to(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        world.build(M1);
        world.insert(&[15, 75]);
        assert_eq!(world.stale(M1), [0, 60]);
        let goes_on = std::cell::Cell::new(true);
        world.refresh_by(1, M1, &|| goes_on.replace(false));
        assert_eq!(world.stale(M1), [60]);
        world.assert_true();
    }

    fn a_series_that_is_not_there_is_not_refreshed(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 200]);
        assert_eq!(world.refresh(M1).series, None);
        assert_eq!(world.of(M1), None);
        let missing = World { db: &db, id: 77_777 }.build_span(M1, BuildSpan::default()).unwrap_err();
        assert!(matches!(missing, Error::NotFound { .. }), "{missing:?}");
        let span = BuildSpan { start: Some(at(5)), end: Some(at(4)) };
        let refused = world.build_span(M1, span).unwrap_err();
        assert!(matches!(refused, Error::Invalid { .. }), "{refused:?}");
    }

    fn late_ticks_mark_their_periods_alone_and_repair_brings_them_in(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130, 2 * HOUR]);
        world.build(M1);
        world.build(H1);
        world.insert(&[75, 2 * HOUR + 1]);
        assert_eq!(world.stale(M1), [60]);
        assert_eq!(world.stale(H1), [0]);
        assert!(world.all_series().iter().all(|series| series.is_due()));
        world.assert_true();
        let report = world.refresh(M1);
        assert_eq!((report.periods_repaired, report.bars_written, report.ticks_read), (1, 1, 2));
        assert_eq!(world.stale(M1), [0_i64; 0]);
        assert_eq!(world.stale(H1), [0], "that is a series of its own");
        let report = world.refresh(H1);
        assert_eq!((report.periods_repaired, report.bars_read, report.ticks_read), (1, 3, 0));
        // A tick in a period that had none.
        world.insert(&[30 * MINUTE]);
        assert_eq!(world.stale(M1), [30 * MINUTE]);
        assert_eq!(world.refresh(M1).bars_written, 1);
        world.refresh(H1);
        world.assert_true();
    }

    fn what_changes_no_bar_marks_nothing(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        world.build(M1);
        let report = world.insert(&[10, 70]);
        assert_eq!((report.duplicates, report.inserted), (2, 0), "resent");
        let conflict = world.tick(10, 0, Some(1.0));
        let quote = world.tick(11, 0, None);
        let before = world.tick(-DAY, 0, Some(1.0));
        let batch = vec![conflict, quote, before];
        let report = world.ticks().insert_batch(batch, InsertOptions::default()).unwrap();
        assert_eq!((report.conflicts, report.inserted), (1, 2));
        assert_eq!(world.ticks().restore_range(world.range(0, 60)).unwrap(), 0);
        assert_eq!(world.ticks().restore_keys(vec![key(&world, 10)]).unwrap(), 0);
        assert_eq!(world.stale(M1), [0_i64; 0]);
        let other = World::new(&db, "ETH");
        other.insert(&[10, 70, 130, 15]);
        other.ticks().soft_delete_range(other.range(0, 200)).unwrap();
        assert_eq!(world.stale(M1), [0_i64; 0]);
        world.assert_true();
    }

    fn what_is_built_follows_an_undo(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 20, 70, 130, 200]);
        world.build(M1);
        let before = world.stored(M1);
        world.ticks().soft_delete_range(world.range(60, 120)).unwrap();
        let ticks = db_read!(db, deletion::list(None, 1)).unwrap()[0].id();
        // It removes the bar that has nothing left, as a batch of its own.
        assert_eq!(world.refresh(M1).bars_removed, 1);
        let bars = db_read!(db, deletion::list(None, 1)).unwrap()[0].clone();
        assert_eq!((bars.bars, bars.request), (1, format!("build bars of 1min of instrument {}", world.id)));
        let undone = deletion::undo(&db, ticks, &UndoOptions::default()).unwrap();
        assert_eq!((undone.restored.ticks, world.stale(M1)), (1, vec![60]));
        assert_eq!(world.refresh(M1).bars_written, 1);
        assert_eq!(world.stored(M1), before);
        world.assert_true();
        // With all of the instrument: what was built comes back, and is made anew.
        let new = NewDeletion::of("a test");
        let whole = deletion::delete_instruments(&db, &[world.id], &new).unwrap();
        assert_eq!((whole.ticks, whole.bars), (5, 3));
        assert_eq!(deletion::undo(&db, whole.id(), &UndoOptions::default()).unwrap().restored.total(), 9);
        world.refresh(M1);
        assert_eq!(world.stored(M1), before);
        world.assert_true();
    }

    fn deleted_and_restored_ticks_take_their_bars_along(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 20, 70, 130, 200]);
        world.build(M1);
        assert_eq!(world.ticks().soft_delete_keys(vec![key(&world, 20)]).unwrap(), 1);
        assert_eq!(world.stale(M1), [0]);
        assert_eq!(world.refresh(M1).bars_written, 1);
        world.assert_true();
        // All ticks of a period.
        assert_eq!(world.ticks().soft_delete_range(world.range(60, 120)).unwrap(), 1);
        assert_eq!(world.stale(M1), [60]);
        let report = world.refresh(M1);
        assert_eq!((report.bars_removed, report.bars_written), (1, 0));
        assert_eq!(world.stored(M1).len(), 2);
        world.assert_true();
        // And back: no bar is there that could be marked.
        assert_eq!(world.ticks().restore_range(world.range(0, 120)).unwrap(), 2);
        assert_eq!(world.stale(M1), [0, 60]);
        assert_eq!(world.refresh(M1).bars_written, 2);
        assert_eq!(world.stored(M1).len(), 3);
        world.assert_true();
        // Everything.
        world.ticks().soft_delete_range(world.range(-DAY, DAY)).unwrap();
        assert_eq!(world.refresh(M1).bars_removed, 3);
        assert_eq!(world.stored(M1).len(), 0);
        let series = world.of(M1).unwrap();
        assert_eq!((series.built_from, series.built_to), (at(0), at(180)), "it is built: empty");
        let (one, two) = (key(&world, 10), key(&world, 130));
        assert_eq!(world.ticks().restore_keys(vec![two, one]).unwrap(), 2);
        assert_eq!(world.stale(M1), [0, 120]);
        world.refresh(M1);
        world.assert_true();
    }

    fn marks_of_a_transaction_that_is_undone_are_undone(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        world.build(M1);
        let (late, gone) = (world.tick(15, 0, Some(1.0)), key(&world, 70));
        let failed: tickbase::Result<()> = db.write("test.undone", move |conn| {
            let late = [late];
            market_data::insert_batch(conn, &late, &InsertOptions::default(), at(0))?;
            delete_tick(conn, gone)?;
            Err(Error::Closed)
        });
        failed.unwrap_err();
        assert_eq!(world.stale(M1), [0_i64; 0]);
        // Of a savepoint, too; what is outside of it stands.
        db.write("test.partly", move |conn| {
            delete_tick(conn, gone)?;
            let undone = conn.savepoint(|conn| -> tickbase::Result<()> {
                market_data::insert_batch(conn, &[late], &InsertOptions::default(), at(0))?;
                Err(Error::Closed)
            });
            undone.unwrap_err();
            Ok(())
        })
        .unwrap();
        assert_eq!(world.stale(M1), [60]);
        world.assert_true();
    }

    fn older_ticks_are_outside_until_they_are_built_and_no_gap_opens(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[DAY, DAY + 70, 2 * DAY, 2 * DAY + 70]);
        let span = BuildSpan { start: Some(at(2 * DAY + 5)), end: None };
        let report = world.build_span(M1, span).unwrap();
        assert_eq!(report.series.unwrap().built_from, at(2 * DAY), "a period is built whole");
        let old: Vec<i64> = (0..50).map(|n| n * 40).collect();
        world.insert(&old);
        assert_eq!(world.stale(M1), [0_i64; 0], "it never claimed them");
        assert_eq!(world.refresh(M1).transactions, 0);
        world.assert_true();
        let report = world.build_by(7, M1, BuildSpan::default()).unwrap();
        assert_eq!(report.series.unwrap().built_from, at(0));
        assert!(report.transactions > 5, "{report:?}");
        world.assert_true();
        // A span beyond the series is built with what lies between.
        world.insert(&[5 * DAY, 5 * DAY + 60, 5 * DAY + 120]);
        let span = BuildSpan { start: Some(at(5 * DAY)), end: Some(at(5 * DAY + 119)) };
        let report = world.build_span(M1, span).unwrap();
        assert_eq!(report.series.unwrap().built_to, at(5 * DAY + 60));
        world.assert_true();
    }

    fn what_ends_between_two_transactions_is_gone_on_with(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        let seconds: Vec<i64> = (0..200).map(|n| n * 13).collect();
        world.insert(&seconds);
        let nothing = BuildSpan { start: Some(at(0)), end: Some(at(0)) };
        world.build_by(10, M1, nothing).unwrap();
        let mut ends = Vec::new();
        for _ in 0..4 {
            let runs = std::cell::Cell::new(0);
            let two = || runs.replace(runs.get() + 1) < 2;
            assert_eq!(world.refresh_by(10, M1, &two).transactions, 2);
            ends.push(world.of(M1).unwrap().built_to);
            world.assert_true();
        }
        assert!(ends.is_sorted() && ends[0] > at(0) && ends[3] < at(200 * 13), "{ends:?}");
        world.refresh_by(10, M1, &|| true);
        assert_eq!(world.of(M1).unwrap().built_to, at(43 * MINUTE));
        world.assert_true();
    }

    fn a_build_that_fails_half_way_leaves_what_is_built_and_says_why(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130, 190, 250, 310]);
        world.insert_too_much(200);
        let failed = world.build_by(1, M1, BuildSpan::default()).unwrap_err();
        let text = failed.chain();
        assert!(text.contains("2024-01-01T00:03:00"), "{text}");
        assert_eq!(world.of(M1).unwrap().built_to, at(180));
        world.assert_true();
        assert_eq!(world.ticks().soft_delete_range(world.range(200, 201)).unwrap(), 2);
        world.refresh(M1);
        assert_eq!(world.of(M1).unwrap().built_to, at(300));
        world.assert_true();
    }

    fn bars_of_finer_series_are_a_basis_only_where_they_are_built_and_fresh(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        let seconds: Vec<i64> = (0..300).map(|n| n * 100).collect();
        world.insert(&seconds);
        let half = BuildSpan { start: None, end: Some(at(4 * HOUR)) };
        world.build_span(M1, half).unwrap();
        let report = world.build(H1);
        assert_eq!(report.bars_read, 4 * 36);
        assert!(report.ticks_read > 100, "the rest comes from the ticks: {report:?}");
        world.assert_true();
        world.insert(&[5, HOUR + 5]);
        let report = world.refresh(H1);
        assert_eq!((report.bars_read, report.ticks_read), (35 + 35, 2 + 2), "of the stale minutes");
        assert_eq!(report.periods_repaired, 2);
        world.assert_true();
        world.refresh(M1);
        world.assert_true();
    }

    fn built_bars_are_nobody_elses(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        world.build(M1);
        let source = db.read("test.source", |conn| bar_series::source_id(conn, BarPrice::Last)).unwrap();
        let built = BarRange { data_source_id: Some(source), ..BarRange::all(world.id, M1) };
        let page = db_read!(db, bar::range(&bar_query(built))).unwrap();
        let first = page.rows[0].id;
        let copy: Vec<tickbase::models::NewMarketDataBar> =
            page.rows.iter().cloned().map(Into::into).collect();
        let refused = upsert_bars(&db, copy.clone()).unwrap();
        assert_eq!(refused.rejected.len(), 2);
        assert!(refused.rejected[0].reason.contains("built from ticks"), "{refused:?}");
        assert_eq!(insert_bars(&db, copy).unwrap().rejected.len(), 2);
        // A bar of another source stands beside.
        let mut own: tickbase::models::NewMarketDataBar = page.rows[0].clone().into();
        own.data_source_id = 1;
        assert_eq!(insert_bars(&db, [own]).unwrap().inserted, 1);
        world.assert_true();
        // A deleted one is built again.
        assert_eq!(db_delete!(db, bar::soft_delete(&[first])).unwrap(), 1);
        assert_eq!(world.stale(M1), [0]);
        world.assert_true();
        assert_eq!(world.refresh(M1).bars_written, 1);
        assert_eq!(db_delete!(db, bar::soft_delete_range(&built)).unwrap(), 2);
        assert_eq!(world.stale(M1), [0, 60]);
        world.refresh(M1);
        // One that comes back without its ticks goes again.
        world.ticks().soft_delete_range(world.range(0, 60)).unwrap();
        world.refresh(M1);
        assert_eq!(db_write!(db, bar::restore(&[first])).unwrap(), 1);
        world.assert_true();
        world.refresh(M1);
        assert_eq!(world.stored(M1).len(), 1);
        world.assert_true();
    }

    fn series_are_listed_and_go_with_their_instrument(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130, 2 * HOUR]);
        world.build(H1);
        world.build(M1);
        world.insert(&[11]);
        let list = world.all_series();
        let told: Vec<_> = list
            .iter()
            .map(|of| (of.symbol.as_str(), of.series.frequency, of.stale_periods))
            .collect();
        assert_eq!(told, [("BTC", M1, 1), ("BTC", H1, 1)]);
        db_delete!(db, instrument::soft_delete(&[world.id])).unwrap();
        assert_eq!(world.all_series(), []);
        assert_eq!(world.refresh(M1).transactions, 0);
        // Its bars keep it, as any others do.
        world.ticks().soft_delete_range(world.range(-DAY, DAY)).unwrap();
        let far = tickbase::Timestamp::MAX;
        let kept = purge::run(&db, far, false).unwrap();
        assert_eq!(kept.kept(), 1, "{kept:?}");
        for frequency in [M1, H1] {
            let all = BarRange::all(world.id, frequency);
            db_delete!(db, bar::soft_delete_range(&all)).unwrap();
        }
        let purged = purge::run(&db, far, false).unwrap();
        assert_eq!(purged.kept(), 0, "{purged:?}");
        assert_eq!(world.of(M1), None);
        assert_eq!(world.stale(M1), [0_i64; 0]);
    }
}

fn bar_query(range: BarRange) -> RangeQuery<BarRange, tickbase::repository::bar::BarKey> {
    RangeQuery::new(range, 100)
}

//! What changes no bar that stays, what waits, and what a damaged file leaves out.

use super::*;

on_both! {
    fn what_others_delete_and_restore_changes_no_bar_that_stays(db: &TestDatabase) {
        let (database, _) = open(db, 200);
        fill(&database, 0..60);
        // Of two days of September there are minutes of a vendor, too.
        let minutes = (25..27).flat_map(|day| (0..5).map(move |minute| flat_bar(1, MINUTES, at(day, 3_600 + minute * 60), 7.0)));
        insert_bars(&database, minutes).unwrap();
        build_bars(&database, 1, DAILY);
        set(&database, ticks_policy(None, days(15)));
        let daily = history(&database, DAILY);
        let report = run(&database);
        assert_eq!(report.deletion.as_ref().unwrap().counts().ticks, 90);
        // Minutes are deleted and come back; a restoration finds nothing; ticks come late.
        let range = BarRange { start: Some(at(20, 0)), ..BarRange::all(1, MINUTES) };
        let now = database.clock().now();
        let (_, batch) = database
            .write("test.delete", move |conn| {
                deletion::batch(conn, &NewDeletion::of("test"), now, |conn, batch| bar::soft_delete_range(conn, &range, batch))
            })
            .unwrap();
        refresh(&database);
        deletion::undo(&database, batch.unwrap().id(), &UndoOptions::default()).unwrap();
        let hours = TickRange { instrument_id: 1, start: Some(at(3, 80_000)), end: Some(at(4, 0)) };
        assert_eq!(MarketDataRepository::new(&database).restore_range(hours).unwrap(), 0);
        store(&database, 1, &[(at(3, 50_000), 5_000.0), (at(26, 50_000), 5_000.0)]);
        refresh(&database);
        assert_eq!(history(&database, DAILY), daily);
        // A month that had no ticks is built as soon as it has some.
        store(&database, 1, &[(at(-40, 0), 3.0), (at(-39, 0), 3.0)]);
        build_bars(&database, 1, DAILY);
        assert!(history(&database, DAILY).len() > daily.len());
    }

    fn longer_bars_outlive_the_built_ones_that_they_are_made_of(db: &TestDatabase) {
        let (database, _) = open(db, 200);
        fill(&database, 0..100);
        build_bars(&database, 1, MINUTES);
        set(&database, ticks_policy(None, days(15)));
        run(&database);
        // Made of minutes alone, for the ticks are gone.
        let (key, whole) = (SeriesKey::of_trades(1, DAILY), BuildSpan { start: Some(at(0, 0)), end: None });
        bar_series::build(&database, key, whole, TICKS_PER_TRANSACTION_MAX).unwrap();
        let daily = history(&database, DAILY);
        let (all, minutes) = (stored_bars(&database, MINUTES), history(&database, MINUTES));
        set(&database, bars_policy(Some(MINUTES), days(60)));
        let first = run(&database);
        assert_eq!(first.lines.last().unwrap().bars_that_stay, [DAILY]);
        set(&database, bars_policy(Some(MINUTES), days(30)));
        let second = run(&database);
        assert!(first.deletion.is_some() && second.deletion.is_some());
        store(&database, 1, &[(at(3, 50_000), 5_000.0), (at(45, 50_000), 5_000.0)]);
        refresh(&database);
        assert_eq!(history(&database, DAILY), daily);
        // In the wrong order, with repairs between.
        undo_what_is_free(&database, &first);
        refresh(&database);
        undo_what_is_free(&database, &second);
        refresh(&database);
        assert_eq!(stored_bars(&database, MINUTES), all);
        assert_eq!((history(&database, MINUTES), history(&database, DAILY)), (minutes, daily));
    }

    fn a_feed_that_ended_keeps_what_is_not_closed_and_no_more(db: &TestDatabase) {
        let (database, _) = open(db, 300);
        fill(&database, 0..62);
        build_bars(&database, 1, Frequency::OneWeek);
        // Another feed goes on.
        let other = NewInstrument::new("ON".parse().unwrap(), "a feed that goes on", InstrumentType::Future);
        let now = database.clock().now();
        let other = database.write("test.other", move |conn| instrument::insert(conn, &other, now)).unwrap();
        store(&database, other.id, &[(at(200, 1), 1.0)]);
        set(&database, ticks_policy(None, days(30)));
        // The week of 2013-10-28 is never over.
        let dry = retention::run(&database, &Archiver::default(), &RetentionRequest { dry_run: true, ..request() }, &|| true).unwrap();
        let report = run(&database);
        let deleted = |of: &RetentionReport| -> Vec<(RetentionOutcome, i64)> {
            of.lines.iter().filter(|of| of.step == RetentionStep::DeleteTicks).map(|of| (of.outcome, of.rows)).collect()
        };
        assert_eq!(deleted(&report), [(RetentionOutcome::Done, 90), (RetentionOutcome::BarsWait, 93)]);
        assert_eq!(deleted(&dry), [(RetentionOutcome::WouldBeDone, 90), (RetentionOutcome::BarsWait, 93)]);
        assert_eq!(deleted(&run(&database)), [(RetentionOutcome::BarsWait, 93)]);
    }

    fn one_late_tick_does_not_have_its_file_made_anew(db: &TestDatabase) {
        let (database, _) = open(db, 300);
        // 120 ticks of September, and the newest one later.
        let ticks: Vec<(Timestamp, f64)> = (0..120).map(|n| (at(0, n), 1.0)).chain([(at(62, 0), 1.0)]).collect();
        store(&database, 1, &ticks);
        set(&database, ticks_policy(days(1), None));
        let archived = |of: &RetentionReport| -> Vec<i64> {
            of.lines.iter().filter(|of| of.step == RetentionStep::ArchiveTicks).map(|of| of.rows).collect()
        };
        assert_eq!(archived(&run(&database)), [120]);
        store(&database, 1, &[(at(1, 1), 1.0)]);
        assert_eq!(archived(&run(&database)), [0; 0]);
        // The second one makes it one in a hundred of the file.
        store(&database, 1, &[(at(1, 2), 1.0)]);
        assert_eq!(archived(&run(&database)), [122]);
    }

    fn a_damaged_file_keeps_no_other_instrument_from_its_policies(db: &TestDatabase) {
        let (database, _) = open(db, 300);
        let other = NewInstrument::new("ON".parse().unwrap(), "another one", InstrumentType::Future);
        let now = database.clock().now();
        let other = database.write("test.other", move |conn| instrument::insert(conn, &other, now)).unwrap();
        fill(&database, 0..62);
        store(&database, other.id, &[(at(0, 1), 1.0), (at(61, 1), 1.0)]);
        set(&database, ticks_policy(days(1), None));
        run(&database);
        store(&database, 1, &[(at(1, 1), 1.0)]);
        store(&database, other.id, &[(at(2, 1), 1.0)]);
        let zeros = match db.backend() {
            "SQLite" => "zeroblob(length(content))",
            _ => "decode(repeat('00', length(content)), 'hex')",
        };
        db.raw(&format!("UPDATE archive_parts SET content = {zeros} WHERE segment_id = 1")).unwrap();
        let report = run(&database);
        assert_eq!((report.failures.len(), report.failures[0].instrument_id), (1, 1), "{report:?}");
        assert_eq!((report.lines.len(), report.lines[0].instrument_id), (1, other.id), "{report:?}");
    }
}

//! The downstream crate's program, run on both backends: scopes do what they say.

use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

use crate::cases::messages_of_the_page;
use crate::models::{NewNote, NoteChange, Trade};
use crate::queries::{
    add, by_source, change, count, count_by_row, create_table, history, newest, of_instrument,
    overview, restore, search, soft_delete, trade, trash_and_all, upsert,
};
use crate::support::{TestDatabase, on_both};

/// Notes 1 and 2 on ES, 3 on NQ, 4 on ES; the second is in the trash.
fn with_notes(db: &TestDatabase) -> Database {
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    let notes = [(1, "gap up"), (1, "typo"), (2, "quiet"), (1, "gap filled")];
    let new = notes.map(|(instrument_id, body)| NewNote {
        instrument_id,
        source_id: 1,
        body: body.to_owned(),
    });
    database.write("downstream.create", create_table).unwrap();
    database
        .write("downstream.add", move |conn| add(conn, &new))
        .unwrap();
    let now = database.clock().now();
    let deleted = database.write("downstream.delete", move |conn| soft_delete(conn, 2, now));
    assert!(deleted.unwrap());
    database
}

on_both! {
    fn every_query_of_the_downstream_crate_reads_active_rows_alone(db: &TestDatabase) {
        let database = with_notes(db);
        let (newest, all, found, overview, history, by_source) = database
            .read("downstream.all", |conn| {
                Ok((
                    newest(conn, "ES", 5)?,
                    search(conn, None)?,
                    search(conn, Some("gap"))?,
                    overview(conn)?,
                    history(conn)?,
                    by_source(conn)?,
                ))
            })
            .unwrap();
        let newest: Vec<i64> = newest.iter().map(|note| note.id).collect();
        assert_eq!(newest, [4, 1]);
        assert_eq!(all, ["gap up", "quiet", "gap filled"]);
        assert_eq!(found, ["gap up", "gap filled"]);
        // The other ten instruments keep their rows, without a note.
        assert_eq!(overview.len(), 13);
        assert_eq!(overview[3], ("YM".to_owned(), None));
        assert_eq!(history, [("gap filled".to_owned(), "gap up".to_owned())]);
        let notes = by_source.iter().map(|(source, notes)| (source.name.as_str(), notes.len()));
        let mut notes: Vec<_> = notes.collect();
        notes.sort_unstable();
        assert_eq!(notes, [("tickbase", 3), ("tickbase-bars", 0),
            ("tickbase-bars-ask", 0), ("tickbase-bars-bid", 0), ("tickbase-bars-mid", 0)]);
    }

    fn a_note_goes_to_the_trash_once_and_comes_back_once(db: &TestDatabase) {
        let database = with_notes(db);
        let state = || database.read("downstream.state", |conn| {
            assert_eq!(count(conn)?, count_by_row(conn)?);
            Ok((count(conn)?, trash_and_all(conn)?))
        });
        let now = database.clock().now();
        let delete = || database.write("downstream.delete", move |conn| soft_delete(conn, 2, now));
        let restore = || database.write("downstream.restore", |conn| restore(conn, 2));
        assert_eq!(state().unwrap(), (3, (1, 4)));
        assert!(!delete().unwrap());
        assert!(restore().unwrap());
        assert!(!restore().unwrap());
        assert_eq!(state().unwrap(), (4, (0, 4)));
    }

    fn derived_rows_of_gated_tables_are_stored_changed_and_found_by_their_parents(db: &TestDatabase) {
        let database = with_notes(db);
        let now = database.clock().now();
        let trades = [1, 2].map(|sequence| Trade {
            instrument_id: 1,
            timestamp: now,
            source_id: 1,
            sequence,
            price: Some(4_999.75),
        });
        database
            .write("downstream.trade", move |conn| trade(conn, &trades, now))
            .unwrap();
        let quieter = NoteChange { body: Some("gap half filled".to_owned()) };
        let changes = database.write("downstream.change", move |conn| {
            // The second note is in the trash: it stays as it was.
            Ok((change(conn, 4, &quieter)?, change(conn, 2, &quieter)?))
        });
        assert_eq!(changes.unwrap(), (true, false));

        let (notes, trades) = database
            .read("downstream.of", |conn| of_instrument(conn, "ES"))
            .unwrap();
        let notes: Vec<&str> = notes.iter().map(|note| note.body.as_str()).collect();
        assert_eq!(notes, ["gap up", "gap half filled"]);
        let trades: Vec<_> = trades.iter().map(|trade| (trade.sequence, trade.price)).collect();
        assert_eq!(trades, [(2, Some(5_000.25))]);
    }

    fn an_upsert_changes_the_active_row_and_leaves_the_trash_alone(db: &TestDatabase) {
        let database = with_notes(db);
        let upsert = |body: &str, source_id| {
            let note = NewNote { instrument_id: 1, source_id, body: body.to_owned() };
            database.write("downstream.upsert", move |conn| upsert(conn, &note)).unwrap()
        };
        assert!(!upsert("gap up", 2));
        assert!(upsert("typo", 2)); // Its namesake is in the trash.
        assert!(!upsert("typo", 1));
        let state = || database.read("downstream.state", trash_and_all).unwrap();
        assert_eq!(state(), (1, 5));
        let sources = || database.read("downstream.newest", |conn| newest(conn, "ES", 9)).unwrap();
        let sources = sources().into_iter().map(|note| (note.body, note.source_id));
        let expected = [("typo", 1), ("gap filled", 1), ("gap up", 2)];
        assert_eq!(sources.collect::<Vec<_>>(), expected.map(|(body, id)| (body.to_owned(), id)));

        // Many at once, of one key: one of them is new.
        let new = std::thread::scope(|scope| {
            let racers = [1, 2, 1, 2].map(|source| {
                let upsert = &upsert;
                scope.spawn(move || (0..20).filter(|nth| upsert(&format!("race {nth}"), source)).count())
            });
            racers.map(|racer| racer.join().unwrap()).into_iter().sum::<usize>()
        });
        assert_eq!((new, state()), (20, (1, 25)));
    }

    fn a_write_in_a_read_is_refused_in_the_words_of_the_page(db: &TestDatabase) {
        let database = with_notes(db);
        let now = database.clock().now();
        let written = database.read("downstream.slip", |conn| soft_delete(conn, 1, now));
        let said = written.unwrap_err().chain();
        let of_backend = |message: &String| said.contains(message.as_str());
        let page = messages_of_the_page("What the database says");
        assert!(page.iter().any(of_backend), "the page has no {said:?}");
    }
}

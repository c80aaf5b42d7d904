//! What `/ws/realtime` sends of writes: those of the process, however they came, and those of others.

use std::time::Duration;

use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::diesel::prelude::*;
use tickbase::domain::Frequency;
use tickbase::domain::bar::{Bar, RawBar};
use tickbase::domain::tick::Tick;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::market_data::{
    InsertOptions, MarketDataRepository, TickRange, insert_batch,
};
use tickbase::{Error, Result};

use crate::api::websocket::{Client, Served};
use crate::support::{insert_bars, on_both};

const ES: i64 = 1;
const NQ: i64 = 2;
/// Longer than writes of others need to show.
const SHOWN_AFTER: Duration = Duration::from_millis(1_500);

fn trade(instrument_id: i64, second: i64, price: f64) -> Tick {
    let at = Timestamp::from_micros(1_378_203_780_000_000 + second * 1_000_000).unwrap();
    Tick::trade(instrument_id, at, price, 1.0).unwrap()
}

fn store(db: &Database, ticks: Vec<Tick>) {
    let ticks = MarketDataRepository::new(db).insert_batch(ticks, InsertOptions::default());
    assert!(ticks.unwrap().rejected.is_empty());
}

fn subscribed(served: &Served) -> Client {
    let mut client = served.client();
    client.subscribe(json!({"subscriptionType": "market_data"}));
    client
}

fn day() -> NewMarketDataBar {
    let bar = RawBar {
        instrument_id: ES,
        timestamp: "2013-09-03T00:00:00Z".parse().unwrap(),
        frequency: Frequency::OneDay,
        open: "1".parse().ok(),
        high: "1".parse().ok(),
        low: "1".parse().ok(),
        close: "1".parse().ok(),
        volume: Some(1.0),
        open_interest: None,
        source_id: None,
    };
    (&Bar::try_from(bar).unwrap()).into()
}

on_both! {
    fn ticks_reach_the_clients_however_they_were_stored(db: &TestDatabase) {
        let served = Served::new(db);
        let database = served.app.database();
        let mut client = subscribed(&served);
        let mut price = || client.data("market_data")["price"].clone();
        store(database, vec![trade(ES, 0, 1.0), trade(ES, 1, 2.0)]);
        assert_eq!([price(), price()], [1.0, 2.0]);
        let undone: Result<()> = database.write("test.undone", |conn| {
            insert_batch(conn, &[trade(ES, 2, 3.0)], &InsertOptions::default(), Timestamp::MAX)?;
            Err(Error::invalid("test", "it says no", "none"))
        });
        assert!(undone.is_err());
        database.write("test.savepoint", |conn| {
            let undone = conn.savepoint(|conn| {
                insert_batch(conn, &[trade(ES, 3, 4.0)], &InsertOptions::default(), Timestamp::MAX)?;
                Err::<(), _>(Error::invalid("test", "it says no", "none"))
            });
            assert!(undone.is_err());
            insert_batch(conn, &[trade(ES, 4, 5.0)], &InsertOptions::default(), Timestamp::MAX)
        }).unwrap();
        assert_eq!(price(), 5.0);
        let url = format!("http://{}/api/import?symbol=ES", served.address);
        ureq::post(url)
            .header("content-type", "text/csv")
            .send("timestamp,price\n2013-09-04T10:00:00Z,6.0\n")
            .unwrap();
        assert_eq!(price(), 6.0);
        // Nothing of all this is taken for a write of somebody else.
        std::thread::sleep(SHOWN_AFTER);
        assert_eq!(client.until_pong(), Vec::<Value>::new());
    }

    fn of_a_large_batch_come_the_newest_ticks_and_where_it_changed(db: &TestDatabase) {
        let served = Served::new(db);
        let database = served.app.database();
        let (mut all, mut nq) = (subscribed(&served), served.client());
        nq.subscribe(json!({"subscriptionType": "market_data", "instrumentId": NQ}));
        store(database, vec![trade(NQ, 5_000, 3_100.0)]);
        assert_eq!(nq.data("market_data")["price"], 3_100.0);
        all.data("market_data");
        let ticks = (0..600).map(|second| trade(ES, second, 1_640.0));
        let late = (0..100).map(|second| trade(NQ, second, 3_000.0));
        store(database, ticks.chain(late).collect());
        let newest = all.data("market_data");
        assert_eq!(newest["timestamp"], "2013-09-03T10:32:59.000000Z");
        let changed = json!({"instrumentId": NQ, "symbol": "NQ",
            "from": "2013-09-03T10:23:00.000000Z", "to": "2013-09-03T10:24:39.000000Z", "rows": 100});
        assert_eq!(all.data("data_changed"), json!({"instrumentId": ES, "symbol": "ES",
            "from": "2013-09-03T10:23:00.000000Z", "to": "2013-09-03T10:32:59.000000Z", "rows": 600}));
        assert_eq!(all.data("data_changed"), changed);
        assert_eq!(nq.data("data_changed"), changed, "its late ticks are not the newest");
        assert_eq!(nq.until_pong(), Vec::<Value>::new());
    }

    fn what_is_no_new_tick_says_where_the_data_changed(db: &TestDatabase) {
        let served = Served::new(db);
        let database = served.app.database();
        store(database, vec![trade(ES, 0, 1.0), trade(ES, 1, 2.0)]);
        let mut client = subscribed(&served);
        let mut changed = || client.data("data_changed");
        let ticks = MarketDataRepository::new(database);
        assert_eq!(ticks.soft_delete_range(TickRange::all(ES)).unwrap(), 2);
        let anywhere = json!({"instrumentId": ES, "symbol": "ES", "from": null, "to": null, "rows": 2});
        assert_eq!(changed(), anywhere);
        ticks.restore_range(TickRange::all(ES)).unwrap();
        assert_eq!(changed(), anywhere);
        insert_bars(database, [day()]).unwrap();
        let start = "2013-09-03T00:00:00.000000Z";
        assert_eq!(changed(), json!({"instrumentId": ES, "symbol": "ES", "from": start, "to": start,
            "rows": 1}));
        // A write that does not say what it changes may have changed anything.
        database.write("test.raw", |conn| {
            let update = tickbase::diesel::sql_query("UPDATE data_sources SET name = name");
            Ok(tickbase::on_backend!(conn, |c| update.execute(c))?)
        }).unwrap();
        assert_eq!(changed(), json!({"instrumentId": null, "symbol": null, "from": null, "to": null,
            "rows": null}));
        std::thread::sleep(SHOWN_AFTER);
        assert_eq!(client.until_pong(), Vec::<Value>::new());
    }

    fn writes_beside_those_of_the_process_name_their_instrument(db: &TestDatabase) {
        let served = Served::new(db);
        let mut client = subscribed(&served);
        let other = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        store(&other, vec![trade(ES, 0, 1.0)]);
        let unknown = |id: i64, symbol: &str| json!({"instrumentId": id, "symbol": symbol,
            "from": null, "to": null, "rows": null});
        assert_eq!(client.data("data_changed"), unknown(ES, "ES"));
        // Own ticks of the instrument before and after do not hide it.
        store(served.app.database(), vec![trade(NQ, 0, 1.0)]);
        insert_bars(&other, [day()]).unwrap();
        store(&other, vec![trade(NQ, 1, 2.0)]);
        store(served.app.database(), vec![trade(NQ, 2, 3.0)]);
        assert_eq!(client.data("market_data")["price"], 1.0);
        assert_eq!(client.data("market_data")["price"], 3.0);
        let mut changed = [client.data("data_changed"), client.data("data_changed")];
        changed.sort_by_key(|of| of["instrumentId"].as_i64());
        assert_eq!(changed, [unknown(ES, "ES"), unknown(NQ, "NQ")]);
        std::thread::sleep(SHOWN_AFTER);
        assert_eq!(client.until_pong(), Vec::<Value>::new());
        other.close();
    }
}

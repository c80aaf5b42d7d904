//! `GET /api/ticks` and `GET /api/bars`: forms, pages, parts, and what happens to a reader that is slow,
//! or whose rows cannot be read to the end.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

use crate::api::client::{Answer, Api};
use crate::support::{TestDatabase, on_both};

const ES: &str = "/api/ticks?symbol=ES";

/// Three ticks of ES and one of NQ, of one minute and the third after.
fn with_ticks(db: &TestDatabase) -> Api {
    let api = Api::new(db);
    let tick = |symbol: &str, second: &str, price: f64| {
        let stamp = format!("2013-09-03T10:3{second}Z");
        json!({"symbol": symbol, "timestamp": stamp, "sequence": 7, "price": price, "volume": 2})
    };
    let ticks = [
        tick("ES", "1:01", 1642.25),
        tick("ES", "1:02.5", 1642.5),
        tick("ES", "4:00", 1643.0),
        tick("NQ", "1:01", 3120.0),
    ];
    api.post("/api/market-data", &json!(ticks)).json(200);
    api
}

fn get_with(api: &Api, path: &str, header: &str, value: &str) -> Answer {
    let request = Request::get(path).header(header, value);
    api.send(request.body(Body::empty()).unwrap())
}

/// Enough rows that no socket and no channel holds them all.
fn with_many_ticks(db: &TestDatabase) -> Api {
    let api = Api::new(db);
    let start = "2013-09-03T10:31:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .micros();
    let ticks = (0..60_000).map(|n| {
        let at = Timestamp::from_micros(start + n * 1_000).unwrap();
        Tick::trade(1, at, 1_640.0 + (n % 100) as f64 * 0.25, 1.0).unwrap()
    });
    let ticks: Vec<Tick> = ticks.collect();
    let repository = MarketDataRepository::new(api.app.database());
    let report = repository
        .insert_batch(ticks, InsertOptions::default())
        .unwrap();
    assert_eq!(report.inserted, 60_000);
    api
}

on_both! {
    fn rows_come_in_the_form_that_is_asked_for(db: &TestDatabase) {
        let api = with_ticks(db);
        let list = api.get(&format!("{ES}&end=2013-09-03T10:31:02Z"));
        assert_eq!(list.header("content-type"), Some("application/json"));
        assert_eq!(list.json(200), json!([{
            "symbol": "ES", "timestamp": "2013-09-03T10:31:01.000000Z", "source_id": 1, "sequence": 7,
            "price": 1642.25, "volume": 2, "bid": null, "ask": null, "bid_size": null,
            "ask_size": null, "open": null, "high": null, "low": null,
        }]));
        let csv = "symbol,timestamp,price\n\
            NQ,2013-09-03T10:31:01.000000Z,3120\n\
            ES,2013-09-03T10:31:01.000000Z,1642.25\n\
            ES,2013-09-03T10:31:02.500000Z,1642.5\n\
            ES,2013-09-03T10:34:00.000000Z,1643\n";
        let both = "/api/ticks?symbols=NQ,ES&columns=symbol,timestamp,price";
        let named = api.get(&format!("{both}&format=csv"));
        assert_eq!((named.text().as_str(), named.status.as_u16()), (csv, 200));
        assert_eq!(named.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(get_with(&api, both, "accept", "text/csv").text(), csv);
        let lines = api.get(&format!("{both}&format=ndjson")).text();
        let first = r#"{"symbol":"NQ","timestamp":"2013-09-03T10:31:01.000000Z","price":3120}"#;
        assert_eq!((lines.lines().next(), lines.lines().count()), (Some(first), 4));
        // A format of the query is meant, whatever a browser accepts.
        assert_eq!(get_with(&api, &format!("{both}&format=csv"), "accept", "text/html").text(), csv);
        let none = get_with(&api, both, "accept", "text/html").detail(406);
        assert!(none.contains("text/csv") && none.contains("parquet"), "{none}");
        let parquet = api.get(&format!("{both}&format=parquet"));
        assert_eq!(parquet.header("content-type"), Some("application/vnd.apache.parquet"));
        assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
        let arrow = api.get(&format!("{both}&format=arrow")).body;
        assert!(arrow.starts_with(&[0xff; 4]) && arrow.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
        assert_eq!(api.get("/api/ticks?symbol=YM").json(200), json!([]));
    }

    fn bars_are_those_of_the_history(db: &TestDatabase) {
        let api = with_ticks(db);
        let path = "/api/bars?symbol=ES&frequency=1min&columns=timestamp,close,volume,tick_count";
        let minutes = api.get(path).json(200);
        assert_eq!(minutes, json!([
            {"timestamp": "2013-09-03T10:31:00.000000Z", "close": 1642.5, "volume": 4, "tick_count": 2},
            {"timestamp": "2013-09-03T10:34:00.000000Z", "close": 1643, "volume": 2, "tick_count": 1},
        ]));
        let filled = api.get(&format!("{path}&fill=previous&format=csv")).text();
        assert_eq!(filled.lines().nth(2), Some("2013-09-03T10:32:00.000000Z,1642.5,0,0"));
        assert_eq!(filled.lines().count(), 5);
        // A plus that nobody has escaped is a space.
        let offset = api.get(&format!("{path}&start=2013-09-03T12:32:00+02:00")).json(200);
        assert_eq!(offset.as_array().unwrap().len(), 1, "{offset}");
        // Grafana sends milliseconds.
        let some = api.get(&format!("{path}&start=1378204320000")).json(200);
        assert_eq!(some.as_array().unwrap().len(), 1, "{some}");
        let quotes = api.get(&format!("{path}&price=mid")).json(200);
        assert_eq!(quotes, json!([]));
    }

    fn pages_lead_to_the_next_until_the_end(db: &TestDatabase) {
        let api = with_ticks(db);
        for (path, limit) in [
            ("/api/ticks?symbols=ES,NQ", 1),
            ("/api/ticks?symbols=ES,NQ", 3),
            ("/api/bars?symbols=ES,NQ&frequency=1min&fill=previous", 2),
        ] {
            let whole = api.get(path).json(200);
            let mut rows: Vec<Value> = Vec::new();
            let mut next = Some(format!("{path}&limit={limit}"));
            while let Some(path) = next {
                let page = api.get(&path);
                let of = page.json(200);
                assert!(of.as_array().unwrap().len() <= limit, "{of}");
                rows.extend(of.as_array().unwrap().iter().cloned());
                let link = page.header("link");
                next = link.map(|link| {
                    let link = link.strip_prefix('<').unwrap();
                    link.strip_suffix(">; rel=\"next\"").unwrap().to_owned()
                });
            }
            assert_eq!(Value::Array(rows), whole, "{path} by {limit}");
        }
    }

    fn what_makes_no_table_is_refused_at_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        for (path, place, status) in [
            ("/api/ticks", "query.symbol: it is missing", 422),
            ("/api/ticks?symbol=ES&symbols=NQ", "query.symbols: there is symbol, too", 422),
            ("/api/ticks?symbols=ES,es", "query.symbols: ES is there twice", 422),
            ("/api/ticks?symbol=A%20%20B", "query.symbol: ", 422),
            ("/api/ticks?symbol=ZZZ", "instrument ZZZ not found", 404),
            ("/api/ticks?symbol=ES&start=soon", "query.start: ", 422),
            ("/api/ticks?symbol=ES&start=2014-01-01&end=2013-01-01", "query.start: ", 422),
            ("/api/ticks?symbol=ES&limit=0", "query.limit: it is not 1 to 10000", 422),
            ("/api/ticks?symbol=ES&limit=10001", "query.limit: ", 422),
            ("/api/ticks?symbol=ES&columns=price,colour", "query.columns: \"colour\" is no column", 422),
            ("/api/ticks?symbol=ES&columns=", "query.columns: it has no value", 422),
            ("/api/ticks?symbol=ES&cursor=2.1.1.1", "query.cursor: invalid cursor", 422),
            ("/api/ticks?symbol=ES&format=xls", "query.format: ", 422),
            ("/api/ticks?symbol=ES&colour=1", "query.colour: ", 422),
            ("/api/bars?symbol=ES", "query: missing field `frequency`", 422),
            ("/api/bars?symbol=ES&frequency=2h", "query.frequency: ", 422),
        ] {
            let said = api.get(path).detail(status);
            assert!(said.starts_with(place), "{path}: {said}");
        }
    }

    fn parts_of_a_parquet_file_are_of_one_file(db: &TestDatabase) {
        let api = with_ticks(db);
        let path = format!("{ES}&format=parquet");
        let whole = api.get(&path);
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        let end = get_with(&api, &path, "range", "bytes=-8");
        let size = whole.body.len();
        assert_eq!((end.status.as_u16(), end.body.as_slice()), (206, &whole.body[size - 8..]));
        let place = format!("bytes {}-{}/{size}", size - 8, size - 1);
        assert_eq!(end.header("content-range"), Some(&*place));
        let tag = end.header("etag").unwrap().to_owned();
        // What comes in meanwhile changes no file whose end was read already.
        let tick = json!([{"symbol": "ES", "timestamp": "2013-09-03T10:40:00Z", "price": 1}]);
        api.post("/api/market-data", &tick).json(200);
        let begin = get_with(&api, &path, "range", "bytes=0-99");
        assert_eq!((begin.body.as_slice(), begin.header("etag")), (&whole.body[..100], Some(&*tag)));
        // Who begins again, a moment later, gets what is stored now.
        let newer = api.until(|api| {
            let end = get_with(api, &path, "range", "bytes=-8");
            (end.header("etag") != Some(&*tag)).then_some(end)
        });
        assert_ne!(newer.header("content-range"), Some(&*place));
        let behind = get_with(&api, &path, "range", "bytes=100000000-");
        assert_eq!(behind.status, 416);
        assert!(behind.header("content-range").unwrap().starts_with("bytes */"), "{behind:?}");
        let other = Request::get(&path).header("range", "bytes=0-3").header("if-range", "\"other\"");
        let other = api.send(other.body(Body::empty()).unwrap());
        assert_eq!(other.status, 200);
        assert!(other.body.starts_with(b"PAR1") && other.body.ends_with(b"PAR1"));
        // Readers of text ask for the size first.
        let csv = api.get(&format!("{ES}&format=csv")).body;
        let head = Request::head(format!("{ES}&format=csv")).body(Body::empty()).unwrap();
        let head = api.send(head);
        assert_eq!((head.header("content-length"), head.body.len()), (Some(&*csv.len().to_string()), 0));
        let packed = Request::head(format!("{ES}&format=csv")).header("accept-encoding", "gzip");
        let packed = api.send(packed.body(Body::empty()).unwrap());
        assert_eq!(packed.header("content-length"), head.header("content-length"));
        let begin = get_with(&api, &format!("{ES}&format=csv"), "range", "bytes=0-3");
        assert_eq!((begin.status.as_u16(), begin.body), (206, b"symb".to_vec()));
    }

    fn a_slow_reader_holds_no_connection_and_its_place_comes_back(db: &TestDatabase) {
        let api = with_many_ticks(db);
        let path = format!("{ES}&format=csv");
        let mut slow: Vec<Body> = (0..16).map(|_| api.open(&path).into_body()).collect();
        let busy = api.get(&path).detail(503);
        assert!(busy.starts_with("16 long reads go on already (server.streams_max)"), "{busy}");
        let rule = json!({"rule": {"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 1}});
        let busy = api.post("/api/rules/replay", &rule).detail(503);
        assert!(busy.contains("server.streams_max"), "{busy}");
        assert_eq!(api.get(&format!("{path}&limit=2")).text().lines().count(), 3, "pages need no place");
        let small = "/api/ticks?symbol=ES&format=csv&end=2013-09-03T10:31:00.002Z";
        assert_eq!(api.get(small).text().lines().count(), 3, "nor do tables of one page");
        // A service may have one for a moment; a reader would have it until the end.
        api.until(|api| (api.app.database().pool_snapshot().in_use == 0).then_some(()));
        let last = slow.pop().unwrap();
        let text = api.block_on(last.collect()).unwrap().to_bytes();
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 60_001);
        drop(slow);
        let again = api.until(|api| Some(api.get(&path)).filter(|answer| answer.status == 200));
        assert_eq!(again.text().lines().count(), 60_001);
    }

    fn rows_that_cannot_be_read_break_the_answer_off(db: &TestDatabase) {
        let api = with_many_ticks(db);
        for format in ["csv", "ndjson", "json", "arrow", "parquet"] {
            let mut body = api.open(&format!("{ES}&format={format}")).into_body();
            let first = api.block_on(body.frame()).unwrap().unwrap();
            drop(first);
            db.raw("ALTER TABLE market_data RENAME TO elsewhere").unwrap();
            let end = api.block_on(body.collect());
            db.raw("ALTER TABLE elsewhere RENAME TO market_data").unwrap();
            assert!(end.is_err(), "{format} looks whole");
        }
    }
}

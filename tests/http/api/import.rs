//! `/api/import`: a file in, with the options of the command line, and its report out.

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::api::client::{Api, packed, post};
use crate::support::on_both;

const TRADES: &str = "time,symbol,price,size\n\
    2024-01-02T14:30:00Z,AAA,138.11,10\n\
    2024-01-02T14:30:00Z,BBB,655.12,5\n\
    2024-01-02T14:30:01Z,AAA,not a price,1\n";

fn import(api: &Api, query: &str, text: impl Into<Body>) -> crate::api::client::Answer {
    let path = format!("/api/import?{query}");
    let request = Request::post(path).header("content-type", "text/csv");
    api.send(request.body(text.into()).unwrap())
}

fn ticks_of(api: &Api, symbol: &str) -> usize {
    let instruments = api.get("/api/instruments").json(200);
    let mut all = instruments.as_array().unwrap().iter();
    let Some(found) = all.find(|row| row["symbol"] == symbol) else {
        return 0;
    };
    let page = api
        .get(&format!("/api/market-data/{}", found["id"]))
        .json(200);
    page["ticks"].as_array().unwrap().len()
}

/// A file of trades as a library of dataframes writes it.
fn fixture(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/columnar");
    std::fs::read(format!("{directory}/{name}")).unwrap()
}

on_both! {
    fn columns_of_dataframes_go_in_and_unpack_to_no_more_than_text_may(db: &TestDatabase) {
        let api = Api::with(db, |settings| settings.server.import_unpacked_bytes_max = 1_024);
        for (name, inserted) in [("pandas.parquet", 8), ("polars.arrows", 0), ("pandas.feather", 0)] {
            let report = import(&api, "create=future", fixture(name)).json(200);
            assert_eq!((&report["read"], &report["inserted"]), (&8.into(), &inserted.into()), "{name}");
        }
        let cut = fixture("pandas.parquet");
        let said = import(&api, "create=future", cut[..cut.len() - 9].to_vec()).detail(422);
        assert!(said.starts_with("body: the file begins as a Parquet file"), "{said}");
        let tick = |n: u64| json!({"symbol": "YM", "timestamp": 1_378_203_780 + n, "price": n + 1});
        let ticks: Vec<Value> = (0..100).map(tick).collect();
        api.post("/api/market-data", &json!(ticks)).json(200);
        let table = api.get("/api/ticks?symbol=YM&format=parquet").body;
        assert!(table.len() < 8_192, "{}", table.len());
        let said = import(&api, "", table).detail(413);
        assert!(said.contains("more than 1024 bytes"), "{said}");
    }

    fn a_trial_answers_the_report_of_the_import_and_stores_nothing(db: &TestDatabase) {
        let api = Api::new(db);
        let trial = import(&api, "create=equity&dry_run=true", TRADES).json(200);
        assert_eq!((ticks_of(&api, "AAA"), ticks_of(&api, "BBB")), (0, 0));
        let mut report = import(&api, "create=equity&dry_run=false", TRADES).json(200);
        assert_eq!((ticks_of(&api, "AAA"), ticks_of(&api, "BBB")), (1, 1));
        assert_eq!((&trial["dry_run"], &report["dry_run"]), (&Value::from(true), &Value::from(false)));
        report["dry_run"] = true.into();
        assert_eq!(trial, report);
        let counts = ["read", "inserted", "rejected"].map(|name| report[name].as_u64().unwrap());
        assert_eq!(counts, [3, 2, 1]);
        assert_eq!(report["errors"][0]["line"], 4);
        let reason = report["errors"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("not a price"), "{reason}");
        let file = &report["files"][0];
        assert_eq!((&file["kind"], &file["columns"]["volume"]), (&"ticks".into(), &"size".into()));
    }

    fn a_gzip_file_and_its_options_are_taken(db: &TestDatabase) {
        let api = Api::new(db);
        let days = "Date;Open;High;Low;Close;Volume\n2024-01-02;1,5;2,5;1;2;1.000\n2024-01-03;1,5;2,5;1;2;2.000\n";
        let query = "symbol=SPX&decimal_comma=true&thousands=.&frequency=1d";
        let report = import(&api, query, packed(days.as_bytes())).json(200);
        assert_eq!((&report["inserted"], &report["files"][0]["frequency"]), (&2.into(), &"1d".into()));
        let again = import(&api, query, days).json(200);
        assert_eq!((&again["inserted"], &again["duplicates"]), (&0.into(), &2.into()));
    }

    fn a_file_that_does_not_arrive_whole_stores_nothing(db: &TestDatabase) {
        let api = Api::new(db);
        let rows: String = (0..30_000).map(|n| format!("2024-01-02T14:30:00.{n:06}Z,1.5\n")).collect();
        let pieces = [
            Ok(Bytes::from("timestamp,price\n")),
            Ok(Bytes::from(rows)),
            Err(std::io::Error::other("the client has gone")),
        ];
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let answer = import(&api, "symbol=ES", body);
        assert!(answer.detail(400).contains("cannot be read"), "{answer:?}");
        assert_eq!(ticks_of(&api, "ES"), 0);
    }

    fn a_file_that_is_too_large_or_stalls_stores_nothing(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.import_bytes_max = 1_024;
            settings.server.import_unpacked_bytes_max = 2_048;
            settings.server.body_idle_timeout = std::time::Duration::from_millis(300);
        });
        let rows = "2024-01-02T14:30:00Z,1.5\n".repeat(100);
        let answer = import(&api, "symbol=ES", format!("timestamp,price\n{rows}"));
        assert!(answer.detail(413).contains("server.import_bytes_max"), "{answer:?}");
        let more = "2024-01-02T14:30:00Z,1.5\n".repeat(2_000);
        let bomb = packed(format!("timestamp,price\n{more}").as_bytes());
        assert!(bomb.len() < 1_024, "{}", bomb.len());
        let answer = import(&api, "symbol=ES", bomb);
        assert!(answer.detail(413).contains("server.import_unpacked_bytes_max"), "{answer:?}");
        let within = packed(format!("timestamp,price\n{}", "\n".repeat(2_000)).as_bytes());
        import(&api, "symbol=ES", within).json(200);
        let piece = Ok::<_, std::io::Error>(Bytes::from("timestamp,price\n2024-01-02T14:30:00Z,1.5\n"));
        let stalls = futures_util::stream::iter([piece]).chain(futures_util::stream::pending());
        let answer = import(&api, "symbol=ES", Body::from_stream(stalls));
        assert!(answer.detail(408).contains("server.body_idle_timeout_seconds"), "{answer:?}");
        assert_eq!(ticks_of(&api, "ES"), 0);
    }

    fn what_is_wrong_is_named(db: &TestDatabase) {
        let api = Api::new(db);
        let violation = |answer: crate::api::client::Answer| answer.json(422)["detail"][0].to_string();
        let unknown = violation(import(&api, "symbol=ES&colums=price", TRADES));
        assert!(unknown.contains("colums"), "{unknown}");
        let zone = violation(import(&api, "symbol=ES&timezone=Nowhere/City", TRADES));
        assert!(zone.contains("Nowhere/City"), "{zone}");
        let binary = violation(import(&api, "symbol=ES", "PAR1...."));
        assert!(binary.contains("Parquet"), "{binary}");
        let strict = violation(import(&api, "symbol=AAA&create=equity&strict=true", TRADES));
        assert!(strict.contains("1 of 3"), "{strict}");
        assert!(import(&api, "", TRADES).detail(404).contains("AAA"));
        let form = post("/api/import?symbol=ES", "multipart/form-data; boundary=x", "x".to_owned());
        assert!(api.send(form).detail(415).contains("--data-binary"));
        assert_eq!(ticks_of(&api, "ES"), 0);
    }
}

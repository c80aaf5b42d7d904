//! Retention policies and the archive, as clients of the API use them; and the services that keep both.
#![cfg(feature = "archive")]

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::config::Settings;
use tickbase::domain::tick::Tick;
use tickbase::domain::{ArchivePeriod, RetentionPolicyText};
use tickbase::repository::archive::{self, ArchiveRequest, Archiver};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::retention_policy;

use crate::api::client::{Answer, Api};
use crate::support::on_both;

const SEGMENTS: &str = "/api/archive/segments";
const PARQUET: &str = "application/vnd.apache.parquet";

/// Days of 2013-09 and 2013-10 with a thousand ticks each.
fn store(api: &Api, days: std::ops::Range<i64>) {
    let start = "2013-09-01T10:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .micros();
    let tick = |day: i64, n: i64| {
        let at = Timestamp::from_micros(start + day * 86_400_000_000 + n * 1_000_000).unwrap();
        Tick::trade(1, at, 1_640.0 + (n % 100) as f64 * 0.25, 1.0).unwrap()
    };
    let ticks: Vec<Tick> = days
        .flat_map(|day| (0..1_000).map(move |n| tick(day, n)))
        .collect();
    let expected = ticks.len();
    let repository = MarketDataRepository::new(api.app.database());
    let report = repository
        .insert_batch(ticks, InsertOptions::default())
        .unwrap();
    assert_eq!(report.inserted, expected);
}

fn archive_all(api: &Api) {
    let request = ArchiveRequest {
        instrument_ids: vec![1],
        before: Timestamp::MAX,
        period: ArchivePeriod::Month,
        dry_run: false,
    };
    archive::run(api.app.database(), &Archiver::default(), &request, |_| {
        Ok(())
    })
    .unwrap();
}

fn get_with(api: &Api, path: &str, header: &str, value: &str) -> Answer {
    let request = Request::get(path).header(header, value);
    api.send(request.body(Body::empty()).unwrap())
}

fn put(api: &Api, body: &Value) -> Answer {
    let request = Request::put("/api/retention").header("content-type", "application/json");
    api.send(request.body(Body::from(body.to_string())).unwrap())
}

/// Waits until each service that keeps the data in order has ended a run.
fn kept(api: &Api) -> Value {
    api.until(|api| {
        let health = api.get("/api/health").json(200);
        let ran = |of: &Value| of["runs"].as_i64().unwrap() > 0;
        let all = health["maintenance"].as_array().unwrap();
        all.iter().all(ran).then(|| health["maintenance"].clone())
    })
}

on_both! {
    fn policies_are_set_as_a_whole(db: &TestDatabase) {
        let api = Api::new(db);
        assert_eq!(api.get("/api/retention").json(200), json!({"policies": []}));
        let policies = json!({"policies": [
            {"kind": "ticks", "archive_after": "90d", "delete_after": "1825d"},
            {"kind": "ticks", "symbol": "ES"},
            {"kind": "bars", "source": "tickbase", "frequency": "1min", "delete_after": "30d"},
        ]});
        let set = put(&api, &policies).json(200);
        assert_eq!((&set["added"], &set["removed"]), (&json!(3), &json!(0)));
        let listed = api.get("/api/retention").json(200);
        assert_eq!(listed["policies"], set["policies"]);
        let mut sorted = listed["policies"].as_array().unwrap().clone();
        sorted.sort_by_key(Value::to_string);
        let mut given = policies["policies"].as_array().unwrap().clone();
        given.sort_by_key(Value::to_string);
        assert_eq!(sorted, given);
        let other = json!({"policies": [{"kind": "ticks", "archive_after": "12w"}, {"kind": "ticks", "symbol": "ES"}]});
        let set = put(&api, &other).json(200);
        assert_eq!(json!([set["added"], set["changed"], set["unchanged"], set["removed"]]), json!([0, 1, 1, 1]));
        assert_eq!(set["policies"][0]["archive_after"], "84d");

        for (policy, status, text) in [
            (json!({"kind": "quotes"}), 422, "kind"),
            (json!({"kind": "ticks", "archive_after": "1mo"}), 422, "archive_after"),
            (json!({"kind": "ticks", "delete_after": "1h"}), 422, "delete_after"),
            (json!({"kind": "ticks", "frequency": "1d"}), 422, "frequency"),
            (json!({"kind": "bars", "frequency": "2d"}), 422, "frequency"),
            (json!({"kind": "bars", "archive_after": "1d"}), 422, "archive_after"),
            (json!({"kind": "ticks", "symbol": "XYZ"}), 404, "XYZ"),
            (json!({"kind": "bars", "source": "nobody"}), 404, "nobody"),
            (json!({"kind": "ticks", "keep": "1d"}), 422, "keep"),
        ] {
            let refused = put(&api, &json!({"policies": [policy]}));
            assert_eq!(refused.status, status, "{policy}: {refused:?}");
            let body = String::from_utf8(refused.body).unwrap();
            assert!(body.contains(text), "{policy}: {body}");
        }
        let twice = put(&api, &json!({"policies": [{"kind": "bars"}, {"kind": "bars", "delete_after": "2d"}]}));
        assert_eq!(twice.status, 422, "{twice:?}");
        assert_eq!(api.get("/api/retention").json(200)["policies"], set["policies"], "nothing was changed");
    }

    fn files_of_the_archive_are_listed_and_sent_in_parts(db: &TestDatabase) {
        let api = Api::new(db);
        store(&api, 0..40);
        archive_all(&api);
        let listed = api.get(SEGMENTS).json(200);
        let [first, second] = listed["segments"].as_array().unwrap().as_slice() else {
            panic!("{listed}");
        };
        assert_eq!((&first["symbol"], &first["rows"], &second["rows"]), (&json!("ES"), &json!(30_000), &json!(10_000)));
        assert_eq!((&first["starts_at"], &listed["next"]), (&json!("2013-09-01T00:00:00.000000Z"), &json!(null)));
        let page = api.get(&format!("{SEGMENTS}?limit=1&instrument_id=1")).json(200);
        assert_eq!((&page["segments"][0], &page["next"]), (first, &first["id"]));
        let page = api.get(&format!("{SEGMENTS}?after={}", page["next"])).json(200);
        assert_eq!(page["segments"], json!([second]));
        assert_eq!(api.get(&format!("{SEGMENTS}?instrument_id=2")).json(200)["segments"], json!([]));
        assert_eq!(api.get(&format!("{SEGMENTS}?limit=0")).status, 422);

        let path = first["path"].as_str().unwrap();
        let whole = api.get(path);
        let size = first["bytes"].as_u64().unwrap();
        let tag = format!("\"{}\"", first["sha256"].as_str().unwrap());
        assert_eq!((whole.status.as_u16(), whole.body.len() as u64), (200, size));
        assert_eq!((whole.header("content-type"), whole.header("etag")), (Some(PARQUET), Some(&*tag)));
        assert_eq!((whole.header("accept-ranges"), whole.header("content-encoding")), (Some("bytes"), None));
        let head = api.send(Request::head(path).body(Body::empty()).unwrap());
        assert_eq!((head.header("content-length"), head.body.len()), (Some(&*size.to_string()), 0));
        let end = get_with(&api, path, "range", "bytes=-8");
        assert_eq!((end.status.as_u16(), &end.body[4..]), (206, &b"PAR1"[..]));
        let begin = get_with(&api, path, "range", "bytes=0-99");
        assert_eq!((begin.body.as_slice(), begin.header("content-range")), (&whole.body[..100], Some(&*format!("bytes 0-99/{size}"))));
        assert_eq!(get_with(&api, path, "range", &format!("bytes={size}-")).status, 416);
        assert_eq!(get_with(&api, path, "if-none-match", &tag).status, 304);
        let tags = Request::get(path).header("if-none-match", "\"other\"").header("if-none-match", format!("W/{tag}"));
        assert_eq!(api.send(tags.body(Body::empty()).unwrap()).status, 304);
        let changed = Request::get(path).header("range", "bytes=0-3").header("if-range", "\"other\"");
        assert_eq!(api.send(changed.body(Body::empty()).unwrap()).status, 200);

        for (path, status) in [("999999.parquet", 404), ("1.csv", 422), ("x.parquet", 422), (".parquet", 422), ("01.parquet", 422), ("-1.parquet", 422)] {
            assert_eq!(api.get(&format!("{SEGMENTS}/{path}")).status, status, "{path}");
        }
        // Made anew, it has another tag; a part of the old one is not given.
        store(&api, 5..6);
        let late = api.get("/api/market-data/1").status;
        assert_eq!(late, 200);
    }

    fn a_server_does_what_the_policies_say_and_keeps_the_mirror(db: &TestDatabase) {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("mirror");
        let settings = |settings: &mut Settings| settings.archive.directory = Some(directory.clone());
        let api = Api::with(db, settings);
        store(&api, 0..40);
        let policy = RetentionPolicyText { kind: "ticks".to_owned(), archive_after: Some("1d".to_owned()), ..RetentionPolicyText::default() };
        let database = api.app.database();
        let now = database.clock().now();
        database
            .write("test.set", move |conn| {
                let new = retention_policy::of_text(conn, &policy)?;
                retention_policy::set(conn, &new, now)
            })
            .unwrap();
        let names = |of: &Value| -> Vec<String> { of.as_array().unwrap().iter().map(|of| of["name"].to_string()).collect() };
        assert_eq!(names(&kept(&api)), ["\"retention\"", "\"archive mirror\""]);
        api.app.stop();
        // A server begins with both.
        let api = Api::with(db, settings);
        kept(&api);
        assert_eq!(api.get(SEGMENTS).json(200)["segments"][0]["rows"], 30_000, "October has the newest tick");
        assert_eq!(api.get(SEGMENTS).json(200)["segments"].as_array().unwrap().len(), 1);
        api.app.stop();
        let api = Api::with(db, settings);
        let said = kept(&api);
        assert!(said.as_array().unwrap().iter().all(|of| of["status"] == "healthy" && of["errors"] == 0), "{said}");
        let month = directory.join("ticks/instrument=ES/year=2013/month=09");
        let files: Vec<_> = std::fs::read_dir(month).unwrap().map(|of| of.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let sent = api.get(api.get(SEGMENTS).json(200)["segments"][0]["path"].as_str().unwrap());
        assert_eq!(std::fs::read(&files[0]).unwrap(), sent.body);
        let metrics = String::from_utf8(api.get("/metrics").body).unwrap();
        assert!(metrics.contains("service=\"retention\""), "{metrics}");
        api.app.stop();
        // A directory that cannot be written is said, and the server serves.
        std::fs::write(place.path().join("file"), "").unwrap();
        let unusable = |settings: &mut Settings| settings.archive.directory = Some(place.path().join("file/mirror"));
        let api = Api::with(db, unusable);
        let said = kept(&api);
        assert_eq!((&said[1]["status"], &said[1]["errors"]), (&json!("degraded"), &json!(1)), "{said}");
        assert_eq!(api.get("/api/health").json(200)["status"], "degraded");
    }
}

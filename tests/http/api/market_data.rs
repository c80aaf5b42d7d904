//! `/api/market-data`: batches in, ticks out, soft delete and restore.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::api::client::{Api, packed, post, post_gzip};
use crate::support::on_both;

const PATH: &str = "/api/market-data";

/// `count` ticks of ES, a second apart from 2013-09-03T10:00:00.000000Z on, numbered by the feed.
fn ticks(count: usize) -> Vec<Value> {
    let tick = |n: usize| {
        json!({
            "symbol": "ES",
            "timestamp": format!("2013-09-03T10:{:02}:{:02}Z", n / 60, n % 60),
            "sequence": n,
            "price": 1640.0 + n as f64 * 0.25,
            "volume": n + 1,
        })
    };
    (0..count).map(tick).collect()
}

fn counts(report: &Value) -> [u64; 6] {
    let outcomes = ["inserted", "duplicates", "conflicts", "deleted", "rejected"];
    let sum: u64 = outcomes
        .iter()
        .map(|name| report[name].as_u64().unwrap())
        .sum();
    assert_eq!(report["received"], sum);
    [
        "received",
        "inserted",
        "duplicates",
        "conflicts",
        "late",
        "rejected",
    ]
    .map(|name| report[name].as_u64().unwrap())
}

fn stored(api: &Api) -> Vec<Value> {
    let page = api
        .get("/api/market-data/1?limit=10000&order=asc")
        .json(200);
    page["ticks"].as_array().unwrap().clone()
}

on_both! {
    fn a_batch_is_stored_and_its_resending_is_counted(db: &TestDatabase) {
        let api = Api::new(db);
        let batch = json!(ticks(3));
        assert_eq!(counts(&api.post(PATH, &batch).json(200)), [3, 3, 0, 0, 0, 0]);
        let object = json!({"ticks": ticks(3)});
        assert_eq!(counts(&api.post(PATH, &object).json(200)), [3, 0, 3, 0, 0, 0]);
        let mut other = ticks(1);
        other[0]["price"] = json!(1.0);
        assert_eq!(counts(&api.post(PATH, &json!(other)).json(200)), [1, 0, 0, 1, 0, 0]);
        let late = json!([{"instrument_id": 1, "timestamp": "2013-09-02T00:00:00.000000Z", "price": 1.5}]);
        assert_eq!(counts(&api.post(PATH, &late).json(200)), [1, 1, 0, 0, 1, 0]);
        assert_eq!(counts(&api.post(PATH, &json!([])).json(200)), [0; 6]);
        assert_eq!(stored(&api).len(), 4);
    }

    fn each_form_of_a_batch_stores_the_same(db: &TestDatabase) {
        let api = Api::new(db);
        let json = json!(ticks(5)).to_string();
        let lines: Vec<String> = ticks(5).iter().map(Value::to_string).collect();
        let lines = lines.join("\n");
        let csv: Vec<String> = ticks(5)
            .iter()
            .map(|tick| {
                let at = tick["timestamp"].as_str().unwrap();
                format!("ES,{at},{},{},{}", tick["sequence"], tick["price"], tick["volume"])
            })
            .collect();
        let csv = format!("symbol,timestamp,sequence,price,volume\n{}", csv.join("\n"));
        let forms = [
            ("application/json", &json),
            ("application/json; charset=utf-8", &json),
            ("application/x-ndjson", &lines),
            ("text/csv", &csv),
        ];
        for (index, (kind, body)) in forms.into_iter().enumerate() {
            let expected = if index == 0 { [5, 5, 0, 0, 0, 0] } else { [5, 0, 5, 0, 0, 0] };
            let plain = api.send(post(PATH, kind, body.clone()));
            assert_eq!(counts(&plain.json(200)), expected, "{kind}");
            let packed = api.send(post_gzip(PATH, kind, body.as_bytes()));
            assert_eq!(counts(&packed.json(200)), [5, 0, 5, 0, 0, 0], "{kind}, packed");
        }
    }

    fn a_packed_body_of_several_members_is_read_whole_or_refused(db: &TestDatabase) {
        let api = Api::new(db);
        let csv = |rows: std::ops::Range<usize>| -> String {
            rows.map(|n| format!("ES,2013-09-03T10:00:00Z,{n},1640\n")).collect()
        };
        let header = packed(b"symbol,timestamp,sequence,price\n");
        let parts = [header, packed(csv(0..2).as_bytes()), packed(b""), packed(csv(2..5).as_bytes())];
        let send = |body: Vec<u8>| {
            let mut request = post(PATH, "text/csv", body);
            request.headers_mut().insert("content-encoding", "GZIP".parse().unwrap());
            api.send(request)
        };
        for (behind, starts) in [
            (csv(5..6).into_bytes(), "the body cannot be read: bytes that are not gzip follow its last member"),
            (packed(b"ES")[..9].to_vec(), "the body cannot be read: "),
        ] {
            let said = send([parts.concat(), behind].concat()).detail(400);
            assert!(said.starts_with(starts), "{said}");
            assert!(stored(&api).is_empty());
        }
        assert_eq!(counts(&send(parts.concat()).json(200)), [5, 5, 0, 0, 0, 0]);
    }

    fn a_bad_row_is_reported_and_the_others_are_stored(db: &TestDatabase) {
        let api = Api::new(db);
        let mut batch = ticks(4);
        batch[1]["symbol"] = json!("NOSUCH");
        batch[2]["volume"] = json!(-1);
        batch.push(json!({"instrument_id": 999, "timestamp": "2013-09-03T10:00:00.000000Z", "price": 1}));
        batch.push(json!({"symbol": "ES", "timestamp": "2013-09-03T10:00:00.000000Z", "prise": 1}));
        let report = api.post(PATH, &json!(batch)).json(200);
        assert_eq!(counts(&report), [6, 2, 0, 0, 0, 4]);
        let errors = report["errors"].as_array().unwrap();
        for (error, (index, reason)) in errors.iter().zip([
            (1, "no active instrument is named NOSUCH"),
            (2, "volume"),
            (4, "999"),
            (5, "unknown field `prise`"),
        ]) {
            assert_eq!(error["index"], index, "{error}");
            assert!(error["reason"].as_str().unwrap().contains(reason), "{error}");
        }
        assert_eq!(stored(&api).len(), 2);
    }

    fn only_the_first_hundred_bad_rows_are_named(db: &TestDatabase) {
        let api = Api::new(db);
        let mut batch = ticks(1);
        batch.extend(vec![json!({"symbol": "ES"}); 150]);
        let report = api.post(PATH, &json!(batch)).json(200);
        assert_eq!(counts(&report), [151, 1, 0, 0, 0, 150]);
        assert_eq!(report["errors"].as_array().unwrap().len(), 100);
    }

    fn a_batch_without_a_good_row_is_refused(db: &TestDatabase) {
        let api = Api::new(db);
        for (row, reason) in [
            (json!({"symbol": "NOSUCH", "timestamp": 1378202400, "price": 1}), "NOSUCH"),
            (json!({"instrument_id": 999, "timestamp": 1378202400, "price": 1}), "999"),
            (json!({"symbol": "ES", "timestamp": 1378202400, "price": "NaN"}), "NaN is not a finite number"),
            (json!({"symbol": "ES", "timestamp": 1378202400}), "value"),
            (json!({"symbol": {"a": []}}), "invalid type: map"),
        ] {
            let said = api.post(PATH, &json!([row])).detail(422);
            assert!(said.starts_with("body.0: ") && said.contains(reason), "{said}");
        }
        assert!(stored(&api).is_empty());
    }

    fn a_body_that_is_none_is_refused_and_stores_nothing(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.body_bytes_max = 100_000;
            settings.server.batch_rows_max = 500;
        });
        let json = "application/json";
        let deep = format!("[{}1{}]", "[".repeat(20_000), "]".repeat(20_000));
        let long = format!("[{}]", " ".repeat(100_001));
        let many = json!(ticks(501)).to_string();
        for (kind, body, status, reason) in [
            (json, "not json", 422, "neither an array nor an object"),
            (json, "", 422, "it is empty"),
            (json, "{\"tick\": []}", 422, "unknown field `tick`"),
            (json, "[1, 2", 422, "EOF"),
            (json, "[{\"symbol\":\"ES\",\"timestamp\":1378202400,\"price\":NaN}]", 422, "invalid JSON"),
            (json, &deep, 422, ""),
            (json, &long, 413, "body_bytes_max"),
            (json, &many, 413, "at most 500 rows"),
            ("text/csv", "a,b\n1,2", 422, "which no tick has"),
            ("text/plain", "[]", 415, "text/plain"),
            ("", "[]", 415, "content-type"),
        ] {
            let said = api.send(post(PATH, kind, body.to_owned())).detail(status);
            assert!(said.contains(reason), "{kind} {said}");
        }
        let nothing = Request::post(PATH).body(Body::from("[]")).unwrap();
        assert!(api.send(nothing).detail(415).contains("there is no content-type"));
        // Some hundred bytes that would unpack to ten million.
        let bomb = api.send(post_gzip(PATH, json, &vec![b' '; 10_000_000]));
        assert!(bomb.detail(413).contains("unpacked"));
        let mut cut = post(PATH, json, "\u{1f}\u{8b}no gzip");
        cut.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        assert!(api.send(cut).detail(400).contains("cannot be read"));
        let mut brotli = post(PATH, json, "[]");
        brotli.headers_mut().insert("content-encoding", "br".parse().unwrap());
        assert!(api.send(brotli).detail(415).contains("br"));
        assert!(stored(&api).is_empty());
    }

    fn the_first_hundred_bad_rows_are_named_and_the_others_counted(db: &TestDatabase) {
        let api = Api::new(db);
        let bad = vec![json!(7); 149];
        let refused = api.post(PATH, &json!(bad)).json(422);
        let named = refused["detail"].as_array().unwrap();
        assert_eq!(named.len(), 101);
        assert_eq!(named[99]["loc"], json!(["body", 99]));
        assert_eq!(named[100]["loc"], json!(["body"]));
        assert!(named[100]["msg"].as_str().unwrap().starts_with("49 more rows"), "{}", named[100]);
        let long = json!([{"symbol": "ES", "timestamp": "x".repeat(1_000_000), "price": 1}]);
        assert!(api.post(PATH, &long).text().len() < 2_000);
        let mut some = bad;
        some.push(ticks(1)[0].clone());
        let report = api.post(PATH, &json!(some)).json(200);
        assert_eq!((&report["received"], &report["rejected"]), (&json!(150), &json!(149)));
        assert_eq!(report["errors"].as_array().unwrap().len(), 100);
    }

    fn questions_and_single_things_have_small_bodies(db: &TestDatabase) {
        let api = Api::new(db);
        let long = "x".repeat(70_000);
        for path in [
            "/api/historical-data/fetch",
            "/api/v1/analytics/calculate-var",
            "/api/instruments",
            "/api/rules",
            "/api/bars/delete",
        ] {
            let known = api.post(path, &json!({})).status != 404;
            assert!(known, "{path}");
            let plain = api.post(path, &json!({ "name": long }));
            assert!(plain.detail(413).contains("65536"), "{path}: {}", plain.text());
            let text = json!({ "name": long }).to_string();
            let packed = api.send(post_gzip(path, "application/json", text.as_bytes()));
            assert!(packed.detail(413).contains("65536"), "{path}: {}", packed.text());
        }
        // Many keys are no question.
        let keys = vec![json!({"instrument_id": 1, "timestamp": 1, "source_id": 1, "sequence": 1}); 2_000];
        let refused = api.post("/api/market-data/delete", &json!({ "keys": keys, "note": long }));
        assert_eq!(refused.status, 422, "{}", refused.text());
    }

    fn an_idempotency_key_makes_resending_safe(db: &TestDatabase) {
        let api = Api::new(db);
        let tick = json!([{"symbol": "ES", "timestamp": "2013-09-03T10:00:00.000000Z", "price": 1640}]);
        let keyed = |key: &str| {
            let mut request = post(PATH, "application/json", tick.to_string());
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
            request
        };
        let first = api.send(keyed("a")).json(200);
        assert_eq!(counts(&first), [1, 1, 0, 0, 0, 0]);
        assert_eq!(api.send(keyed("a")).json(200), first);
        let together = api.send_together((0..8).map(|_| keyed("b")).collect());
        assert!(together.iter().all(|answer| answer.json(200) == first));
        // Without a key the same price at the same moment is another trade.
        assert_eq!(counts(&api.post(PATH, &tick).json(200)), [1, 1, 0, 0, 0, 0]);
        assert_eq!(stored(&api).len(), 3);
        for wrong in ["", &"k".repeat(256)] {
            let said = api.send(keyed(wrong)).detail(422);
            assert!(said.starts_with("header.idempotency-key: "), "{said}");
        }
    }

    fn pages_go_on_where_the_one_before_ended(db: &TestDatabase) {
        let api = Api::new(db);
        api.post(PATH, &json!(ticks(10))).json(200);
        for (order, first) in [("asc", 0), ("desc", 9)] {
            let mut seen = Vec::new();
            let mut path = format!("{PATH}/1?limit=3&order={order}");
            loop {
                let page = api.get(&path).json(200);
                assert_eq!(page["symbol"], "ES");
                let rows = page["ticks"].as_array().unwrap();
                seen.extend(rows.iter().map(|tick| tick["sequence"].as_i64().unwrap()));
                let Some(cursor) = page["next_cursor"].as_str() else {
                    break;
                };
                path = format!("{PATH}/1?limit=3&order={order}&cursor={cursor}");
            }
            let expected: Vec<i64> = (0..10).map(|n: i64| (first - n).abs()).collect();
            assert_eq!(seen, expected, "{order}");
        }
        let bounded = format!("{PATH}/1?start=2013-09-03T10:00:02.000000Z&end=2013-09-03T10:00:05.000000Z&order=asc");
        let page = api.get(&bounded).json(200);
        let sequences: Vec<i64> = page["ticks"].as_array().unwrap().iter().map(|t| t["sequence"].as_i64().unwrap()).collect();
        assert_eq!(sequences, [2, 3, 4], "the end is not part of it");
        assert_eq!(page["next_cursor"], Value::Null);
    }

    fn a_range_that_is_none_is_refused_with_its_place(db: &TestDatabase) {
        let api = Api::new(db);
        for (query, place) in [
            ("start=yesterday", "query.start"),
            ("end=2013-13-01", "query.end"),
            ("start=2013-09-04&end=2013-09-03", "query.start"),
            ("limit=0", "query.limit"),
            ("limit=10001", "query.limit"),
            ("order=up", "query.order"),
            ("cursor=1.2", "query.cursor"),
            ("from=2013", "query.from"),
        ] {
            let said = api.get(&format!("{PATH}/1?{query}")).detail(422);
            assert!(said.starts_with(&format!("{place}: ")), "{query}: {said}");
        }
        assert!(api.get("/api/market-data/999").detail(404).contains("instrument 999"));
        assert!(api.get("/api/market-data/x").detail(422).contains("64-bit integer"));
    }

    fn the_newest_ticks_come_in_one_answer(db: &TestDatabase) {
        let api = Api::new(db);
        let mut batch = ticks(3);
        batch.push(json!({"symbol": "NQ", "timestamp": "2013-09-03T09:00:00.000000Z", "bid": 3100.123456,
                          "ask": 3100.25, "bid_size": 0.5, "ask_size": 2}));
        api.post(PATH, &json!(batch)).json(200);
        let all = api.get("/api/market-data/latest").json(200);
        assert_eq!(all["ticks"].as_array().unwrap().len(), 2);
        assert_eq!(all["ticks"][0]["sequence"], 2);
        assert_eq!(all["ticks"][1]["bid"], 3100.1235, "rounded to four places");
        assert_eq!(all["ticks"][1]["bid_size"], 0.5);
        assert!(api.get("/api/market-data/latest").text().contains("\"ask_size\":2,"));
        let one = api.get("/api/market-data/latest?instrument_ids=2,3").json(200);
        assert_eq!(one["ticks"].as_array().unwrap().len(), 1);
        for wrong in ["x", "1,,2", "", &vec!["1"; 1_001].join(",")] {
            let said = api.get(&format!("/api/market-data/latest?instrument_ids={wrong}")).detail(422);
            assert!(said.starts_with("query.instrument_ids: "), "{said}");
        }
    }

    fn prices_are_rounded_to_the_places_of_their_instrument(db: &TestDatabase) {
        let api = Api::new(db);
        api.put("/api/instruments/1", &json!({"price_decimals": 2})).json(200);
        let tick = json!([{"symbol": "ES", "timestamp": "2013-09-03T10:00:00.000000Z", "price": 123.456789}]);
        api.post(PATH, &tick).json(200);
        assert_eq!(stored(&api)[0]["price"], 123.46);
        assert_eq!(api.get("/api/instruments/1").json(200)["last_price"], 123.46);
        api.put("/api/instruments/1", &json!({"price_decimals": 8})).json(200);
        assert_eq!(stored(&api)[0]["price"], 123.456789, "the stored price is whole");
        api.put("/api/instruments/1", &json!({"price_decimals": null})).json(200);
        assert_eq!(stored(&api)[0]["price"], 123.456789);
    }

    fn a_tick_too_far_ahead_of_the_clock_is_rejected_by_its_row(db: &TestDatabase) {
        let api = Api::new(db);
        let far = json!({"symbol": "ES", "timestamp": "2099-04-11T23:47:16.854775Z", "price": 1650});
        let mut batch = ticks(2);
        batch.insert(1, far.clone());
        let report = api.post(PATH, &json!(batch)).json(200);
        assert_eq!(counts(&report), [3, 2, 0, 0, 0, 1]);
        let error = &report["errors"][0];
        assert_eq!(error["index"], 1);
        let reason = error["reason"].as_str().unwrap();
        let starts = "timestamp: 2099-04-11T23:47:16.854775Z is more than 86400 s ahead of the clock";
        assert!(reason.starts_with(starts) && reason.contains("write.future_seconds_max"), "{reason}");
        let alone = api.post(PATH, &json!([far])).detail(422);
        assert!(alone.starts_with("body.0: timestamp: 2099"), "{alone}");
        assert_eq!(counts(&api.post(PATH, &json!(&ticks(3)[2..])).json(200)), [1, 1, 0, 0, 0, 0]);
    }

    fn ticks_are_deleted_and_restored_by_key_and_by_range(db: &TestDatabase) {
        let api = Api::new(db);
        api.post(PATH, &json!(ticks(6))).json(200);
        let key = |n: usize| {
            let tick = &stored(&api)[n];
            json!({"instrument_id": 1, "timestamp": tick["timestamp"], "source_id": 1,
                   "sequence": tick["sequence"]})
        };
        let keys = json!({"keys": [key(0), key(5), {"instrument_id": 1, "sequence": 7,
                          "timestamp": "2013-09-03T10:00:00.000000Z", "source_id": 1}]});
        assert_eq!(api.post("/api/market-data/delete", &keys).json(200)["deleted"], 2);
        assert_eq!(stored(&api).len(), 4);
        assert_eq!(api.post("/api/market-data/delete", &keys).json(200)["deleted"], 0);
        // A deleted tick that is sent again, whatever its values, stays deleted, and that is said.
        let mut again = ticks(2);
        again.push(json!({"symbol": "ES", "timestamp": "2013-09-03T10:00:00Z", "sequence": 0, "price": 1.0}));
        let report = api.post(PATH, &json!(again)).json(200);
        assert_eq!((counts(&report), &report["deleted"]), ([3, 0, 1, 0, 0, 0], &json!(2)));
        let message = report["message"].as_str().unwrap();
        assert!(message.contains("/api/market-data/restore") && message.contains("tickbase purge"), "{message}");
        assert_eq!(api.post(PATH, &json!(&ticks(2)[1..])).json(200)["message"], Value::Null);
        assert_eq!(api.post("/api/market-data/restore", &keys).json(200), json!({"restored": 2}));
        let range = json!({"instrument_id": 1, "start": "2013-09-03T10:00:01.000000Z",
                           "end": "2013-09-03T10:00:04.000000Z"});
        assert_eq!(api.post("/api/market-data/delete", &range).json(200)["deleted"], 3);
        assert_eq!(api.post("/api/market-data/restore", &range).json(200), json!({"restored": 3}));
        for (body, place) in [
            (json!({}), "body"),
            (json!({"keys": [], "instrument_id": 1}), "body"),
            (json!({"start": "2013-09-03"}), "body"),
            (json!({"instrument_id": 1, "start": "x"}), "body.start"),
            (json!({"instrument_id": 1, "start": "2013-09-04", "end": "2013-09-03"}), "body.start"),
            (json!({"keys": [{"instrument_id": 1}]}), "body.keys.0"),
            (json!({"keys": [{"instrument_id": 1, "timestamp": "x", "source_id": 1, "sequence": 0}]}),
                "body.keys.0.timestamp"),
        ] {
            let said = api.post("/api/market-data/delete", &body).detail(422);
            assert!(said.starts_with(&format!("{place}: ")), "{body}: {said}");
        }
        assert_eq!(stored(&api).len(), 6);
    }
}

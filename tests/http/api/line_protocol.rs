//! Writes in the line protocol, with the bytes that clients of InfluxDB and QuestDB send.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tickbase::config::Token;

use crate::api::client::{Answer, Api, packed};
use crate::support::on_both;

const TOKEN: &str = "0123456789abcdef";
const TRADE: &str = "ticks,symbol=ES price=1641.5,volume=8i 1378203780074000000";

/// Names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// A write as a client sends it, with these headers.
fn request(path: &str, headers: Headers<'_>, body: impl Into<Body>) -> Request<Body> {
    let request = headers
        .iter()
        .fold(Request::post(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.body(body.into()).unwrap()
}

fn write(api: &Api, path: &str, text: impl Into<Body>) -> Answer {
    api.send(request(path, &[("content-type", "text/plain")], text))
}

#[track_caller]
fn stored(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (204, String::new())
    );
}

/// The members of a refusal that every one has, without the id: kind, message, line.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> (String, String, Option<u64>) {
    let mut body = answer.json(status);
    let members = body.as_object_mut().unwrap();
    let id = members.remove("errorId").unwrap();
    assert_eq!(id.as_str(), answer.header("x-request-id"));
    let line = members.remove("line").map(|line| line.as_u64().unwrap());
    let mut text = |name: &str| members.remove(name).unwrap().as_str().unwrap().to_owned();
    let (code, message) = (text("code"), text("message"));
    assert!(members.is_empty(), "{body}");
    (code, message, line)
}

/// The instrument of a symbol, or null.
fn instrument(api: &Api, symbol: &str) -> Value {
    let all = api.get("/api/instruments?limit=1000").json(200);
    let mut all = all.as_array().unwrap().iter();
    let found = all.find(|row| row["symbol"] == symbol);
    found.cloned().unwrap_or_default()
}

/// The ticks of an instrument, newest first.
fn ticks(api: &Api, symbol: &str) -> Vec<Value> {
    match &instrument(api, symbol)["id"] {
        Value::Null => Vec::new(),
        id => {
            let page = api.get(&format!("/api/market-data/{id}")).json(200);
            page["ticks"].as_array().unwrap().clone()
        }
    }
}

on_both! {
    fn what_each_client_sends_is_stored_once_however_often_it_comes(db: &TestDatabase) {
        let api = Api::new(db);
        let lines = format!("{TRADE}\n{TRADE}\nticks,symbol=ES bid=NaN,ask=1.5 1378203780074000000\n");
        let basic = "Basic cm9vdDpyb290"; // root:root, which the first client always sends.
        let clients: [(&str, Headers<'_>, Vec<u8>, usize); 5] = [
            // questdb 6.0.0
            ("/write?precision=n",
             &[("user-agent", "questdb/python/6.0.0"), ("accept", "*/*"), ("content-type", "text/plain; charset=utf-8")],
             lines.into_bytes(), 3),
            // influxdb-client 1.50.0, which packs if asked
            ("/api/v2/write?org=o&bucket=b&precision=ms",
             &[("content-type", "text/plain"), ("accept", "application/json"), ("content-encoding", "gzip"),
               ("accept-encoding", "identity"), ("authorization", "Token 0123456789abcdef")],
             packed(b"ticks,symbol=ES price=1 1378203781074"), 1),
            // influxdb3-python 0.21.0
            ("/api/v2/write?org=default&bucket=ticks&precision=ns",
             &[("accept-encoding", "identity"), ("authorization", "Token 0123456789abcdef"), ("accept", "application/json"),
               ("content-type", "text/plain; charset=utf-8")],
             b"ticks,symbol=ES price=1641.5,volume=8i 1378203782074000000".to_vec(), 1),
            // influxdb 5.3.2
            ("/write?db=ticks&precision=u",
             &[("accept", "application/x-msgpack"), ("content-type", "application/octet-stream"),
               ("accept-encoding", "gzip, deflate"), ("authorization", basic)],
             b"ticks,symbol=ES price=1641.5,volume=8i 1378203783074000\n".to_vec(), 1),
            // Clients in other languages send what they have nothing for, too.
            ("/write?consistency=&db=ticks&precision=s&rp=&u=me&p=",
             &[("authorization", basic)],
             b"ticks,symbol=ES price=1641.5 1378203784\n".to_vec(), 1),
        ];
        let mut total = 0;
        for (path, headers, body, count) in clients {
            total += count;
            for attempt in 0..3 {
                stored(&api.send(request(path, headers, body.clone())));
                assert_eq!(ticks(&api, "ES").len(), total, "{path}, attempt {attempt}");
            }
        }
        let all = ticks(&api, "ES");
        let first: Vec<&Value> = all[total - 3..].iter().rev().collect();
        assert!(first.iter().all(|tick| tick["timestamp"] == "2013-09-03T10:23:00.074000Z"));
        let sequences: Vec<&Value> = first.iter().map(|tick| &tick["sequence"]).collect();
        assert_eq!(sequences, [&json!(0), &json!(1), &json!(2)]);
        assert_eq!((&first[0]["price"], &first[0]["volume"]), (&json!(1641.5), &json!(8)));
        assert_eq!((&first[2]["bid"], &first[2]["ask"]), (&Value::Null, &json!(1.5)));
    }

    fn a_ping_names_the_server_and_its_settings_are_not_there(db: &TestDatabase) {
        let api = Api::with(db, |settings| settings.server.token = Some(Token::new(TOKEN).unwrap()));
        let ping = api.get("/ping");
        stored(&ping);
        assert_eq!(ping.header("x-influxdb-version"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(ping.header("x-influxdb-build"), Some("tickbase"));
        // So the client of QuestDB speaks text.
        assert_eq!(api.get("/settings").status, 404);
    }

    fn one_wrong_line_refuses_all_of_them_by_its_number(db: &TestDatabase) {
        let api = Api::new(db);
        for (line, reason) in [
            ("ticks,symbol=ES prise=1 1", "no tick has a field \"prise\""),
            ("ticks,symbol=ES price=\"1\" 1", "the field \"price\" is a string; ticks have numbers alone"),
            ("ticks,symbol=NOPE price=1 1", "no active instrument is named NOPE; check the name, or send the text with create=TYPE"),
            ("ticks,symbol=ES,source=feed\\ 7 price=1 1", "no data source is named \"feed 7\""),
            ("ticks,symbol=ES price=1 9000000000000000000", "ahead of the clock"),
            ("ticks,symbol=ES price==\x10\0\0\0\0\0\0\0\0 1", "a binary value of QuestDB's protocol 2"),
        ] {
            let answer = write(&api, "/write", format!("{TRADE}\r\n# a comment\r\n\r\n{line}\r\n{TRADE}"));
            let (code, message, number) = refused(&answer, 400);
            assert_eq!((code.as_str(), number), ("invalid", Some(4)), "{message}");
            assert!(message.starts_with("line 4: ") && message.contains(reason), "{message}");
        }
        assert_eq!(ticks(&api, "ES"), Vec::<Value>::new());
        stored(&write(&api, "/write", "# nothing\n\n"));
        stored(&write(&api, "/write", ""));
    }

    fn what_is_missing_is_added_when_the_text_says_of_which_type(db: &TestDatabase) {
        let api = Api::new(db);
        let lines = "ticks,symbol=brk\\ b,source=feed\\ 7 price=1.5 1378203780074000000\n\
                     ticks,ticker=SHOP price=2.5 1378203780074000000";
        let (_, message, line) = refused(&write(&api, "/write", lines), 400);
        assert!(line == Some(1) && message.contains("BRK B"), "{message}");
        stored(&write(&api, "/write?create=equity", lines));
        let tick = &ticks(&api, "BRK B")[0];
        assert_eq!((&tick["price"], ticks(&api, "SHOP").len()), (&json!(1.5), 1));
        let sources = api.get("/api/historical-data/sources").json(200);
        let of_tick = sources["sources"].as_array().unwrap().iter().find(|it| it["id"] == tick["source_id"]);
        assert_eq!(of_tick.unwrap()["name"], "feed 7");
        assert_eq!(instrument(&api, "SHOP")["type"], "equity");
    }

    fn clients_that_add_the_same_instrument_at_once_all_succeed(db: &TestDatabase) {
        let api = Api::new(db);
        let of = |n: i64| format!("ticks,symbol=NEW price={n} {}", 1_378_203_780_074_000_000 + n);
        let requests = (0..8).map(|n| request("/write?create=fx", &[], of(n)));
        for answer in api.send_together(requests.collect()) {
            stored(&answer);
        }
        assert_eq!(ticks(&api, "NEW").len(), 8);
    }

    fn a_text_that_comes_twice_at_once_is_stored_once(db: &TestDatabase) {
        let api = Api::new(db);
        let text = format!("{TRADE}\n").repeat(50);
        let requests = (0..6).map(|_| request("/write?precision=n", &[], text.clone()));
        for answer in api.send_together(requests.collect()) {
            stored(&answer);
        }
        assert_eq!(ticks(&api, "ES").len(), 50);
    }

    fn what_tells_ticks_apart_is_their_text_or_their_sequence(db: &TestDatabase) {
        let api = Api::new(db);
        // A trade of the same stamp in the next text is another trade.
        stored(&write(&api, "/write", TRADE));
        stored(&write(&api, "/write", format!("{TRADE}\n")));
        assert_eq!(ticks(&api, "ES").len(), 2);
        // The unit of its stamps is part of a text.
        let text = "ticks,symbol=NQ price=1 1378203780";
        stored(&write(&api, "/write?precision=s", text));
        stored(&write(&api, "/api/v2/write?precision=ms&bucket=b", text));
        stored(&write(&api, "/api/v2/write?precision=s&bucket=b", text));
        assert_eq!(ticks(&api, "NQ").len(), 2);
        // Without stamps the same text is something new each time, unless it has sequences.
        for _ in 0..2 {
            stored(&write(&api, "/write", "ticks,symbol=CL price=1\nticks,symbol=GC price=1,trade_id=7i"));
            stored(&write(&api, "/write", "ticks,symbol=YM price=1,trade_id=7i"));
        }
        assert_eq!((ticks(&api, "CL").len(), ticks(&api, "YM").len()), (2, 1));
        // Numbered ticks are known by their numbers, in any text.
        let numbered = |price: &str| format!("ticks,symbol=NDX price={price},sequence=7i 1378203780074000000");
        stored(&write(&api, "/write", numbered("1")));
        stored(&write(&api, "/write", format!("# again\n{}", numbered("1.0"))));
        assert_eq!(ticks(&api, "NDX").len(), 1);
        let (_, message, line) = refused(&write(&api, "/write", format!("\n{}", numbered("2"))), 400);
        assert!(line == Some(2) && message.contains("other values are stored"), "{message}");
        let key = json!({"keys": [{"instrument_id": instrument(&api, "NDX")["id"], "timestamp": "2013-09-03T10:23:00.074Z",
                                   "source_id": 1, "sequence": 7}]});
        assert_eq!(api.post("/api/market-data/delete", &key).json(200)["deleted"], 1);
        let (_, message, _) = refused(&write(&api, "/write", format!("# more\n{}", numbered("1"))), 400);
        assert!(message.contains("a deleted tick has its key; restore that one"), "{message}");
    }

    fn unknown_parameters_are_refused_and_empty_ones_taken(db: &TestDatabase) {
        let api = Api::new(db);
        for (query, reason) in [
            ("presicion=ms", "unknown field `presicion`"),
            ("precision=x", "unknown variant `x`"),
            ("precision=s&precision=ms", "precision"),
            ("create=stock", "unknown variant `stock`"),
            ("create=", "unknown variant"),
        ] {
            let (code, message, line) = refused(&write(&api, &format!("/write?{query}"), TRADE), 400);
            assert!(code == "invalid" && line.is_none() && message.contains(reason), "{query}: {message}");
        }
        assert_eq!(ticks(&api, "ES"), Vec::<Value>::new());
        for query in ["precision=", "precision=n&db=&rp=", "bucket=b&org=o&precision=us&u=&p="] {
            stored(&write(&api, &format!("/write?{query}"), "ticks,symbol=ES price=1 1378203780074000"));
        }
    }

    fn a_token_is_taken_from_each_place_that_clients_have_for_it(db: &TestDatabase) {
        let api = Api::with(db, |settings| settings.server.token = Some(Token::new(TOKEN).unwrap()));
        let places = [
            ("/write", "authorization", "Bearer 0123456789abcdef"),
            ("/api/v2/write", "authorization", "Token 0123456789abcdef"),
            ("/write", "authorization", "Basic bWU6MDEyMzQ1Njc4OWFiY2RlZg=="), // me:0123456789abcdef
            ("/write?u=me&p=0123456789abcdef", "accept", "*/*"),
        ];
        for (path, name, value) in places {
            // With a token any host may be called.
            stored(&api.send(request(path, &[(name, value), ("host", "ticks.example")], TRADE)));
        }
        for (path, name, value) in [
            ("/write", "accept", "*/*"),
            ("/write", "authorization", "Basic cm9vdDpyb290"),
            ("/write?p=0123456789abcdeF", "accept", "*/*"),
        ] {
            let answer = api.send(request(path, &[(name, value)], TRADE));
            assert_eq!(refused(&answer, 401).0, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            let answer = api.send(request(path, &[(name, value), ("host", "ticks.example")], TRADE));
            assert_eq!(refused(&answer, 421).0, "forbidden");
        }
        // Elsewhere a password counts for nothing: browsers send it along by themselves.
        let path = "/api/market-data?p=0123456789abcdef";
        let answer = api.send(request(path, &[("authorization", places[2].2)], "[]"));
        answer.detail(401);
    }

    fn every_refusal_has_the_shape_that_clients_show(db: &TestDatabase) {
        let api = Api::with(db, |settings| {
            settings.server.body_bytes_max = 1_024;
            settings.server.batch_rows_max = 10;
        });
        let large = write(&api, "/write", "x".repeat(2_000));
        let (code, message, _) = refused(&large, 413);
        assert!(code == "request too large" && message.contains("server.body_bytes_max"), "{message}");
        let bomb = packed("#".repeat(100_000).as_bytes());
        let (code, ..) = refused(&api.send(request("/write", &[("content-encoding", "gzip")], bomb)), 413);
        assert_eq!(code, "request too large");
        let many = "ticks,symbol=ES price=1 1\n".repeat(11);
        assert!(refused(&write(&api, "/api/v2/write", many), 413).1.contains("at most 10 lines"));
        let packed = request("/write", &[("content-encoding", "br"), ("accept-encoding", "gzip")], TRADE);
        assert_eq!(refused(&api.send(packed), 415).0, "unsupported media type");
        let foreign = request("/write", &[("origin", "https://evil.example")], TRADE);
        assert_eq!(refused(&api.send(foreign), 403).0, "forbidden");
        let other = api.get("/write");
        assert_eq!(refused(&other, 405).0, "method not allowed");
        assert_eq!(other.header("allow"), Some("POST"));
        // Other paths keep theirs.
        api.get("/api/instruments/x").detail(422);
    }

    fn a_busy_server_says_503_and_not_429(db: &TestDatabase) {
        let api = Api::with(db, |settings| settings.server.concurrency_max = 1);
        let requests = (0..20).map(|n| request("/write?create=fx", &[], format!("ticks,symbol=S{n} price=1 1\n").repeat(500)));
        let mut busy = 0;
        for answer in api.send_together(requests.collect()) {
            if answer.status == 204 {
                continue;
            }
            let (code, message, _) = refused(&answer, 503);
            assert!(code == "unavailable" && message.contains("server.concurrency_max"), "{message}");
            assert_eq!(answer.header("retry-after"), Some("1"));
            busy += 1;
        }
        assert!(busy > 0);
    }
}

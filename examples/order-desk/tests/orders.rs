//! Orders on both backends: over HTTP, by alerts, and beside tickbase's tables. SQLite always;
//! PostgreSQL where TICKBASE_TEST_POSTGRES_URL names a server.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use diesel::prelude::*;
use diesel::sql_types::Text;
use http_body_util::BodyExt;
use order_desk::tables::orders;
use serde_json::{Value, json};
use tickbase::app::App;
use tickbase::config::{DatabaseConfig, Settings};
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::models::NewDeletion;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::{alert_rule, deletion, instrument, purge};
use tickbase::soft_delete::SoftDeletable;
use tickbase::testing::TemporaryDatabase;
use tickbase::{Result, Timestamp, on_backend};
use tower::ServiceExt;

/// Runs a test on a new database of each backend.
fn on_each_backend(test: impl AsyncFn(&Settings)) {
    let mut databases = vec![TemporaryDatabase::sqlite().unwrap()];
    if let Ok(url) = std::env::var("TICKBASE_TEST_POSTGRES_URL") {
        databases.push(TemporaryDatabase::postgres(&url).unwrap());
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for database in databases {
        let mut settings = Settings::default();
        settings.database = DatabaseConfig::new(database.url()).unwrap();
        runtime.block_on(test(&settings));
    }
}

/// Sends a request to the program's router; the status and the JSON of the answer.
async fn call(app: &App, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = order_desk::router(app).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn place(app: &App, symbol: &str, quantity: i64, stop: &str) -> (StatusCode, Value) {
    let order = json!({"symbol": symbol, "quantity": quantity, "stop_price": stop});
    call(app, "POST", "/orders", order).await
}

async fn list(app: &App) -> Vec<Value> {
    let (status, orders) = call(app, "GET", "/orders", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{orders}");
    orders.as_array().unwrap().clone()
}

/// Trades of ES, which is instrument 1 of a new database, one second apart.
fn trade(database: &Database, prices: &[f64]) {
    let start: Timestamp = "2026-01-05T14:30:00Z".parse().unwrap();
    let at = |nth: usize| start.saturating_add_micros(nth as i64 * 1_000_000);
    let trades = prices.iter().enumerate();
    let trades = trades.map(|(nth, price)| Tick::trade(1, at(nth), *price, 1.0));
    let report = MarketDataRepository::new(database).insert_batch(
        trades.collect::<Result<_>>().unwrap(),
        InsertOptions::default(),
    );
    assert_eq!(report.unwrap().inserted, prices.len());
}

/// The orders once one of them has triggered.
async fn triggered(app: &App) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let orders = list(app).await;
        if orders.iter().any(|order| !order["triggered_at"].is_null()) {
            return orders;
        }
        assert!(Instant::now() < deadline, "none triggered: {orders:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn an_order_is_placed_listed_with_its_latest_price_and_cancelled() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        trade(app.database(), &[1640.25]);

        let (status, placed) = place(&app, "ES", 2, "1650.10").await;
        assert_eq!(status, StatusCode::CREATED, "{placed}");
        let listed = list(&app).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["id"], placed["id"]);
        assert_eq!(listed[0]["symbol"], "ES");
        assert_eq!(listed[0]["last_price"], 1640.25);
        // A decimal keeps its value; the patch of the schema makes it one on SQLite.
        let stop: tickbase::Decimal = listed[0]["stop_price"].as_str().unwrap().parse().unwrap();
        assert_eq!(stop, "1650.1".parse().unwrap());

        let path = format!("/orders/{}", placed["id"]);
        let cancel = async || call(&app, "DELETE", &path, Value::Null).await.0;
        assert_eq!(cancel().await, StatusCode::NO_CONTENT);
        assert_eq!(cancel().await, StatusCode::NOT_FOUND);
        assert!(list(&app).await.is_empty());
        let trash = app.database().read("test.trash", |conn| {
            let trash = orders::table.deleted().count();
            Ok(on_backend!(conn, |c| trash.get_result::<i64>(c))?)
        });
        assert_eq!(trash.unwrap(), 1);
        app.stop();
    });
}

#[test]
fn what_cannot_be_an_order_is_refused_and_leaves_no_rule() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        let (status, said) = place(&app, "ES", 0, "1650").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(said["detail"].as_str().unwrap().starts_with("quantity: "));
        let (status, said) = place(&app, "NONE", 1, "1650").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let expected = "instrument NONE not found; add it first";
        assert_eq!(said["detail"], expected);
        let rules = app.database().read("test.rules", alert_rule::counts);
        assert_eq!(rules.unwrap().total, 0);
        app.stop();
    });
}

#[test]
fn an_alert_triggers_the_order_that_waits_for_it_once() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        let (_, buy) = place(&app, "ES", 2, "1650").await;
        let (_, sell) = place(&app, "ES", -1, "1600").await;
        trade(app.database(), &[1640.25, 1650.25, 1651.0]);

        let orders = triggered(&app).await;
        assert_eq!(orders[0]["id"], sell["id"]);
        assert!(orders[0]["triggered_at"].is_null());
        assert_eq!(orders[1]["id"], buy["id"]);
        assert_eq!(orders[1]["triggered_at"], "2026-01-05T14:30:01.000000Z");
        assert_eq!(orders[1]["trigger_price"], 1650.25);

        // Its rule is gone; it can be cancelled no more.
        let rules = app.database().read("test.rules", alert_rule::counts);
        assert_eq!(rules.unwrap().total, 1);
        let path = format!("/orders/{}", buy["id"]);
        let (status, _) = call(&app, "DELETE", &path, Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        app.stop();
    });
}

#[test]
fn an_alert_that_no_callback_was_told_triggers_at_the_next_start() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        place(&app, "ES", 2, "1650").await;
        app.stop();

        // tickbase alone: the alert is stored, and nobody listens.
        let app = App::start(settings.clone()).unwrap();
        trade(app.database(), &[1650.25]);
        app.stop();

        let app = order_desk::start(settings).unwrap();
        assert_eq!(list(&app).await[0]["trigger_price"], 1650.25);
        app.stop();
    });
}

#[test]
fn the_database_refuses_to_delete_an_active_order() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        place(&app, "ES", 2, "1650").await;
        let deleted = app.database().write("test.delete", |conn| {
            let active = diesel::delete(orders::table.active());
            Ok(on_backend!(conn, |c| active.execute(c))?)
        });
        let said = deleted.unwrap_err().chain();
        assert!(said.contains("soft-delete it first"), "{said}");
        app.stop();
    });
}

#[test]
fn a_purge_of_tickbase_takes_the_rule_and_leaves_the_order_with_its_instrument() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        let (_, order) = place(&app, "ES", 2, "1650").await;
        let path = format!("/orders/{}", order["id"]);
        call(&app, "DELETE", &path, Value::Null).await;
        let database = app.database();
        let report = purge::run(database, database.clock().now(), false).unwrap();
        assert_eq!(report.deleted(), 1);
        let rules = database.read("test.trash", |conn| {
            let trash = orders::table.deleted().select(orders::rule_id);
            Ok(on_backend!(conn, |c| trash.load::<Option<i64>>(c))?)
        });
        assert_eq!(rules.unwrap(), [None]);

        // The migration restricts this one.
        let now = database.clock().now();
        let deleted = database.write("test.delete", move |conn| {
            let new = NewDeletion::of("a test");
            deletion::batch(conn, &new, now, |conn, batch| {
                instrument::soft_delete(conn, &[1], batch)
            })
        });
        assert_eq!(deleted.unwrap().0, 1);
        let said = purge::run(database, now, false).unwrap_err().chain();
        assert!(said.to_lowercase().contains("foreign key"), "{said}");
        app.stop();
    });
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

#[test]
fn our_migrations_are_in_diesel_s_list_alone() {
    on_each_backend(async |settings| {
        let app = order_desk::start(settings).unwrap();
        let ours = app.database().read("test.versions", |conn| {
            let query = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
            Ok(on_backend!(conn, |c| query.load::<Version>(c))?)
        });
        let ours: Vec<String> = ours.unwrap().into_iter().map(|row| row.version).collect();
        assert_eq!(ours, ["20260101000001"]);
        // Starting again finds nothing to do.
        app.stop();
        order_desk::start(settings).unwrap().stop();
    });
}

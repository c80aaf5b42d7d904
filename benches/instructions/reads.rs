//! The workloads that read.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use tickbase::api::{self, ApiState};
use tickbase::config::{MonitoringConfig, ServerConfig};
use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::domain::tick::Tick;
use tickbase::monitoring::DatabaseMonitoringService;
use tickbase::repository::RangeQuery;
use tickbase::repository::market_data::{MarketDataRepository, TickRange};
use tickbase::services::historical_data::{BarQuery, bars};
use tower::ServiceExt;

use super::common::{INSTRUMENTS, Ticks};
use super::insert;

pub const CHECKOUTS: usize = 2_000;
pub const RANGE_TICKS: usize = 10_000;
pub const FOLD_TICKS: usize = 20_000;
pub const LATEST_READS: usize = 50;
pub const GET_REQUESTS: usize = 2;

const PAGE: usize = 1_000;
/// So many a minute.
const STEP_MAX_MICROS: u64 = 6_000_000;

/// Ticks of so many instruments, which are stored.
fn given(database: &Database, instruments: i64, rows: usize) -> Vec<Tick> {
    let ticks = Ticks::new(true, STEP_MAX_MICROS).among(instruments);
    let ticks: Vec<Tick> = ticks.take(rows).collect();
    insert(database, ticks.clone());
    ticks
}

/// Prices and volumes are multiples of a hundredth, of which a sum in any order has a few more.
fn assert_close(sum: f64, expected: f64) {
    assert!((sum - expected).abs() < 1e-3, "{sum} and not {expected}");
}

fn sum(ticks: &[Tick], value: fn(&Tick) -> Option<f64>) -> f64 {
    ticks.iter().filter_map(value).sum()
}

pub fn checkout(database: &Database, rounds: usize) {
    let mut done = 0;
    for _ in 0..rounds * CHECKOUTS {
        done += database.read("bench.checkout", |_| Ok(1)).unwrap();
    }
    assert_eq!(done, rounds * CHECKOUTS);
    let pool = database.pool_snapshot();
    assert_eq!(pool.opened, 1, "one caller needs one connection");
}

pub fn range(database: &Database, rounds: usize) {
    let ticks = given(database, 1, RANGE_TICKS);
    let expected = sum(&ticks, Tick::bid_size);
    for _ in 0..rounds {
        let mut query = RangeQuery::new(TickRange::all(1), PAGE);
        let (mut rows, mut read) = (0, 0.0);
        loop {
            let page = MarketDataRepository::new(database).range(&query).unwrap();
            rows += page.rows.len();
            read += page
                .rows
                .iter()
                .filter_map(|tick| tick.bid_size)
                .sum::<f64>();
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(rows, RANGE_TICKS);
        assert_close(read, expected);
    }
}

pub fn fold(database: &Database, rounds: usize) {
    let ticks = given(database, 1, FOLD_TICKS);
    let expected = sum(&ticks, Tick::volume);
    let query = BarQuery::all(1, Frequency::OneMinute);
    for _ in 0..rounds {
        let history = database.read("bench.bars", |conn| bars(conn, &query));
        let bars = history.unwrap().bars;
        let volumes = bars.iter().filter_map(|bar| bar.values.as_ref());
        assert_close(volumes.map(|values| values.volume).sum(), expected);
        assert!(bars.len() > FOLD_TICKS / 25 && bars.len() < FOLD_TICKS / 15);
    }
}

pub fn latest(database: &Database, rounds: usize) {
    let ticks = given(database, INSTRUMENTS, 10_000);
    let ids: Vec<i64> = (1..=INSTRUMENTS).collect();
    // They rise in time.
    let newest = |id: &i64| ticks.iter().rfind(|tick| tick.instrument_id() == *id);
    let newest = ids.iter().map(|id| newest(id).unwrap().price().unwrap());
    let expected: f64 = newest.sum();
    for _ in 0..rounds * LATEST_READS {
        let read = MarketDataRepository::new(database).latest(&ids).unwrap();
        assert_eq!(read.len(), ids.len());
        assert_close(read.iter().filter_map(|tick| tick.price).sum(), expected);
    }
}

/// No service runs beside the router: what one does at its start would end at any moment.
pub fn get_ticks(database: &Database, rounds: usize) {
    let ticks = given(database, 1, PAGE);
    let monitoring =
        DatabaseMonitoringService::new(database.clone(), MonitoringConfig::default()).unwrap();
    let config = ServerConfig::default();
    let state = ApiState::new(database.clone(), Arc::new(monitoring), config).unwrap();
    state.readiness().ready();
    let router: Router = api::app(&state);
    // One thread beside those that read, so that no request moves from one to another.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let first = runtime.block_on(get(&router));
    let page: serde_json::Value = serde_json::from_slice(&first).unwrap();
    let read = page["ticks"].as_array().unwrap();
    assert_eq!(read.len(), PAGE);
    let prices = read.iter().map(|tick| tick["price"].as_f64().unwrap());
    assert_close(prices.sum(), sum(&ticks, Tick::price));
    for _ in 0..rounds * GET_REQUESTS {
        assert!(runtime.block_on(get(&router)) == first);
    }
}

async fn get(router: &Router) -> Vec<u8> {
    let path = format!("/api/market-data/1?limit={PAGE}");
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap()
        .to_vec()
}

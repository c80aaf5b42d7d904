//! SeaORM: ticks by `insert_many` of its entity.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{Set, SqlxSqliteConnector, TransactionTrait};
use sqlx::sqlite::SqlitePoolOptions;
use tickbase::domain::tick::Tick;

use super::by_sqlx::{block_on, options};
use super::common::{Stopwatch, Took};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "market_data")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub instrument_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub timestamp: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub price: Option<f64>,
    pub volume: Option<f64>,
    pub bid: Option<f64>,
    pub ask: Option<f64>,
    pub bid_size: Option<f64>,
    pub ask_size: Option<f64>,
    pub open_price: Option<f64>,
    pub high_price: Option<f64>,
    pub low_price: Option<f64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn model(tick: &Tick) -> ActiveModel {
    ActiveModel {
        instrument_id: Set(tick.instrument_id()),
        timestamp: Set(tick.timestamp().micros()),
        source_id: Set(tick.source_id()),
        sequence: Set(tick.sequence().unwrap_or(0)),
        price: Set(tick.price()),
        volume: Set(tick.volume()),
        bid: Set(tick.bid()),
        ask: Set(tick.ask()),
        bid_size: Set(tick.bid_size()),
        ask_size: Set(tick.ask_size()),
        open_price: Set(tick.open_price()),
        high_price: Set(tick.high_price()),
        low_price: Set(tick.low_price()),
    }
}

/// `insert_many` in a transaction, without reading anything back.
pub fn insert_many(
    file: &str,
    pragmas: &[(&str, &str)],
    batches: Vec<Vec<Tick>>,
    rows_per_statement: usize,
) -> Took {
    block_on(async {
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options(file, pragmas)).await.unwrap();
        let db = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
        let watch = Stopwatch::start();
        for batch in batches {
            let transaction = db.begin().await.unwrap();
            for rows in batch.chunks(rows_per_statement) {
                let stored = Entity::insert_many(rows.iter().map(model))
                    .on_conflict(OnConflict::new().do_nothing().to_owned())
                    .exec_without_returning(&transaction)
                    .await
                    .unwrap();
                assert_eq!(stored, rows.len() as u64);
            }
            transaction.commit().await.unwrap();
        }
        let took = watch.stop();
        db.close().await.unwrap();
        took
    })
}

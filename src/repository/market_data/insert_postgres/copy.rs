//! COPY of ticks in PostgreSQL's binary format. What is taken, another decides.

use std::io::Write;

use diesel::PgConnection;
use diesel::pg::CopyFormat;
use diesel::prelude::*;
use diesel::result::QueryResult;

use super::super::tick_store::KeyedTick;
use crate::schema::market_data;

/// Bytes that are handed on at once: the server stores one piece while the next one is written.
const PIECE_BYTES: usize = 64 * 1024;
/// Signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Four of the key and nine values.
const COLUMNS: [u8; 2] = 13_i16.to_be_bytes();
const EIGHT_BYTES: [u8; 4] = 8_i32.to_be_bytes();
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// A row of 13 fields, each with its length.
const ROW_BYTES_MAX: usize = 2 + 13 * 12;

/// Stores the rows; all or, with an error, none.
pub(super) fn copy(conn: &mut PgConnection, rows: &[KeyedTick<'_>]) -> QueryResult<()> {
    let columns = (
        market_data::instrument_id,
        market_data::timestamp,
        market_data::source_id,
        market_data::sequence,
        market_data::price,
        market_data::volume,
        market_data::bid,
        market_data::ask,
        market_data::bid_size,
        market_data::ask_size,
        market_data::open_price,
        market_data::high_price,
        market_data::low_price,
    );
    diesel::copy_from(market_data::table)
        .from_raw_data(columns, |out| write(out, rows).map_err(broken))
        .with_format(CopyFormat::Binary)
        .execute(conn)?;
    Ok(())
}

fn broken(error: std::io::Error) -> diesel::result::Error {
    diesel::result::Error::SerializationError(Box::new(error))
}

fn write(out: &mut dyn Write, rows: &[KeyedTick<'_>]) -> std::io::Result<()> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    piece.extend_from_slice(HEADER);
    for row in rows {
        if piece.len() + ROW_BYTES_MAX > PIECE_BYTES {
            out.write_all(&piece)?;
            piece.clear();
        }
        put_row(&mut piece, row);
    }
    piece.extend_from_slice(&TRAILER);
    out.write_all(&piece)
}

fn put_row(piece: &mut Vec<u8>, row: &KeyedTick<'_>) {
    let key = &row.key;
    piece.extend_from_slice(&COLUMNS);
    put(piece, key.instrument_id.to_be_bytes());
    put(piece, key.timestamp.pg_micros().to_be_bytes());
    put(piece, key.source_id.to_be_bytes());
    put(piece, key.sequence.to_be_bytes());
    for value in row.tick.values() {
        match value {
            Some(value) => put(piece, value.to_be_bytes()),
            None => piece.extend_from_slice(&NULL),
        }
    }
}

fn put(piece: &mut Vec<u8>, field: [u8; 8]) {
    piece.extend_from_slice(&EIGHT_BYTES);
    piece.extend_from_slice(&field);
}

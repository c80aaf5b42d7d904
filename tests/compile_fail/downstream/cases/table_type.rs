//! The type that derives find by the name `table`: the value of that name is not of it.
//~ every error: found `Unscoped<table>`

#[cfg(not(feature = "scoped"))]
use diesel::prelude::*;
use tickbase::soft_delete::{Active, SoftDeletable};
use tickbase::tables::instruments;

#[cfg(feature = "scoped")]
pub fn rows() -> Active<instruments::table> {
    instruments::table.active()
}

#[cfg(not(feature = "scoped"))]
pub fn rows() -> Active<instruments::table> {
    fn unscoped(table: instruments::table) -> Active<instruments::table> {
        table.filter(instruments::deleted_at.is_null())
    }
    unscoped(instruments::table)
}

fn main() {}

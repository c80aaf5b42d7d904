//! Rows of a gated table that know their key, for Diesel's associations. It owns the table that
//! such a row names: one that reads the active rows and nothing else.

use diesel::query_builder::{AsQuery, Query};
use diesel::query_source::{QuerySource, Table};

use super::unscoped::NoSelection;

/// What a row of a gated table hands out as its table: a query of the active rows.
///
/// [`identifiable!`](crate::identifiable) names it. It has no place in FROM of its own, so that
/// it cannot be joined, changed or deleted from: those start from a scope of the gate.
#[derive(Debug, Clone, Copy)]
pub struct ActiveRows<Q>(Q);

impl<Q> ActiveRows<Q> {
    #[doc(hidden)]
    pub const fn new(query: Q) -> Self {
        Self(query)
    }
}

impl<Q> QuerySource for ActiveRows<Q> {
    type FromClause = NoSelection;
    type DefaultSelection = NoSelection;

    fn from_clause(&self) -> NoSelection {
        NoSelection
    }
    fn default_selection(&self) -> NoSelection {
        NoSelection
    }
}

impl<Q: Query> AsQuery for ActiveRows<Q> {
    type SqlType = Q::SqlType;
    type Query = Q;

    fn as_query(self) -> Q {
        self.0
    }
}

impl<Q: Query> Table for ActiveRows<Q> {
    type PrimaryKey = NoSelection;
    type AllColumns = NoSelection;

    fn primary_key(&self) -> NoSelection {
        NoSelection
    }
    fn all_columns() -> NoSelection {
        NoSelection
    }
}

/// Gives rows of a gated table a key, as `#[derive(Identifiable)]` does for rows of other tables.
///
/// Diesel's derive hands out the table behind the gate, and does not compile here. With this line
/// `Note::belonging_to(&instruments)` reads the active notes alone, and `grouped_by` sorts them
/// to their parents:
///
/// ```standalone_crate
/// # mod schema {
/// #     diesel::table! {
/// #         notes (id) {
/// #             id -> BigInt,
/// #             deleted_at -> Nullable<tickbase::sql_types::Timestamp>,
/// #         }
/// #     }
/// # }
/// # tickbase::soft_deletable!(pub mod notes = crate::schema::notes);
/// # struct Note { id: i64 }
/// tickbase::identifiable!(Note of notes by id: i64);
/// # fn main() {}
/// ```
///
/// A key of several columns names them all: `by series: i64, number: i32`.
#[macro_export]
macro_rules! identifiable {
    ($row:ident of $($gate:ident)::+ by $($key:ident : $type:ty),+ $(,)?) => {
        impl $crate::diesel::associations::HasTable for $row {
            type Table =
                $crate::soft_delete::ActiveRows<$crate::soft_delete::Active<$($gate)::+::table>>;

            fn table() -> Self::Table {
                $crate::soft_delete::ActiveRows::new(
                    $crate::soft_delete::SoftDeletable::active($($gate)::+::table),
                )
            }
        }

        // One key stands alone, as in Diesel's derive: a tuple of one would fit no column.
        #[allow(unused_parens)]
        impl<'row> $crate::diesel::associations::Identifiable for &'row $row {
            type Id = ($(&'row $type),+);

            fn id(self) -> Self::Id {
                ($(&self.$key),+)
            }
        }

        #[allow(unused_parens)]
        impl<'row> $crate::diesel::associations::Identifiable for &'_ &'row $row {
            type Id = ($(&'row $type),+);

            fn id(self) -> Self::Id {
                $crate::diesel::associations::Identifiable::id(*self)
            }
        }
    };
}

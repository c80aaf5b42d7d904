//! A gated table before a scope is chosen, and what the compiler says of a query that forgets it.
//! It owns the words; nothing here can be called in a program that compiles.
//!
//! Diesel's traits are implemented under a bound that nothing fulfils, and its methods stand here
//! under the same bound: the compiler looks for the deepest unfulfilled bound, finds
//! [`SaysWhichRows`], and prints the words of that trait instead of Diesel's.

use std::hash::Hash;
use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::associations::{HasTable, Identifiable};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::expression::{expression_types::NotSelectable, is_aggregate};
use diesel::expression_methods::EqAll;
use diesel::query_builder::{Query, SelectQuery};
use diesel::query_source::{QuerySource, Table};
use diesel::result::Error::NotFound;
use diesel::sql_types::Bool;

use super::GatedAlias;

/// Fulfilled by nothing: a bound that names the cure where a scope is missing.
///
/// It is asked of the table behind the gate: of a bound on the gate itself the compiler would
/// print the words of Diesel's trait that has it.
#[diagnostic::on_unimplemented(
    message = "this query does not say which rows of `{Self}` it means: choose .active(), .deleted() or .with_deleted(reason)",
    label = "the scope is missing here",
    note = "`table.active()` leaves out the rows in the trash, `table.deleted()` reads them alone, `table.with_deleted(reason)` reads all",
    note = "the right side of a join is `table.active_on(condition)`; new rows go in by `table.insert()`"
)]
pub trait SaysWhichRows: ByNothing {
    /// The rows.
    type Rows: Query;
    /// The table that has them.
    type Table: Table;
    /// The key of one.
    type Key: Hash + Eq;

    #[doc(hidden)]
    fn rows() -> Self::Rows;
    #[doc(hidden)]
    fn table() -> Self::Table;
    #[doc(hidden)]
    fn key() -> Self::Key;
}

mod unfulfilled {
    /// No crate can say of its table that it needs no scope.
    pub trait ByNothing {}
}
use unfulfilled::ByNothing;

/// The value `table` of a gated table. Choose [`active`](super::SoftDeletable::active),
/// [`deleted`](super::SoftDeletable::deleted) or
/// [`with_deleted`](super::SoftDeletable::with_deleted) first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unscoped<T>(PhantomData<T>);

impl<T> Unscoped<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Diesel's methods for queries, with their names, numbers of arguments and generic arguments that
/// users write.
///
/// The rows are a parameter, for with the type of the trait in its place the compiler would only
/// say that bounds of the method are not satisfied. As nobody knows them, the rest of the chain
/// gets no errors of its own.
macro_rules! needs_scope {
    ($of:ident: $($method:ident($($argument:ident)?)),+ $(,)?) => {
        $(
            #[doc(hidden)]
            pub fn $method<Rows>(self $(, $argument: impl Sized)?) -> Rows
            where
                $of: SaysWhichRows<Rows = Rows>,
            {
                $(let _ = $argument;)?
                $of::rows()
            }
        )+
        #[doc(hidden)]
        #[must_use]
        pub fn into_boxed<DB>(self) -> Self
        where
            $of: SaysWhichRows,
        {
            self
        }
        needs_scope!(@run $of:
            execute -> usize, load<U> -> Vec<U>, get_result<U> -> U, get_results<U> -> Vec<U>,
            first<U> -> U, load_iter<U> -> Vec<QueryResult<U>>,
        );
    };
    (@run $of:ident: $($method:ident $(<$generic:ident>)? -> $found:ty),+ $(,)?) => {
        $(
            #[doc(hidden)]
            pub fn $method$(<$generic>)?(self, _connection: impl Sized) -> QueryResult<$found>
            where
                $of: SaysWhichRows,
            {
                Err(NotFound)
            }
        )+
    };
    ($of:ident) => {
        needs_scope!($of:
            as_query(), count(), distinct(), distinct_on(by), filter(by), find(key), for_key_share(),
            for_no_key_update(), for_share(), for_update(), group_by(by), having(by),
            inner_join(with), left_join(with), left_outer_join(with), limit(rows),
            no_wait(), nullable(), offset(rows), on(condition), or_filter(by), order(by),
            order_by(by), select(selection), single_value(), skip_locked(), then_order_by(by),
        );
    };
}

impl<T> Unscoped<T> {
    needs_scope!(T);
}

impl<G, S> GatedAlias<G, S> {
    needs_scope!(S);
}

/// What a table without rows would select.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct NoSelection;

impl Expression for NoSelection {
    type SqlType = NotSelectable;
}
impl<QS> AppearsOnTable<QS> for NoSelection {}
impl<QS> SelectableExpression<QS> for NoSelection {}
impl ValidGrouping<()> for NoSelection {
    type IsAggregate = is_aggregate::Never;
}

/// Fulfilled by nothing: a bound that names the cure where a row is to be its own scope.
#[diagnostic::on_unimplemented(
    message = "a row of a gated table does not say whether it may be in the trash: choose .active(), .deleted() or .with_deleted(reason), and then .find(key)",
    label = "this row has a key and no scope"
)]
pub trait KeySaysScope: ByNothing {
    #[doc(hidden)]
    type Condition: Expression<SqlType = Bool>;

    #[doc(hidden)]
    fn condition(self) -> Self::Condition;
}

impl<K: KeySaysScope> EqAll<K> for NoSelection {
    type Output = K::Condition;

    fn eq_all(self, key: K) -> K::Condition {
        key.condition()
    }
}

/// Each of these traits is one way into a query: `diesel::update`, `insert_into`, `exists`, ...
macro_rules! needs_scope_for_diesel {
    ($([$($parameter:ident),+] $type:ty, of $of:ident);+ $(;)?) => {
        $(
            impl<$($parameter),+> QuerySource for $type
            where
                $of: SaysWhichRows,
            {
                type FromClause = NoSelection;
                type DefaultSelection = NoSelection;

                fn from_clause(&self) -> NoSelection {
                    NoSelection
                }
                fn default_selection(&self) -> NoSelection {
                    NoSelection
                }
            }

            // Not `AsQuery`: what is a `Query` is one anyhow, and of two ways that fail the compiler
            // would name neither.
            impl<$($parameter),+> Query for $type
            where
                $of: SaysWhichRows,
            {
                type SqlType = <<$of as SaysWhichRows>::Rows as Query>::SqlType;
            }

            impl<$($parameter),+> SelectQuery for $type
            where
                $of: SaysWhichRows,
            {
                type SqlType = <<$of as SaysWhichRows>::Rows as Query>::SqlType;
            }

            impl<$($parameter),+> Table for $type
            where
                $of: SaysWhichRows,
            {
                type PrimaryKey = NoSelection;
                type AllColumns = NoSelection;

                fn primary_key(&self) -> NoSelection {
                    NoSelection
                }
                fn all_columns() -> NoSelection {
                    NoSelection
                }
            }
        )+
    };
}
needs_scope_for_diesel!(
    [T] Unscoped<T>, of T;
    [G, S] GatedAlias<G, S>, of S;
);

impl<T> HasTable for Unscoped<T>
where
    T: SaysWhichRows,
{
    type Table = T::Table;

    fn table() -> T::Table {
        T::table()
    }
}

// Not `IntoUpdateTarget`: what is `Identifiable` is one anyhow, as above.
impl<T> Identifiable for Unscoped<T>
where
    T: SaysWhichRows,
{
    type Id = T::Key;

    fn id(self) -> T::Key {
        T::key()
    }
}

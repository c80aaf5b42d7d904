//! Soft delete that cannot be forgotten: gated tables.
//!
//! The reasons are in docs/decisions/0003.
//!
//! A gated table is a value named `table` that is *not* a Diesel table. Nothing can be loaded,
//! joined or updated through it until a scope is chosen, and the compiler says so. It owns the
//! scopes and the macro that gates a table; it runs no query.
//!
//! ```
//! use tickbase::diesel::prelude::*;
//! use tickbase::soft_delete::SoftDeletable;
//! use tickbase::tables::instruments;
//!
//! let active = instruments::table.active().filter(instruments::symbol.eq("ES"));
//! let trash = instruments::table.deleted().select(instruments::id);
//!
//! // Soft delete and restore are updates of a scope: a deleted row keeps its first `deleted_at`.
//! # let now = tickbase::Timestamp::from_micros(0)?;
//! let delete = tickbase::diesel::update(instruments::table.active().filter(instruments::id.eq(1)))
//!     .set(instruments::deleted_at.eq(now));
//! let restore = tickbase::diesel::update(instruments::table.deleted().filter(instruments::id.eq(1)))
//!     .set(instruments::deleted_at.eq(None::<tickbase::Timestamp>));
//! # Ok::<(), tickbase::Error>(())
//! ```
//!
//! Diesel's derives name the gate, in one line: the *type* `table` is Diesel's, so that
//! `Insertable`, `AsChangeset`, `Selectable`, `Queryable` and `Associations` find what they look
//! for, and no query gets a value of it. `Identifiable` is [`identifiable!`](crate::identifiable),
//! for Diesel's derive would hand out such a value. docs/own-tables.md has them all, and upserts.
//!
//! ```
//! use tickbase::diesel;
//! use tickbase::diesel::prelude::*;
//! use tickbase::soft_delete::SoftDeletable;
//! use tickbase::tables::instruments;
//!
//! #[derive(AsChangeset)]
//! #[diesel(table_name = instruments)]
//! struct Renamed<'a> {
//!     name: &'a str,
//! }
//!
//! let update = diesel::update(instruments::table.active().find(1)).set(&Renamed { name: "Gold" });
//! ```

mod identity;
mod unscoped;

pub use identity::ActiveRows;
pub use unscoped::{SaysWhichRows, Unscoped};

use std::fmt::Debug;
use std::marker::PhantomData;

use diesel::ExpressionMethods;
use diesel::dsl;
use diesel::expression::{AsExpression, Expression};
use diesel::query_builder::IncompleteInsertStatement;
use diesel::query_dsl::{JoinOnDsl, QueryDsl, methods};
use diesel::query_source::{Alias, AliasSource, AliasedField, Column, Table};
use diesel::sql_types::{Bool, SqlType};

/// The active rows of a gated table: `deleted_at IS NULL`.
pub type Active<T> = dsl::Filter<Raw<T>, dsl::IsNull<DeletedAt<T>>>;
/// The deleted rows of a gated table: `deleted_at IS NOT NULL`.
pub type Deleted<T> = dsl::Filter<Raw<T>, dsl::IsNotNull<DeletedAt<T>>>;
/// The active rows of a gated table as the right side of a join.
pub type ActiveOn<T, On> = dsl::On<Raw<T>, dsl::And<dsl::IsNull<DeletedAt<T>>, On, Bool>>;
/// The active rows of an alias.
pub type ActiveAlias<G, S> =
    dsl::Filter<Alias<S>, dsl::IsNull<AliasedField<S, <G as SoftDeletable>::DeletedAt>>>;
/// The active rows of an alias as the right side of a join.
pub type ActiveAliasOn<G, S, On> =
    dsl::On<Alias<S>, dsl::And<dsl::IsNull<AliasedField<S, DeletedAt<G>>>, On, Bool>>;
/// The Diesel table behind a gate.
pub type Raw<T> = <T as SoftDeletable>::Raw;
/// The `deleted_at` column of a gated table.
pub type DeletedAt<T> = <T as SoftDeletable>::DeletedAt;

/// A table whose rows are deleted by a mark, and read only through a scope.
///
/// [`soft_deletable!`](crate::soft_deletable) implements it in one line for a table of your own.
/// Bring the trait into scope to call its methods on `table`.
#[doc(alias = "SoftDeleteMixin")]
pub trait SoftDeletable: Copy + Debug + Sized {
    /// The Diesel table behind the gate.
    type Raw: Table + QueryDsl + Default;
    /// Its `deleted_at` column.
    type DeletedAt: Column<Table = Self::Raw> + ExpressionMethods + Default;

    /// The table's name in the database.
    const NAME: &'static str;
    /// The value of the Diesel table.
    #[doc(hidden)]
    const RAW: Self::Raw;

    /// The rows that are not deleted.
    fn active(self) -> Active<Self>
    where
        Self::Raw: methods::FilterDsl<dsl::IsNull<Self::DeletedAt>>,
        <Self::DeletedAt as Expression>::SqlType: SqlType,
    {
        methods::FilterDsl::filter(Self::Raw::default(), Self::DeletedAt::default().is_null())
    }

    /// The rows in the trash.
    fn deleted(self) -> Deleted<Self>
    where
        Self::Raw: methods::FilterDsl<dsl::IsNotNull<Self::DeletedAt>>,
        <Self::DeletedAt as Expression>::SqlType: SqlType,
    {
        methods::FilterDsl::filter(
            Self::Raw::default(),
            Self::DeletedAt::default().is_not_null(),
        )
    }

    /// All rows, deleted ones included. The reason is for the reader of the code, and the log.
    fn with_deleted(self, reason: &'static str) -> Self::Raw {
        tracing::trace!(table = Self::NAME, reason, "deleted rows are read too");
        Self::Raw::default()
    }

    /// The active rows as the right side of a join: the scope goes into ON, so that a LEFT JOIN
    /// keeps its parents.
    fn active_on<On>(self, on: On) -> ActiveOn<Self, On>
    where
        On: AsExpression<Bool, Expression = On> + Expression<SqlType = Bool>,
        Self::Raw: JoinOnDsl,
        dsl::IsNull<Self::DeletedAt>: Expression<SqlType = Bool>,
        <Self::DeletedAt as Expression>::SqlType: SqlType,
    {
        use diesel::BoolExpressionMethods;
        Self::Raw::default().on(Self::DeletedAt::default().is_null().and(on))
    }

    /// Insertion through the gate: `table.insert().values(..)`.
    fn insert(self) -> IncompleteInsertStatement<Self::Raw> {
        diesel::insert_into(Self::Raw::default())
    }
}

impl<T> SoftDeletable for Unscoped<T>
where
    T: SoftDeletable<Raw = T> + Table + QueryDsl + Default,
{
    type Raw = T;
    type DeletedAt = T::DeletedAt;
    const NAME: &'static str = T::NAME;
    const RAW: T = T::RAW;
}

/// A row that knows whether it is deleted.
pub trait SoftDeletableRow {
    /// True when the row is in the trash.
    fn is_deleted(&self) -> bool;

    /// True when the row is not in the trash.
    fn is_active(&self) -> bool {
        !self.is_deleted()
    }
}

/// An alias of a gated table, for self-joins; made by
/// [`soft_delete_alias!`](crate::soft_delete_alias).
#[derive(Debug, Clone, Copy)]
pub struct GatedAlias<G, S> {
    source: S,
    gate: PhantomData<G>,
}

impl<G, S> GatedAlias<G, S>
where
    G: SoftDeletable,
    S: AliasSource<Target = G::Raw> + Clone,
{
    #[doc(hidden)]
    pub const fn new(source: S) -> Self {
        Self {
            source,
            gate: PhantomData,
        }
    }

    /// A column of the alias.
    pub fn field<C>(&self, column: C) -> AliasedField<S, C>
    where
        C: Column<Table = G::Raw>,
    {
        Alias::new(self.source.clone()).field(column)
    }

    /// The rows of the alias that are not deleted.
    pub fn active(&self) -> ActiveAlias<G, S>
    where
        Alias<S>: methods::FilterDsl<dsl::IsNull<AliasedField<S, G::DeletedAt>>>,
        AliasedField<S, G::DeletedAt>: ExpressionMethods,
        <AliasedField<S, G::DeletedAt> as Expression>::SqlType: SqlType,
    {
        let deleted_at = self.field(G::DeletedAt::default());
        methods::FilterDsl::filter(Alias::new(self.source.clone()), deleted_at.is_null())
    }

    /// The active rows of the alias as the right side of a join.
    pub fn active_on<On>(&self, on: On) -> ActiveAliasOn<G, S, On>
    where
        On: AsExpression<Bool, Expression = On> + Expression<SqlType = Bool>,
        Alias<S>: JoinOnDsl,
        AliasedField<S, G::DeletedAt>: ExpressionMethods,
        <AliasedField<S, G::DeletedAt> as Expression>::SqlType: SqlType,
        dsl::IsNull<AliasedField<S, G::DeletedAt>>: Expression<SqlType = Bool>,
    {
        use diesel::BoolExpressionMethods;
        let deleted_at = self.field(G::DeletedAt::default());
        Alias::new(self.source.clone()).on(deleted_at.is_null().and(on))
    }
}

/// Gates a table of your own: publishes its columns and a `table` that must be scoped.
///
/// The table needs a nullable `deleted_at` column, and a crate with tables of its own needs
/// `diesel` among its dependencies: Diesel's macros ask for it by that name. Keep the module that
/// `diesel print-schema` generates private, and publish the gate:
///
/// ```standalone_crate
/// # mod schema {
/// #     diesel::table! {
/// #         use diesel::sql_types::*;
/// #         notes (id) {
/// #             id -> BigInt,
/// #             deleted_at -> Nullable<tickbase::sql_types::Timestamp>,
/// #         }
/// #     }
/// # }
/// # struct Note { deleted_at: Option<tickbase::Timestamp> }
/// tickbase::soft_deletable!(pub mod notes = crate::schema::notes, row = Note);
/// # fn main() {}
/// ```
///
/// `row = ..` (optional, repeatable) names structs with a `deleted_at: Option<_>` field; they
/// get `is_active` and `is_deleted`.
#[macro_export]
macro_rules! soft_deletable {
    // Lets a table be joined to what has no scope yet, under the bound that nothing fulfils.
    (@join_needs_scope $($left:ident)::+) => {
        impl<T> $crate::diesel::JoinTo<$crate::soft_delete::Unscoped<T>> for $($left)::+::table
        where
            T: $crate::soft_delete::SaysWhichRows,
        {
            type FromClause = T::Rows;
            type OnClause = T::Rows;

            fn join_target(_: $crate::soft_delete::Unscoped<T>) -> (T::Rows, T::Rows) {
                (T::rows(), T::rows())
            }
        }

        impl<G, S> $crate::diesel::JoinTo<$crate::soft_delete::GatedAlias<G, S>>
            for $($left)::+::table
        where
            S: $crate::soft_delete::SaysWhichRows,
        {
            type FromClause = S::Rows;
            type OnClause = S::Rows;

            fn join_target(_: $crate::soft_delete::GatedAlias<G, S>) -> (S::Rows, S::Rows) {
                (S::rows(), S::rows())
            }
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis mod $name:ident = $($raw:ident)::+ $(, row = $row:ty)* $(,)?
    ) => {
        $(#[$meta])*
        $vis mod $name {
            pub use $($raw)::+::columns::*;

            /// The gated table: choose `active()`, `deleted()` or `with_deleted(reason)` first.
            #[allow(non_upper_case_globals)]
            pub const table: $crate::soft_delete::Unscoped<table> =
                $crate::soft_delete::Unscoped::new();

            /// The Diesel table, as a type alone: the value of this name is the gate. Diesel's
            /// derives write `impl Insertable<table>`, and find the type here.
            #[allow(non_camel_case_types)]
            pub type table = $($raw)::+::table;

            impl $crate::soft_delete::SoftDeletable for $($raw)::+::table {
                type Raw = Self;
                type DeletedAt = $($raw)::+::columns::deleted_at;
                const NAME: &'static str = stringify!($name);
                const RAW: Self = $($raw)::+::table;
            }

            $crate::soft_deletable!(@join_needs_scope $($raw)::+);
        }
        $(
            impl $crate::soft_delete::SoftDeletableRow for $row {
                fn is_deleted(&self) -> bool {
                    self.deleted_at.is_some()
                }
            }
        )*
    };
}

/// Lets a table of your own stand in one query with tables of this crate, in a join or a subquery.
///
/// Diesel's `allow_tables_to_appear_in_same_query!` cannot: among three tables it writes
/// implementations between two of this crate, which Rust leaves to this crate. Name your Diesel
/// table, then the modules of [`tables`](crate::tables):
///
/// ```standalone_crate
/// # mod schema {
/// #     diesel::table! {
/// #         notes (id) {
/// #             id -> BigInt,
/// #         }
/// #     }
/// # }
/// use tickbase::tables::{data_sources, instruments};
/// tickbase::allow_in_same_query!(crate::schema::notes: data_sources, instruments);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! allow_in_same_query {
    ($($own:ident)::+ : $($other:ident),+ $(,)?) => {
        $crate::allow_in_same_query!(@each [$($own)::+::table] $($other),+);
    };
    (@each [$own:ty] $($other:ident),+) => {
        $(
            impl $crate::diesel::query_source::TableNotEqual<$own> for $other::table {}
            impl $crate::diesel::query_source::TableNotEqual<$other::table> for $own {}
        )+
    };
}

/// Names aliases of gated tables, for self-joins.
///
/// ```
/// use tickbase::diesel::prelude::*;
/// use tickbase::soft_delete::SoftDeletable;
/// use tickbase::tables::market_data;
///
/// tickbase::soft_delete_alias!(market_data as earlier: Earlier);
///
/// let pairs = market_data::table.active().inner_join(
///     earlier.active_on(
///         earlier
///             .field(market_data::instrument_id)
///             .eq(market_data::instrument_id)
///             .and(earlier.field(market_data::timestamp).lt(market_data::timestamp)),
///     ),
/// );
/// ```
#[macro_export]
macro_rules! soft_delete_alias {
    ($($vis:vis $gate:ident as $name:ident : $source:ident),+ $(,)?) => {
        $(
            #[doc = concat!("The alias `", stringify!($name), "` of a gated table.")]
            #[derive(Debug, Clone, Copy, Default)]
            $vis struct $source {
                table: <$gate::table as $crate::soft_delete::SoftDeletable>::Raw,
            }

            impl $crate::diesel::query_source::AliasSource for $source {
                const NAME: &'static str = stringify!($name);
                type Target = <$gate::table as $crate::soft_delete::SoftDeletable>::Raw;
                fn target(&self) -> &Self::Target {
                    &self.table
                }
            }

            impl
                $crate::diesel::internal::alias_macro::AliasAliasAppearsInFromClauseSameTable<
                    $source,
                    <$gate::table as $crate::soft_delete::SoftDeletable>::Raw,
                > for $source
            {
                type Count = $crate::diesel::query_source::Once;
            }

            #[doc = concat!("The alias `", stringify!($name), "` of a gated table.")]
            #[allow(non_upper_case_globals)]
            $vis const $name: $crate::soft_delete::GatedAlias<$gate::table, $source> =
                $crate::soft_delete::GatedAlias::new(
                    $source { table: <$gate::table as $crate::soft_delete::SoftDeletable>::RAW },
                );
        )+
        $crate::diesel::__internal_alias_helper!($(
            table_ty = <$gate::table as $crate::soft_delete::SoftDeletable>::Raw,
            table_tt = ($gate),
            alias_ty = $source,
            alias_sql_name = $name;
        )+);
    };
}

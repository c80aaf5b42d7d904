//! Conditions that a filter may leave out, in a query whose type stays one.
//!
//! Boxed queries would do it too, but they are bound to a backend when they are built, and the
//! queries here have none until they are executed. It knows no table.

use diesel::backend::Backend;
use diesel::expression::{
    AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// A condition, or `1 = 1`, which every planner drops.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IfSome<T>(Option<T>);

/// The condition if there is one.
pub(crate) fn if_some<T>(condition: Option<T>) -> IfSome<T> {
    IfSome(condition)
}

impl<T: Expression> Expression for IfSome<T> {
    type SqlType = T::SqlType;
}

// The text differs with and without the condition: it is the key of the statement cache.
impl<T> QueryId for IfSome<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T, QS> AppearsOnTable<QS> for IfSome<T> where T: AppearsOnTable<QS> {}
impl<T, QS> SelectableExpression<QS> for IfSome<T> where T: SelectableExpression<QS> {}

impl<T> ValidGrouping<()> for IfSome<T> {
    type IsAggregate = is_aggregate::No;
}

impl<DB, T> QueryFragment<DB> for IfSome<T>
where
    DB: Backend,
    T: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match &self.0 {
            Some(condition) => condition.walk_ast(out),
            None => {
                out.push_sql("1 = 1");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;

    use super::*;
    use crate::soft_delete::SoftDeletable;
    use crate::tables::instruments;
    use crate::test_support::{on_both, sql_of};

    #[test]
    fn a_condition_that_is_left_out_finds_everything_and_one_that_is_there_narrows() {
        on_both(|conn| {
            for (id, found) in [(None, 12), (Some(3), 1), (Some(99), 0)] {
                let only = if_some(id.map(|id: i64| instruments::id.eq(id)));
                let query = instruments::table.active().filter(only).count();
                let count: i64 = crate::on_backend!(conn, |c| query.get_result(c)).unwrap();
                assert_eq!(count, found, "{id:?}");
            }
        });
    }

    #[test]
    fn the_text_tells_the_condition_from_its_absence() {
        let text = |id: Option<i64>| {
            let only = if_some(id.map(|id| instruments::id.eq(id)));
            let query = instruments::table
                .active()
                .filter(only)
                .select(instruments::id);
            let sql = sql_of::<diesel::pg::Pg, _>(&query).replace('"', "");
            sql[sql.find("AND").unwrap()..].to_owned()
        };
        insta::assert_snapshot!(text(Some(1)), @"AND (instruments.id = $1))");
        insta::assert_snapshot!(text(None), @"AND 1 = 1)");
    }
}

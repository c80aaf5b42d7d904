//! Saved queries, with their numbers where these are free.

use std::collections::BTreeMap;

use super::convert::old;
use super::reject_file::Rejection;
use super::report::TableReport;
use super::run::AdoptionRun;
use super::steps::AdoptionSteps;
use crate::error::Result;
use crate::models::NewSavedQuery;
use crate::repository::adoption::{self, RowStamps};
use crate::repository::tradeassist::OldQuery;
use crate::timestamp::Timestamp;

/// A saved query that breaks no rule.
struct QueryCandidate {
    old_id: i64,
    new: NewSavedQuery,
    executions: (i64, Option<Timestamp>),
    stamps: RowStamps,
}

impl<S: AdoptionSteps> AdoptionRun<'_, S> {
    pub(super) fn queries(&mut self) -> Result<()> {
        self.each_page(Self::query_page)
    }

    fn query_page(&mut self, table: &mut TableReport, page: Vec<OldQuery>) -> Result<()> {
        let mut candidates = Vec::with_capacity(page.len());
        for row in page {
            match self.query(&row) {
                Ok(candidate) => candidates.push(candidate),
                Err(rejection) => self.reject(table, &row, &rejection)?,
            }
        }
        let (before, source_id, now) = (self.ids.clone(), self.source_id, self.now);
        let (ids, placed) = self
            .steps
            .write("adopt.queries", candidates.len(), move |conn| {
                let mut ids = before.clone();
                let mut placed: BTreeMap<i64, (i64, bool)> = BTreeMap::new();
                for QueryCandidate {
                    old_id,
                    new,
                    executions,
                    stamps,
                } in &candidates
                {
                    let (id, added) = match ids.saved_queries.get(old_id) {
                        Some(id) => (*id, false),
                        None => {
                            let id =
                                adoption::insert_query(conn, *old_id, new, *executions, *stamps)?;
                            (id, true)
                        }
                    };
                    ids.saved_queries.insert(*old_id, id);
                    placed.insert(*old_id, (id, added));
                }
                ids.save(conn, source_id, &before, now)?;
                Ok((ids, placed))
            })?;
        self.ids = ids;
        for (old_id, (id, added)) in placed {
            table.brought += u64::from(added);
            table.present += u64::from(!added);
            self.moved("data_query", old_id, id);
        }
        Ok(())
    }

    fn query(&self, row: &OldQuery) -> std::result::Result<QueryCandidate, Rejection> {
        let name = old!(row, name).text();
        let symbols = old!(row, symbols).text();
        let new = NewSavedQuery {
            name: old!(row, name).required(name)?,
            description: old!(row, description).text(),
            symbols: old!(row, symbols).required(symbols)?,
            frequency: old!(row, frequency).text().unwrap_or_default().parse()?,
            start_date: old!(row, start_date).stamp()?,
            end_date: old!(row, end_date).stamp()?,
            filters: old!(row, filters).text(),
            is_favorite: old!(row, is_favorite).flag()?,
        };
        new.check()?;
        let count: Option<i64> = old!(row, execution_count).whole()?;
        Ok(QueryCandidate {
            old_id: row.id,
            new,
            executions: (count.unwrap_or(0).max(0), old!(row, last_executed).stamp()?),
            stamps: self.stamps(
                old!(row, created_at).stamp()?,
                old!(row, updated_at).stamp()?,
            ),
        })
    }
}

//! Alert rules, with their numbers where these are free. A rule that could never fire is rejected:
//! TradeAssist takes it, and never fires it.

use std::collections::{BTreeMap, BTreeSet};

use super::adopted_ids::AdoptedIds;
use super::convert::old;
use super::reject_file::Rejection;
use super::report::TableReport;
use super::run::AdoptionRun;
use super::steps::AdoptionSteps;
use crate::database::BackendConnection;
use crate::domain::RuleType;
use crate::error::Result;
use crate::models::NewAlertRule;
use crate::repository::adoption::{self, RowStamps};
use crate::repository::instrument;
use crate::repository::tradeassist::OldRule;
use crate::timestamp::Timestamp;

/// A rule that breaks no rule.
struct RuleCandidate {
    old_id: i64,
    new: NewAlertRule,
    last_triggered: Option<Timestamp>,
    stamps: RowStamps,
}

impl<S: AdoptionSteps> AdoptionRun<'_, S> {
    pub(super) fn rules(&mut self) -> Result<()> {
        self.each_page(Self::rule_page)
    }

    fn rule_page(&mut self, table: &mut TableReport, page: Vec<OldRule>) -> Result<()> {
        let (mut rows, mut candidates) = (BTreeMap::new(), Vec::with_capacity(page.len()));
        for row in page {
            match self.rule(&row) {
                Ok(candidate) => {
                    candidates.push(candidate);
                    rows.insert(row.id, row);
                }
                Err(rejection) => self.reject(table, &row, &rejection)?,
            }
        }
        let (before, source_id, now) = (self.ids.clone(), self.source_id, self.now);
        let (ids, placed) = self
            .steps
            .write("adopt.rules", candidates.len(), move |conn| {
                let mut ids = before.clone();
                let placed = place(conn, &mut ids, &candidates)?;
                ids.save(conn, source_id, &before, now)?;
                Ok((ids, placed))
            })?;
        self.ids = ids;
        for (old_id, row) in rows {
            match placed.get(&old_id) {
                Some((id, added)) => {
                    table.brought += u64::from(*added);
                    table.present += u64::from(!added);
                    self.moved("alert_rules", old_id, *id);
                }
                None => {
                    let reason = "its instrument was deleted here; restore it, and adopt again";
                    self.reject(table, &row, &Rejection::stored(reason))?;
                }
            }
        }
        Ok(())
    }

    fn rule(&self, row: &OldRule) -> std::result::Result<RuleCandidate, Rejection> {
        let instrument: Option<i64> = old!(row, instrument_id).whole()?;
        let here = instrument.and_then(|old| self.ids.instruments.get(&old));
        let instrument_id = *here.ok_or_else(|| Rejection::orphan("instrument", instrument))?;
        let rule_type = old!(row, rule_type).word()?;
        let condition = old!(row, condition).word()?;
        let threshold = old!(row, threshold).decimal()?;
        // Such a rule has one condition there, and an expression here.
        let expression = match (rule_type, &threshold) {
            (RuleType::MultiCondition, Some(threshold)) => {
                Some(NewAlertRule::expression_of(condition, threshold))
            }
            _ => None,
        };
        let is_single = expression.is_none();
        let new = NewAlertRule {
            condition: is_single.then_some(condition),
            threshold: threshold.filter(|_| is_single),
            expression,
            active: old!(row, active).flag()?,
            name: old!(row, name).text(),
            description: old!(row, description).text(),
            time_window_seconds: old!(row, time_window_seconds).whole()?,
            moving_average_period: old!(row, moving_average_period).whole()?,
            cooldown_seconds: old!(row, cooldown_seconds).whole()?.unwrap_or(60),
            ..NewAlertRule::new(instrument_id, rule_type)
        };
        new.shape().kind()?;
        Ok(RuleCandidate {
            old_id: row.id,
            new,
            last_triggered: old!(row, last_triggered).stamp()?,
            stamps: self.stamps(
                old!(row, created_at).stamp()?,
                old!(row, updated_at).stamp()?,
            ),
        })
    }
}

/// Adds the rules that are not here yet; returns what they are, those of deleted instruments left
/// out.
fn place(
    conn: &mut BackendConnection<'_>,
    ids: &mut AdoptedIds,
    candidates: &[RuleCandidate],
) -> Result<BTreeMap<i64, (i64, bool)>> {
    let of = candidates.iter().map(|one| one.new.instrument_id);
    let active = instrument::lock_active(conn, &of.collect::<BTreeSet<i64>>())?;
    let mut placed = BTreeMap::new();
    for one in candidates {
        if let Some(id) = ids.rules.get(&one.old_id) {
            placed.insert(one.old_id, (*id, false));
        } else if active.contains(&one.new.instrument_id) {
            let (new, last) = (&one.new, one.last_triggered);
            let id = adoption::insert_rule(conn, one.old_id, new, last, one.stamps)?;
            ids.rules.insert(one.old_id, id);
            placed.insert(one.old_id, (id, true));
        }
    }
    Ok(placed)
}

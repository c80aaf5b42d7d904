//! The history of alerts. An alert keeps its number where that is free; that it is here is told by
//! its data source and its old number, which is its `sequence`.

use std::sync::Arc;

use super::convert::old;
use super::reject_file::Rejection;
use super::report::{RowTotals, TableReport};
use super::run::AdoptionRun;
use super::steps::AdoptionSteps;
use crate::domain::{DeliveryStatus, FiredStatus};
use crate::error::Result;
use crate::models::NewAlertLog;
use crate::repository::adoption::{self, AlertRecord};
use crate::repository::tradeassist::OldAlert;

impl<S: AdoptionSteps> AdoptionRun<'_, S> {
    pub(super) fn alerts(&mut self) -> Result<()> {
        for table in self.old.tables_of::<OldAlert>() {
            self.old_totals::<OldAlert>(&table, "alerts", |_, _| "all".to_owned())?;
        }
        let here: Vec<i64> = self.ids.rules.values().copied().collect();
        let gone = self.steps.write("adopt.rules_here", 1, move |conn| {
            let mut gone = Vec::new();
            for id in &here {
                if !adoption::has_rule(conn, *id)? {
                    gone.push(*id);
                }
            }
            Ok(gone)
        })?;
        self.each_page(|run, table, page| run.alert_page(table, page, &gone))
    }

    fn alert_page(
        &mut self,
        table: &mut TableReport,
        page: Vec<OldAlert>,
        gone_rules: &[i64],
    ) -> Result<()> {
        let (mut rows, mut alerts) = (Vec::new(), Vec::new());
        for row in page {
            match self.alert(&row, gone_rules) {
                Ok(alert) => {
                    alerts.push((row.id, alert));
                    rows.push(row);
                }
                Err(rejection) => {
                    self.groups.of("alerts", "all").rejected.add(sums(&row));
                    self.reject(table, &row, &rejection)?;
                }
            }
        }
        let alerts = Arc::new(alerts);
        let stored = Arc::clone(&alerts);
        let mut brought = self.steps.write("adopt.alerts", rows.len(), move |conn| {
            adoption::insert_alerts(conn, &stored)
        })?;
        for (row, (_, alert)) in rows.iter().zip(alerts.iter()) {
            let group = self.groups.of("alerts", "all");
            match brought.remove(&alert.key()) {
                Some(id) => {
                    group.brought.add(sums(row));
                    table.brought += 1;
                    self.moved(&table.table, row.id, id);
                }
                None => {
                    group.present.add(sums(row));
                    table.present += 1;
                }
            }
        }
        Ok(())
    }

    fn alert(
        &self,
        row: &OldAlert,
        gone_rules: &[i64],
    ) -> std::result::Result<AlertRecord, Rejection> {
        let rule: Option<i64> = old!(row, rule_id).whole()?;
        let here = rule.and_then(|old| self.ids.rules.get(&old));
        let here = here.filter(|id| !gone_rules.contains(id));
        let rule_id = *here.ok_or_else(|| Rejection::orphan("rule", rule))?;
        let instrument: Option<i64> = old!(row, instrument_id).whole()?;
        let here = instrument.and_then(|old| self.ids.instruments.get(&old));
        let instrument_id = *here.ok_or_else(|| Rejection::orphan("instrument", instrument))?;
        let value = old!(row, trigger_value);
        let stamp = old!(row, timestamp);
        let millis: Option<i64> = old!(row, evaluation_time_ms).whole()?;
        let fired_status: FiredStatus = old!(row, fired_status).word()?;
        let delivery_status: DeliveryStatus = old!(row, delivery_status).word()?;
        let timestamp = stamp.required(stamp.stamp()?)?;
        let alert = NewAlertLog {
            timestamp,
            source_id: self.source_id,
            sequence: row.id,
            rule_id,
            instrument_id,
            trigger_value: value.required(value.number()?)?,
            threshold_value: old!(row, threshold_value).number()?,
            fired_status,
            delivery_status,
            evaluation_time_us: millis.unwrap_or(0).saturating_mul(1_000),
            rule_condition: old!(row, rule_condition)
                .text()
                .unwrap_or_default()
                .to_lowercase(),
            alert_message: old!(row, alert_message).text().unwrap_or_default(),
            error_message: old!(row, error_message).text(),
        };
        alert.check()?;
        Ok(AlertRecord {
            alert,
            // TradeAssist leaves alerts pending that it has shown. Without a first attempt they
            // would be queued here, and years of them sent to every channel.
            delivery_attempted_at: old!(row, delivery_attempted_at)
                .stamp()?
                .or(Some(timestamp)),
            delivery_completed_at: old!(row, delivery_completed_at).stamp()?,
            deleted_at: old!(row, deleted_at).stamp()?,
        })
    }
}

fn sums(row: &OldAlert) -> RowTotals {
    RowTotals::one(
        old!(row, trigger_value).counted(),
        old!(row, threshold_value).counted(),
    )
}

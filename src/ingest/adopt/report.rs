//! The report of an adoption: what became of the rows of each table, and whether counts and sums of
//! both sides agree.

use std::collections::BTreeMap;

use serde::Serialize;

/// The report of an adoption.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AdoptReport {
    /// Which schema the old file has.
    pub schema: String,
    /// The data source of the adopted ticks and alerts.
    pub source: String,
    /// True when everything was undone.
    pub dry_run: bool,
    /// What became of the rows, by table of the old file.
    pub tables: Vec<TableReport>,
    /// Counts and sums of ticks by instrument, of bars by frequency, and of alerts.
    pub groups: Vec<AdoptedGroup>,
    /// Rows that were not brought over, by reason.
    pub rejected: Vec<RejectedRowCount>,
    /// The file that has those rows.
    pub rejects_file: Option<String>,
    /// Rows that have another number here.
    pub moved: Vec<MovedId>,
    /// Instruments that were added for the symbols of bars, with the type that they were given.
    pub added_for_bars: Vec<String>,
    /// Tables of the old file that are not brought over: they are not of TradeAssist's service, or
    /// tickbase has no place for them.
    pub tables_left_out: Vec<String>,
    /// Instruments whose last tick lies in the future, with its moment: the price alone is kept.
    pub future_last_ticks: Vec<String>,
}

/// What became of the rows of a table: `read = brought + present + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The table of the old file.
    pub table: String,
    /// Its rows.
    pub read: u64,
    /// Rows that were brought over now.
    pub brought: u64,
    /// Rows that were here before.
    pub present: u64,
    /// Rows that break a rule.
    pub rejected: u64,
}

/// Rows of a table that were not brought over for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RejectedRowCount {
    /// The table.
    pub table: String,
    /// The column whose value breaks a rule, or what the row lacks.
    pub reason: String,
    /// How many rows there are.
    pub rows: u64,
    /// The first of them, with the reason in full.
    pub example: String,
}

/// A row that has another number here than it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MovedId {
    /// The table of the old file.
    pub table: String,
    /// Its number there.
    pub old: i64,
    /// Its number here.
    pub new: i64,
}

/// Count of some rows, and the sums of two of their columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RowTotals {
    /// Rows.
    pub rows: i64,
    /// Sum of their price, close or value.
    pub first: f64,
    /// Sum of their volume or threshold.
    pub second: f64,
}

impl RowTotals {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.first += other.first;
        self.second += other.second;
    }

    pub(super) const fn one(first: f64, second: f64) -> Self {
        Self {
            rows: 1,
            first,
            second,
        }
    }

    /// Whether counts are equal, and sums as equal as they are in whatever order they are added.
    fn agrees(&self, other: &Self) -> bool {
        self.rows == other.rows
            && near(self.first, other.first, self.rows)
            && near(self.second, other.second, self.rows)
    }
}

/// Each addition may be wrong by half of the last bit of the sum.
fn near(one: f64, other: f64, rows: i64) -> bool {
    let size = one.abs().max(other.abs()).max(1.0);
    (one - other).abs() <= size * f64::EPSILON * (rows.max(1) as f64 + 16.0)
}

/// Rows with one owner on both sides. What the old file adds up itself is what was brought over,
/// present and rejected; what the database here adds up has grown by what was brought over.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AdoptedGroup {
    /// `ticks`, `bars` or `alerts`.
    pub kind: String,
    /// The instrument or frequency.
    pub group: String,
    /// All of the old file, as it adds them up.
    pub old: RowTotals,
    /// Brought over now.
    pub brought: RowTotals,
    /// Here before.
    pub present: RowTotals,
    /// Not brought over.
    pub rejected: RowTotals,
    /// The database here before, as it adds them up.
    pub before: RowTotals,
    /// The database here afterwards.
    pub after: RowTotals,
    /// Whether both sides agree.
    pub agrees: bool,
}

impl AdoptedGroup {
    fn verify(&mut self) {
        let mut parts = self.brought;
        parts.add(self.present);
        parts.add(self.rejected);
        let mut grown = self.before;
        grown.add(self.brought);
        self.agrees = self.old.agrees(&parts) && self.after.agrees(&grown);
    }
}

/// The groups while they are counted.
#[derive(Debug, Default)]
pub(super) struct AdoptedGroups(BTreeMap<(&'static str, String), AdoptedGroup>);

impl AdoptedGroups {
    /// The group of a kind and a name.
    pub(super) fn of(&mut self, kind: &'static str, group: &str) -> &mut AdoptedGroup {
        let key = (kind, group.to_owned());
        self.0.entry(key).or_insert_with(|| AdoptedGroup {
            kind: kind.to_owned(),
            group: group.to_owned(),
            ..AdoptedGroup::default()
        })
    }

    /// Those with rows of the old file, verified.
    pub(super) fn verified(self) -> Vec<AdoptedGroup> {
        let mut groups: Vec<AdoptedGroup> = self.0.into_values().collect();
        groups.iter_mut().for_each(AdoptedGroup::verify);
        groups.retain(|group| group.old.rows > 0 || !group.agrees);
        groups
    }
}

impl AdoptReport {
    /// Whether counts and sums of both sides agree, and every row is accounted for.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let whole =
            |table: &TableReport| table.read == table.brought + table.present + table.rejected;
        self.groups.iter().all(|group| group.agrees) && self.tables.iter().all(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(old: RowTotals, brought: RowTotals, after: RowTotals) -> bool {
        let mut group = AdoptedGroup {
            old,
            brought,
            present: RowTotals::one(2.0, 3.0),
            rejected: RowTotals::one(0.5, 0.0),
            before: RowTotals::one(2.0, 3.0),
            after,
            ..AdoptedGroup::default()
        };
        group.verify();
        group.agrees
    }

    fn totals(rows: i64, first: f64, second: f64) -> RowTotals {
        RowTotals {
            rows,
            first,
            second,
        }
    }

    #[test]
    fn a_row_or_a_cent_too_few_is_seen() {
        let brought = totals(2, 0.1 + 0.2, 7.0);
        let old = totals(4, 2.8, 10.0);
        let after = totals(3, 2.3, 10.0);
        assert!(group(old, brought, after), "0.1 + 0.2 is not 0.3");
        assert!(!group(totals(5, 2.8, 10.0), brought, after));
        assert!(!group(totals(4, 2.81, 10.0), brought, after));
        assert!(!group(old, brought, totals(2, 2.3, 10.0)));
        assert!(!group(old, brought, totals(3, 2.3, 9.0)));
    }
}

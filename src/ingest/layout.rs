//! Maps the columns of a feed to fields: by the names of its header or its keys, and by the user's
//! map, which wins.

use super::columns::{ColumnMap, ColumnSelector};
use super::field::{Field, NameMeaning, RANK_OF_DOUBTFUL_STAMPS};

/// The set of names that a feed uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum NameRules {
    /// The names of vendors' files: an unknown one is not used.
    #[default]
    OfFiles,
    /// The names of this program: an unknown one is refused.
    OfPosts,
}

/// The field of each column, by position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) fields: Vec<Option<Field>>,
    names: Vec<String>,
}

impl Layout {
    /// By the names of a header, and the user's map.
    pub(super) fn of_names(
        names: Vec<String>,
        map: &ColumnMap,
        rules: NameRules,
    ) -> Result<Self, String> {
        let mut layout = Self {
            fields: vec![None; names.len()],
            names,
        };
        layout.place(map, true)?;
        let meanings: Vec<_> = layout
            .names
            .iter()
            .map(|name| NameMeaning::of(name))
            .collect();
        if rules == NameRules::OfPosts {
            layout.refuse_names_of_no_tick(&meanings)?;
        }
        for field in Field::ALL {
            let allowed = match field {
                // Vendors number instruments and sources otherwise than this database does.
                Field::InstrumentId | Field::Source | Field::SourceId => {
                    rules == NameRules::OfPosts
                }
                _ => true,
            };
            if allowed && map.get(field).is_none() {
                layout.choose(field, &meanings)?;
            }
        }
        layout.settle_stamp(map, &meanings);
        Ok(layout)
    }

    /// Maps a file without a header: by positions only.
    pub(super) fn of_positions(columns: usize, map: &ColumnMap) -> Result<Self, String> {
        let mut layout = Self {
            fields: vec![None; columns],
            names: vec![String::new(); columns],
        };
        layout.place(map, false)?;
        Ok(layout)
    }

    /// Places the fields that the user maps.
    fn place(&mut self, map: &ColumnMap, by_name: bool) -> Result<(), String> {
        for (field, column) in map.iter() {
            let index = match column {
                ColumnSelector::Absent => continue,
                ColumnSelector::Position(position) => *position - 1,
                ColumnSelector::Name(name) if by_name => self.position_of(name)?,
                ColumnSelector::Name(name) => {
                    return Err(format!(
                        "there is no header to find {name:?} in: map by position, like \
                         timestamp=1,price=2"
                    ));
                }
            };
            let count = self.fields.len();
            let place = self
                .fields
                .get_mut(index)
                .ok_or_else(|| format!("there is no column {}: the file has {count}", index + 1))?;
            if let Some(taken) = place.replace(field) {
                let (taken, field) = (taken.as_str(), field.as_str());
                return Err(format!(
                    "column {} is mapped to {taken} and {field}",
                    index + 1
                ));
            }
        }
        Ok(())
    }

    fn position_of(&self, name: &str) -> Result<usize, String> {
        let exact: Vec<usize> = self.positions(|other| other == name);
        let found = if exact.is_empty() {
            self.positions(|other| other.eq_ignore_ascii_case(name))
        } else {
            exact
        };
        match found.as_slice() {
            [] => Err(format!(
                "there is no column {name:?}: the file has {}",
                self.names.join(", ")
            )),
            [one] => Ok(*one),
            [first, second, ..] => Err(self.named_twice(*first, *second)),
        }
    }

    fn positions(&self, is: impl Fn(&str) -> bool) -> Vec<usize> {
        let named = self.names.iter().enumerate().filter(|(_, name)| is(name));
        named.map(|(index, _)| index).collect()
    }

    fn named_twice(&self, first: usize, second: usize) -> String {
        format!(
            "the header names {:?} twice (columns {} and {}): map by position",
            self.names[second],
            first + 1,
            second + 1
        )
    }

    fn refuse_names_of_no_tick(&self, meanings: &[Option<NameMeaning>]) -> Result<(), String> {
        for (index, name) in self.names.iter().enumerate() {
            let meaning = meanings[index].filter(|meaning| meaning.is_of_posts());
            let meaning =
                meaning.ok_or_else(|| format!("the header names {name:?}, which no tick has"))?;
            let before = meanings.iter().take(index).flatten();
            if before.into_iter().any(|other| other.field == meaning.field) {
                let field = meaning.field.as_str();
                return Err(format!(
                    "the header names {name:?} twice: it gives the {field} again"
                ));
            }
        }
        Ok(())
    }

    /// Gives a field the column whose name comes first in its preferences.
    fn choose(&mut self, field: Field, meanings: &[Option<NameMeaning>]) -> Result<(), String> {
        let mut candidates: Vec<(usize, usize, usize)> = meanings
            .iter()
            .enumerate()
            .filter(|(index, _)| self.fields[*index].is_none())
            .filter_map(|(index, meaning)| meaning.map(|meaning| (index, meaning)))
            .filter(|(_, meaning)| meaning.field == field)
            .map(|(index, meaning)| (meaning.rank, meaning.order, index))
            .collect();
        candidates.sort_unstable();
        if let [
            (rank, order, first),
            (second_rank, second_order, second),
            ..,
        ] = candidates[..]
        {
            let (a, b) = (&self.names[first], &self.names[second]);
            if (rank, order) == (second_rank, second_order) && a.eq_ignore_ascii_case(b) {
                return Err(self.named_twice(first, second));
            }
            // A trade's size and the volume of its day stand side by side in some feeds.
            if field == Field::Volume && (rank, second_rank) == (0, 0) {
                return Err(format!(
                    "columns {a:?} and {b:?} can both be the volume: choose with --columns"
                ));
            }
        }
        if let Some((.., index)) = candidates.first() {
            self.fields[*index] = Some(field);
        }
        Ok(())
    }

    /// One column, or a date and a time, make the moment; not both.
    fn settle_stamp(&mut self, map: &ColumnMap, meanings: &[Option<NameMeaning>]) {
        let by_user = |field| {
            map.get(field)
                .is_some_and(|column| *column != ColumnSelector::Absent)
        };
        let Some(stamp) = self.column_of(Field::Timestamp) else {
            return;
        };
        let parts = self.has(Field::Date) || self.has(Field::Time);
        let doubtful =
            meanings[stamp].is_some_and(|meaning| meaning.rank >= RANK_OF_DOUBTFUL_STAMPS);
        let parts_win = parts
            && !by_user(Field::Timestamp)
            && (doubtful || by_user(Field::Date) || by_user(Field::Time));
        let dropped: &[Field] = if parts_win {
            &[Field::Timestamp]
        } else {
            &[Field::Date, Field::Time]
        };
        for field in dropped {
            self.drop(*field);
        }
    }

    /// Leaves a field out: its column is not used.
    pub(super) fn drop(&mut self, field: Field) {
        if let Some(index) = self.column_of(field) {
            self.fields[index] = None;
        }
    }

    /// Gives a column to a field, if neither has the other yet.
    pub(super) fn assign(&mut self, index: usize, field: Field) {
        if let Some(place) = self.fields.get_mut(index) {
            *place = Some(field);
        }
    }

    /// Adds a column that came later, as a key of a later object does.
    pub(super) fn add(&mut self, name: &str, field: Option<Field>) {
        self.names.push(name.to_owned());
        self.fields.push(field);
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.fields.contains(&Some(field))
    }

    /// The position of a field's column, from 0.
    pub(super) fn column_of(&self, field: Field) -> Option<usize> {
        self.fields.iter().position(|other| *other == Some(field))
    }

    /// The column that counts changes of the price, beside one of volume.
    pub(super) fn tick_volume(&self) -> Option<usize> {
        let is = |name: &String| {
            let name = name.trim_matches(['<', '>']);
            ["TICKVOL", "TICK_VOLUME"]
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
        };
        let index = self.names.iter().position(is)?;
        (self.has(Field::Volume) && self.fields[index].is_none()).then_some(index)
    }

    /// The name of a column; its position where it has none.
    pub(super) fn name(&self, index: usize) -> String {
        match self.names.get(index) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("column {}", index + 1),
        }
    }

    /// The fields with the names of their columns, in the order of [`Field::ALL`].
    pub(super) fn used(&self) -> Vec<(Field, String)> {
        let used = Field::ALL
            .into_iter()
            .filter_map(|field| Some((field, self.column_of(field)?)));
        used.map(|(field, index)| (field, self.name(index)))
            .collect()
    }

    /// The names of the columns that are no field.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.is_none());
        unused.map(|(index, _)| self.name(index)).collect()
    }

    /// True when the columns are those of bars: open, high, low and close, or a price that is the
    /// close because nothing else of a trade or quote stands beside it.
    pub(super) fn is_of_bars(&self) -> bool {
        let range = [Field::Open, Field::High, Field::Low];
        let close = self.has(Field::Close)
            || (self.has(Field::Price)
                && ![Field::Sequence, Field::Bid, Field::Ask]
                    .into_iter()
                    .any(|field| self.has(field)));
        range.into_iter().all(|field| self.has(field)) && close
    }

    /// Takes the price for the close, where bars have no other.
    pub(super) fn close_is_price(&mut self) {
        if !self.has(Field::Close)
            && let Some(index) = self.column_of(Field::Price)
        {
            self.assign(index, Field::Close);
        }
    }

    /// Why rows of these columns cannot be ticks.
    pub(super) fn check_ticks(&self) -> Result<(), String> {
        const VALUES: [Field; 10] = [
            Field::Price,
            Field::Volume,
            Field::Bid,
            Field::Ask,
            Field::BidSize,
            Field::AskSize,
            Field::Open,
            Field::High,
            Field::Low,
            Field::Close,
        ];
        self.check_stamp()?;
        if VALUES.into_iter().any(|field| self.has(field)) {
            return Ok(());
        }
        Err("there is no column of a price, volume, bid or ask".to_owned())
    }

    /// Why rows of these columns cannot be bars.
    pub(super) fn check_bars(&self) -> Result<(), String> {
        self.check_stamp()?;
        for field in [Field::Open, Field::High, Field::Low, Field::Close] {
            let instead = field == Field::Close && self.has(Field::Price);
            if !self.has(field) && !instead {
                return Err(format!(
                    "there is no {} column, bars need one",
                    field.as_str()
                ));
            }
        }
        Ok(())
    }

    /// Why there is no moment.
    pub(super) fn check_stamp(&self) -> Result<(), String> {
        if [Field::Timestamp, Field::Date, Field::Time]
            .into_iter()
            .any(|field| self.has(field))
        {
            return Ok(());
        }
        Err("there is no timestamp column (timestamp, datetime, date or time)".to_owned())
    }
}

#[cfg(test)]
mod tests;

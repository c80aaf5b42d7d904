//! Which column of a feed is which field: by the names of its header or its keys, and by the map
//! of the user, which wins.

use super::columns::{Column, ColumnMap};
use super::field::{Field, NameMeaning, RANK_OF_DOUBTFUL_STAMPS};

/// Whose names a feed uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum NameRules {
    /// Those of a vendor's file: what is not understood is not used.
    #[default]
    OfFiles,
    /// Those of this program: a name that no tick has is refused.
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

    /// Of a file without a header: positions only.
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
                Column::Absent => continue,
                Column::Position(position) => *position - 1,
                Column::Name(name) if by_name => self.position_of(name)?,
                Column::Name(name) => {
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
                .is_some_and(|column| *column != Column::Absent)
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

    /// Whether the columns are those of bars: open, high, low and close, or a price that is the
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn layout(header: &str, map: &str) -> Result<Layout, String> {
        let map = if map.is_empty() {
            ColumnMap::default()
        } else {
            map.parse().unwrap()
        };
        Layout::of_names(names(header), &map, NameRules::OfFiles)
    }

    fn used(header: &str, map: &str) -> String {
        let used = layout(header, map).unwrap().used();
        let pairs = used
            .iter()
            .map(|(field, name)| format!("{}={name}", field.as_str()));
        pairs.collect::<Vec<_>>().join(",")
    }

    #[test]
    fn names_are_fields_by_preference() {
        for (header, expected) in [
            (
                "DateTime,Price,Volume",
                "timestamp=DateTime,price=Price,volume=Volume",
            ),
            ("time,last,price", "time=time,price=price"),
            (
                "timestamp,date,time,close",
                "timestamp=timestamp,close=close",
            ),
            ("local_timestamp,time,price", "time=time,price=price"),
            (
                "timestamp,local_timestamp,price,amount",
                "timestamp=timestamp,price=price,volume=amount",
            ),
            (
                "local_timestamp,price",
                "timestamp=local_timestamp,price=price",
            ),
            (
                "date,close,Volume USDT,Volume BTC",
                "date=date,volume=Volume USDT,close=close",
            ),
            ("date,close,amount,vol", "date=date,volume=vol,close=close"),
            (
                "<DATE>,<TIME>,<TICKVOL>,<VOL>",
                "date=<DATE>,time=<TIME>,volume=<VOL>",
            ),
            ("time,price,day_volume", "time=time,price=price"),
            (
                "id,sequence_number,sip_timestamp,price",
                "timestamp=sip_timestamp,sequence=sequence_number,price=price",
            ),
            (
                "ts_recv,ts_event,instrument_id,symbol,price",
                "symbol=symbol,timestamp=ts_event,price=price",
            ),
            (
                "unix,date,symbol,close",
                "symbol=symbol,timestamp=unix,close=close",
            ),
        ] {
            assert_eq!(used(header, ""), expected, "{header}");
        }
    }

    #[test]
    fn a_map_adds_to_the_header_and_leaves_out_what_it_says() {
        for (map, expected) in [
            (
                "timestamp=When,volume=n",
                "timestamp=When,price=Price,volume=n,high=High",
            ),
            ("timestamp=1,high=", "timestamp=When,price=Price"),
            ("timestamp=When,price=high", "timestamp=When,price=High"),
        ] {
            assert_eq!(used("When,Price,High,n", map), expected, "{map}");
        }
        let layout = layout("When,Price,High,n", "timestamp=When,high=").unwrap();
        assert_eq!(layout.unused(), ["High", "n"]);
    }

    #[test]
    fn what_cannot_be_mapped_is_refused_by_name() {
        for (header, map, why) in [
            (
                "a,b",
                "timestamp=When",
                "no column \"When\": the file has a, b",
            ),
            ("a,b", "timestamp=3", "no column 3: the file has 2"),
            (
                "a,b",
                "timestamp=1,price=a",
                "column 1 is mapped to timestamp and price",
            ),
            (
                "Time,Price,price",
                "",
                "names \"price\" twice (columns 2 and 3)",
            ),
            ("Time,x,x", "price=x", "names \"x\" twice (columns 2 and 3)"),
            ("Time,Price,Size,Volume", "", "can both be the volume"),
        ] {
            let error = layout(header, map).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let map = "timestamp=When".parse().unwrap();
        let error = Layout::of_positions(2, &map).unwrap_err();
        assert!(error.contains("no header"), "{error}");
        assert!(
            layout("x,x,y", "timestamp=1,price=3").is_ok(),
            "nobody asks for x"
        );
    }

    #[test]
    fn posted_names_are_those_of_ticks_alone() {
        let posted = |header: &str| {
            Layout::of_names(names(header), &ColumnMap::default(), NameRules::OfPosts)
        };
        let layout = posted("instrument_id,Symbol,source_id,ts,Price").unwrap();
        assert!(layout.has(Field::InstrumentId) && layout.has(Field::SourceId));
        for (header, why) in [
            ("symbol,prise", "\"prise\", which no tick has"),
            ("symbol,ts_event", "\"ts_event\", which no tick has"),
            ("symbol,price,Price", "names \"Price\" twice"),
        ] {
            let error = posted(header).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn open_high_low_and_close_are_bars() {
        let is = |header| layout(header, "").unwrap().is_of_bars();
        assert!(is("date,open,high,low,close"));
        assert!(
            is("date,price,open,high,low,vol."),
            "the price is the close"
        );
        assert!(
            !is("timestamp,sequence,price,bid,ask,open,high,low"),
            "ticks as they are exported"
        );
        assert!(!is("date,price,high,low"));
    }

    proptest! {
        #[test]
        fn arbitrary_maps_and_headers_never_panic(map: String, header: String) {
            let map: ColumnMap = map.parse().unwrap_or_default();
            for rules in [NameRules::OfFiles, NameRules::OfPosts] {
                let _ = Layout::of_names(names(&header), &map, rules);
            }
            let _ = Layout::of_positions(3, &map);
        }

        #[test]
        fn the_order_of_columns_does_not_matter(order in Just(vec![
            "exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount",
        ]).prop_shuffle()) {
            let expected = used("exchange,symbol,timestamp,local_timestamp,id,side,price,amount", "");
            prop_assert_eq!(used(&order.join(","), ""), expected);
        }
    }
}

//! The fields of a feed, and the column names that vendors give them.

use crate::ingest::field::Field::{
    Ask, AskSize, Bid, BidSize, Close, CloseTime, Date, High, InstrumentId, Low, Open,
    OpenInterest, Price, Sequence, Source, SourceId, Symbol, Time, Timestamp, Volume,
};

/// A field that a feed can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The symbol of the row's instrument.
    Symbol,
    /// The id of the row's instrument in this database.
    InstrumentId,
    /// The name of the row's data source.
    Source,
    /// The id of the row's data source in this database.
    SourceId,
    /// The moment, whole.
    Timestamp,
    /// The date of the moment, joined with `Time`.
    Date,
    /// The time of day of the moment, joined with `Date`; alone it is the whole moment.
    Time,
    /// The feed's own trade id or sequence.
    Sequence,
    /// Price of a trade.
    Price,
    /// Volume or size.
    Volume,
    /// Best bid.
    Bid,
    /// Best ask.
    Ask,
    /// Size at the bid.
    BidSize,
    /// Size at the ask.
    AskSize,
    /// Open of a period.
    Open,
    /// High of a period.
    High,
    /// Low of a period.
    Low,
    /// Close of a period; the price of a tick that has no other.
    Close,
    /// Open interest.
    OpenInterest,
    /// The moment at which a bar's period ends, beside the one at which it starts.
    CloseTime,
}

/// The number of fields.
pub(super) const FIELDS: usize = Field::ALL.len();

/// Column names, in lower case and without separators, with the fields that they mean. Of several
/// columns that can be one field, the one whose name stands first here is taken. The first line of
/// each field has the names that posted bodies may use, too; the others are those of files.
const NAMES: &[(Field, &[&[&str]])] = &[
    (
        Symbol,
        &[
            &["symbol"],
            &["ticker"],
            &[
                "actsymbol",
                "productid",
                "pair",
                "instrument",
                "instrumentname",
            ],
            &["code", "name"],
        ],
    ),
    (InstrumentId, &[&["instrumentid"]]),
    (Source, &[&["source"]]),
    (SourceId, &[&["sourceid"]]),
    (
        // The moment of the trade at its exchange comes before the moments of those who pass it on.
        Timestamp,
        &[
            &["timestamp", "datetime", "ts"],
            &[
                "tsevent",
                "siptimestamp",
                "transacttime",
                "opentime",
                "windowstart",
                "gmttime",
            ],
            &[
                "participanttimestamp",
                "tradetime",
                "eventtime",
                "exchangetimestamp",
                "starttime",
                "begin",
            ],
            &[
                "unixtimestamp",
                "unixtime",
                "unix",
                "epoch",
                "timestamputc",
                "timeutc",
                "utctime",
                "dateutc",
            ],
            &[
                "timestampms",
                "timestampus",
                "timestampns",
                "dt",
                "localtime",
            ],
            &["tsrecv", "trftimestamp", "localtimestamp"],
        ],
    ),
    (
        Date,
        &[
            &["date"],
            &["tradedate", "tradingdate", "businessdate", "day"],
        ],
    ),
    (Time, &[&["time"], &["timeofday"]]),
    (
        Sequence,
        &[
            &["sequence", "seq", "tradeid"],
            &["sequencenumber", "seqnum"],
            &["aggtradeid", "aggregatetradeid", "id"],
        ],
    ),
    (Price, &[&["price", "tradeprice"], &["last", "lastprice"]]),
    (
        // `amount` is the size of a trade where there is no other; beside `vol` it is money.
        Volume,
        &[
            &["volume", "vol", "size", "qty", "quantity"],
            &[
                "tradesize",
                "tradevolume",
                "lastsize",
                "lastqty",
                "basevolume",
                "volumefrom",
                "realvolume",
            ],
            &["amount"],
            &["tickvol", "tickvolume"],
        ],
    ),
    (
        Bid,
        &[
            &["bid", "bidprice"],
            &["bestbid", "bestbidprice", "bidpx00"],
        ],
    ),
    (
        Ask,
        &[
            &["ask", "askprice"],
            &["bestask", "bestaskprice", "askpx00", "offer", "offerprice"],
        ],
    ),
    (
        BidSize,
        &[
            &["bidsize", "bidvolume", "bidqty"],
            &[
                "bidamount",
                "bidquantity",
                "bestbidsize",
                "bestbidqty",
                "bidsz00",
            ],
        ],
    ),
    (
        AskSize,
        &[
            &["asksize", "askvolume", "askqty"],
            &[
                "askamount",
                "askquantity",
                "bestasksize",
                "bestaskqty",
                "asksz00",
                "offersize",
            ],
        ],
    ),
    (Open, &[&["open", "openprice"]]),
    (High, &[&["high", "highprice"]]),
    (Low, &[&["low", "lowprice"]]),
    (Close, &[&["close", "closeprice"], &["closelast"]]),
    (OpenInterest, &[&["openinterest"], &["openint"]]),
    (CloseTime, &[&[], &["closetime"]]),
];

/// The field that a column's name means, and the rank of the name among those of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameMeaning {
    pub(super) field: Field,
    /// The line of its names in [`NAMES`]: 0 for those that posted bodies may use.
    pub(super) rank: usize,
    /// The place of the name on that line.
    pub(super) order: usize,
}

/// The rank of a volume that its column's name gives a unit, like `Volume BTC`.
const RANK_OF_UNITS: usize = 2;
/// The rank from which names of a stamp are no better than a date or a time.
pub(super) const RANK_OF_DOUBTFUL_STAMPS: usize = 4;

impl Field {
    /// Every field.
    pub const ALL: [Self; 20] = [
        Symbol,
        InstrumentId,
        Source,
        SourceId,
        Timestamp,
        Date,
        Time,
        Sequence,
        Price,
        Volume,
        Bid,
        Ask,
        BidSize,
        AskSize,
        Open,
        High,
        Low,
        Close,
        OpenInterest,
        CloseTime,
    ];

    /// The name in `--columns`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Symbol => "symbol",
            InstrumentId => "instrument_id",
            Source => "source",
            SourceId => "source_id",
            Timestamp => "timestamp",
            Date => "date",
            Time => "time",
            Sequence => "sequence",
            Price => "price",
            Volume => "volume",
            Bid => "bid",
            Ask => "ask",
            BidSize => "bid_size",
            AskSize => "ask_size",
            Open => "open",
            High => "high",
            Low => "low",
            Close => "close",
            OpenInterest => "open_interest",
            CloseTime => "close_time",
        }
    }

    /// The field that a column's name means, whatever its case and separators.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        NameMeaning::of(name).map(|meaning| meaning.field)
    }
}

impl NameMeaning {
    /// True when posted ticks may use the name.
    pub(super) const fn is_of_posts(self) -> bool {
        self.rank == 0 && !matches!(self.field, Source | OpenInterest)
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, ' ' | '_' | '-' | '.' | '/' | '<' | '>' | '(' | ')'))
            .flat_map(char::to_lowercase)
            .collect();
        for (field, ranks) in NAMES {
            for (rank, names) in ranks.iter().enumerate() {
                if let Some(order) = names.iter().position(|name| *name == plain) {
                    return Some(Self {
                        field: *field,
                        rank,
                        order,
                    });
                }
            }
        }
        has_unit(name).then_some(Self {
            field: Volume,
            rank: RANK_OF_UNITS,
            order: 1,
        })
    }
}

/// True when a name is a volume with the symbol of a currency: `Volume BTC`, `Volume_(USD)`.
fn has_unit(name: &str) -> bool {
    let mut words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let volume = words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("volume"));
    let unit = words.next().is_some_and(|word| {
        // Averages, notional values and counts are written in small letters.
        (2..=6).contains(&word.len())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && !matches!(word, "MA" | "EMA" | "SMA" | "AVG" | "WAP" | "24H")
    });
    volume && unit && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_name_means_one_field_and_every_field_its_own_name() {
        let mut seen = std::collections::HashSet::new();
        for name in NAMES
            .iter()
            .flat_map(|(_, ranks)| ranks.iter().copied().flatten())
        {
            assert!(seen.insert(*name), "{name}");
        }
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, index);
            let meaning = NameMeaning::of(field.as_str()).unwrap();
            // Posted ticks have no close time.
            let rank = usize::from(field == CloseTime);
            assert_eq!((meaning.field, meaning.rank), (field, rank), "{field:?}");
        }
    }

    #[test]
    fn names_of_vendors_are_understood() {
        for (name, field) in [
            ("DateTime", Timestamp),
            ("Gmt time", Timestamp),
            ("open_time", Timestamp),
            ("window_start", Timestamp),
            ("ts_event", Timestamp),
            ("<DATE>", Date),
            ("<TIME>", Time),
            ("Vol.", Volume),
            ("<TICKVOL>", Volume),
            ("Volume BTC", Volume),
            ("Volume_(BTC)", Volume),
            ("amount", Volume),
            ("agg_trade_id", Sequence),
            ("Close/Last", Close),
            ("bid_px_00", Bid),
            ("Close time", CloseTime),
        ] {
            assert_eq!(Field::of_name(name), Some(field), "{name}");
        }
        for name in [
            "day_volume",
            "Adj Close",
            "quote_volume",
            "Volume MA",
            "volume_change",
            "volume 24h USD x",
            "side",
            "",
        ] {
            assert_eq!(Field::of_name(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_names_never_panic(name: String) {
            let _ = Field::of_name(&name);
        }
    }
}

//! The table of presets: what each vendor writes, and where the vendor says so.
//!
//! A vendor's trade id becomes the sequence only where the vendor promises that it is unique for
//! one instrument; else trades of one stamp are numbered as they stand in the file.

use super::ColumnAt::{Name, Nowhere, Position};
use super::Field::{
    Ask, AskSize, Bid, BidSize, Close, CloseTime, Date, High, Low, Open, Price, Sequence, Symbol,
    Time, Timestamp, Volume,
};
use super::{
    ColumnAt, DateOrder, Field, Frequency, ImportKind, Preset, PresetHeader, PresetZone, PriceForm,
};

type PresetColumns = &'static [(Field, ColumnAt)];

const fn ticks(
    name: &'static str,
    about: &'static str,
    source: &'static str,
    columns: PresetColumns,
) -> Preset {
    Preset {
        name,
        about,
        source,
        kind: ImportKind::Ticks,
        frequency: None,
        delimiter: None,
        header: PresetHeader::Always,
        columns,
        date_order: None,
        zone: PresetZone::Utc,
        prices: PriceForm::Plain,
    }
}

const fn bars(
    name: &'static str,
    about: &'static str,
    source: &'static str,
    columns: PresetColumns,
) -> Preset {
    Preset {
        kind: ImportKind::Bars,
        ..ticks(name, about, source, columns)
    }
}

const BINANCE: &str = "https://github.com/binance/binance-public-data";
const DATABENTO: &str = "https://databento.com/docs/schemas-and-data-formats";
const HISTDATA: &str = "https://www.histdata.com/f-a-q/data-files-detailed-specification/";
const METATRADER: &str =
    "https://www.metatrader5.com/en/terminal/help/trading_advanced/custom_instruments";
const POLYGON: &str = "https://polygon.io/docs/flat-files";
const ALPACA: &str = "https://docs.alpaca.markets/docs/historical-stock-data-1";
const TARDIS: &str = "https://docs.tardis.dev/downloadable-csv-files/data-types";
const KRAKEN: &str = "https://support.kraken.com/hc/en-us/sections/360009899492-Historical-data";
const STOOQ: &str = "https://stooq.com/db/h/";
const DUKASCOPY: &str = "https://www.dukascopy.com/swiss/english/marketwatch/historical/";

const OHLCV: PresetColumns = &[
    (Timestamp, Position(1)),
    (Open, Position(2)),
    (High, Position(3)),
    (Low, Position(4)),
    (Close, Position(5)),
    (Volume, Position(6)),
];
/// The stamp of a symbol's first candle is that of its first trade; the close time tells the period.
const KLINES: PresetColumns = &[
    (Timestamp, Position(1)),
    (Open, Position(2)),
    (High, Position(3)),
    (Low, Position(4)),
    (Close, Position(5)),
    (Volume, Position(6)),
    (CloseTime, Position(7)),
];
const DATE_TIME_OHLCV: PresetColumns = &[
    (Date, Position(1)),
    (Time, Position(2)),
    (Open, Position(3)),
    (High, Position(4)),
    (Low, Position(5)),
    (Close, Position(6)),
    (Volume, Position(7)),
];
const POLYGON_BARS: PresetColumns = &[
    (Symbol, Name("ticker")),
    (Timestamp, Name("window_start")),
    (Open, Name("open")),
    (High, Name("high")),
    (Low, Name("low")),
    (Close, Name("close")),
    (Volume, Name("volume")),
];
const STOOQ_DAILY: PresetColumns = &[
    (Symbol, Name("<TICKER>")),
    (Date, Name("<DATE>")),
    (Open, Name("<OPEN>")),
    (High, Name("<HIGH>")),
    (Low, Name("<LOW>")),
    (Close, Name("<CLOSE>")),
    (Volume, Name("<VOL>")),
    (Time, Nowhere),
];
const STOOQ_INTRADAY: PresetColumns = &[
    (Symbol, Name("<TICKER>")),
    (Date, Name("<DATE>")),
    (Open, Name("<OPEN>")),
    (High, Name("<HIGH>")),
    (Low, Name("<LOW>")),
    (Close, Name("<CLOSE>")),
    (Volume, Name("<VOL>")),
    (Time, Name("<TIME>")),
];

pub(super) static PRESETS: [Preset; 29] = [
    bars(
        "alpaca-bars",
        "Alpaca bars as the API answers them, an object or a row each (t o h l c v)",
        ALPACA,
        &[
            (Timestamp, Name("t")),
            (Open, Name("o")),
            (High, Name("h")),
            (Low, Name("l")),
            (Close, Name("c")),
            (Volume, Name("v")),
        ],
    ),
    ticks(
        "alpaca-quotes",
        "Alpaca quotes as the API answers them (t bp bs ap as)",
        ALPACA,
        &[
            (Timestamp, Name("t")),
            (Bid, Name("bp")),
            (BidSize, Name("bs")),
            (Ask, Name("ap")),
            (AskSize, Name("as")),
        ],
    ),
    ticks(
        "alpaca-trades",
        "Alpaca trades as the API answers them (t p s)",
        ALPACA,
        &[
            (Timestamp, Name("t")),
            (Price, Name("p")),
            (Volume, Name("s")),
        ],
    ),
    // Milliseconds; spot files of 2025 and later have microseconds.
    Preset {
        header: PresetHeader::Sometimes(7, 8),
        delimiter: Some(b','),
        ..ticks(
            "binance-aggtrades",
            "Binance aggTrades, spot and futures",
            BINANCE,
            &[
                (Sequence, Position(1)),
                (Price, Position(2)),
                (Volume, Position(3)),
                (Timestamp, Position(6)),
            ],
        )
    },
    Preset {
        header: PresetHeader::Sometimes(12, 12),
        delimiter: Some(b','),
        ..bars(
            "binance-klines",
            "Binance klines, spot and futures",
            BINANCE,
            KLINES,
        )
    },
    Preset {
        header: PresetHeader::Sometimes(6, 7),
        delimiter: Some(b','),
        ..ticks(
            "binance-trades",
            "Binance trades, spot and futures",
            BINANCE,
            &[
                (Sequence, Position(1)),
                (Price, Position(2)),
                (Volume, Position(3)),
                (Timestamp, Position(5)),
            ],
        )
    },
    // The price of an event is that of an order; what stands in the book afterwards is the quote.
    Preset {
        prices: PriceForm::WithPoint,
        ..ticks(
            "databento-mbp-1",
            "Databento mbp-1 as CSV with decimal prices: best bid and ask after each event",
            DATABENTO,
            &[
                (Timestamp, Name("ts_event")),
                (Bid, Name("bid_px_00")),
                (BidSize, Name("bid_sz_00")),
                (Ask, Name("ask_px_00")),
                (AskSize, Name("ask_sz_00")),
                (Price, Nowhere),
                (Volume, Nowhere),
                (Sequence, Nowhere),
            ],
        )
    },
    Preset {
        prices: PriceForm::WithPoint,
        ..bars(
            "databento-ohlcv",
            "Databento ohlcv as CSV with decimal prices",
            DATABENTO,
            &[
                (Timestamp, Name("ts_event")),
                (Open, Name("open")),
                (High, Name("high")),
                (Low, Name("low")),
                (Close, Name("close")),
                (Volume, Name("volume")),
            ],
        )
    },
    // All trades of one message have its sequence.
    Preset {
        prices: PriceForm::WithPoint,
        ..ticks(
            "databento-trades",
            "Databento trades as CSV with decimal prices",
            DATABENTO,
            &[
                (Timestamp, Name("ts_event")),
                (Price, Name("price")),
                (Volume, Name("size")),
                (Sequence, Nowhere),
            ],
        )
    },
    Preset {
        date_order: Some(DateOrder::DayFirst),
        ..bars(
            "dukascopy-bars",
            "Dukascopy candles (01.02.2024 is 1 February)",
            DUKASCOPY,
            &[
                (Open, Name("Open")),
                (High, Name("High")),
                (Low, Name("Low")),
                (Close, Name("Close")),
                (Volume, Name("Volume")),
            ],
        )
    },
    Preset {
        date_order: Some(DateOrder::DayFirst),
        ..ticks(
            "dukascopy-ticks",
            "Dukascopy quotes (01.02.2024 is 1 February)",
            DUKASCOPY,
            &[
                (Ask, Name("Ask")),
                (Bid, Name("Bid")),
                (AskSize, Name("AskVolume")),
                (BidSize, Name("BidVolume")),
            ],
        )
    },
    ticks(
        "finnhub-trades",
        "Finnhub trades as its stream sends them, an object or a row each (s t p v)",
        "https://finnhub.io/docs/api/websocket-trades",
        &[
            (Symbol, Name("s")),
            (Timestamp, Name("t")),
            (Price, Name("p")),
            (Volume, Name("v")),
        ],
    ),
    Preset {
        header: PresetHeader::Never(6),
        delimiter: Some(b';'),
        frequency: Some(Frequency::OneMinute),
        zone: PresetZone::Named("EST"),
        ..bars(
            "histdata-m1",
            "HistData minute bars of bids, generic ASCII, in EST without daylight saving",
            HISTDATA,
            OHLCV,
        )
    },
    Preset {
        header: PresetHeader::Never(7),
        delimiter: Some(b','),
        frequency: Some(Frequency::OneMinute),
        zone: PresetZone::Named("EST"),
        ..bars(
            "histdata-mt",
            "HistData minute bars of bids, for MetaTrader, in EST without daylight saving",
            HISTDATA,
            DATE_TIME_OHLCV,
        )
    },
    // The fourth column is always 0.
    Preset {
        header: PresetHeader::Never(4),
        delimiter: Some(b','),
        zone: PresetZone::Named("EST"),
        ..ticks(
            "histdata-ticks",
            "HistData quotes, generic ASCII, in EST without daylight saving",
            HISTDATA,
            &[
                (Timestamp, Position(1)),
                (Bid, Position(2)),
                (Ask, Position(3)),
            ],
        )
    },
    Preset {
        header: PresetHeader::Never(7),
        delimiter: Some(b','),
        ..bars(
            "kraken-ohlcvt",
            "Kraken candles of its downloads",
            KRAKEN,
            OHLCV,
        )
    },
    Preset {
        header: PresetHeader::Never(3),
        delimiter: Some(b','),
        ..ticks(
            "kraken-trades",
            "Kraken trades of its downloads",
            KRAKEN,
            &[
                (Timestamp, Position(1)),
                (Price, Position(2)),
                (Volume, Position(3)),
            ],
        )
    },
    Preset {
        header: PresetHeader::Never(7),
        delimiter: Some(b','),
        zone: PresetZone::OfTheServer,
        ..bars(
            "mt4-bars",
            "MetaTrader 4 bars, in the server's zone (--timezone)",
            METATRADER,
            DATE_TIME_OHLCV,
        )
    },
    Preset {
        zone: PresetZone::OfTheServer,
        ..bars(
            "mt5-bars",
            "MetaTrader 5 bars, in the server's zone (--timezone)",
            METATRADER,
            &[
                (Date, Name("<DATE>")),
                (Open, Name("<OPEN>")),
                (High, Name("<HIGH>")),
                (Low, Name("<LOW>")),
                (Close, Name("<CLOSE>")),
            ],
        )
    },
    Preset {
        zone: PresetZone::OfTheServer,
        ..ticks(
            "mt5-ticks",
            "MetaTrader 5 ticks, in the server's zone (--timezone)",
            METATRADER,
            &[
                (Date, Name("<DATE>")),
                (Time, Name("<TIME>")),
                (Bid, Name("<BID>")),
                (Ask, Name("<ASK>")),
                (Price, Name("<LAST>")),
                (Volume, Name("<VOLUME>")),
            ],
        )
    },
    // A day begins at midnight in New York.
    Preset {
        frequency: Some(Frequency::OneDay),
        zone: PresetZone::Named("America/New_York"),
        ..bars(
            "polygon-day",
            "Polygon flat files of daily bars, stocks and options",
            POLYGON,
            POLYGON_BARS,
        )
    },
    Preset {
        frequency: Some(Frequency::OneMinute),
        ..bars(
            "polygon-minute",
            "Polygon flat files of minute bars",
            POLYGON,
            POLYGON_BARS,
        )
    },
    // Sequence numbers are "increasing and unique per ticker symbol".
    ticks(
        "polygon-quotes",
        "Polygon flat files of quotes",
        POLYGON,
        &[
            (Symbol, Name("ticker")),
            (Timestamp, Name("sip_timestamp")),
            (Sequence, Name("sequence_number")),
            (Bid, Name("bid_price")),
            (BidSize, Name("bid_size")),
            (Ask, Name("ask_price")),
            (AskSize, Name("ask_size")),
        ],
    ),
    ticks(
        "polygon-trades",
        "Polygon flat files of trades",
        POLYGON,
        &[
            (Symbol, Name("ticker")),
            (Timestamp, Name("sip_timestamp")),
            (Sequence, Name("sequence_number")),
            (Price, Name("price")),
            (Volume, Name("size")),
        ],
    ),
    Preset {
        frequency: Some(Frequency::OneDay),
        ..bars(
            "stooq-daily",
            "Stooq daily bars of its database files",
            STOOQ,
            STOOQ_DAILY,
        )
    },
    Preset {
        zone: PresetZone::OfTheServer,
        ..bars(
            "stooq-intraday",
            "Stooq hourly and 5-minute bars of its database files, in a zone that it does not say \
             (--timezone)",
            STOOQ,
            STOOQ_INTRADAY,
        )
    },
    // Some exchanges give no trade ids, or ids that are no numbers.
    ticks(
        "tardis-quotes",
        "Tardis quotes and book_ticker",
        TARDIS,
        &[
            (Symbol, Name("symbol")),
            (Timestamp, Name("timestamp")),
            (Bid, Name("bid_price")),
            (BidSize, Name("bid_amount")),
            (Ask, Name("ask_price")),
            (AskSize, Name("ask_amount")),
        ],
    ),
    ticks(
        "tardis-trades",
        "Tardis trades",
        TARDIS,
        &[
            (Symbol, Name("symbol")),
            (Timestamp, Name("timestamp")),
            (Price, Name("price")),
            (Volume, Name("amount")),
            (Sequence, Nowhere),
        ],
    ),
    Preset {
        header: PresetHeader::Never(4),
        delimiter: Some(b','),
        ..ticks(
            "truefx",
            "TrueFX quotes",
            "https://www.truefx.com/truefx-historical-downloads/",
            &[
                (Symbol, Position(1)),
                (Timestamp, Position(2)),
                (Bid, Position(3)),
                (Ask, Position(4)),
            ],
        )
    },
];

//! Lines as clients write them, everything that is no line of ticks, and arbitrary bytes.

use proptest::prelude::*;

use super::*;

const LINES_MAX: usize = 50;

fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).unwrap()
}

fn read_as(text: &[u8], precision: LinePrecision) -> Result<LineProtocolBatch, LineProtocolError> {
    LineProtocolBatch::read(text, precision, now(), LINES_MAX)
}

#[track_caller]
fn read(text: &str) -> LineProtocolBatch {
    read_as(text.as_bytes(), LinePrecision::Nanoseconds).unwrap()
}

/// The line of a refusal, and its text.
#[track_caller]
fn refused(text: impl AsRef<[u8]>) -> (u64, String) {
    match read_as(text.as_ref(), LinePrecision::Nanoseconds) {
        Err(LineProtocolError::Refused(Error::Line {
            line,
            reason,
            remedy,
        })) => (line, format!("{reason}; {remedy}")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_of_each_client_is_read() {
    let batch = read(
        "ticks,symbol=ES price=1641.5,volume=8i 1378203780074000000\n\
         ticks,symbol=ES bid=1641.25,ask=NaN,bid_size=3u 1378203780074001999\n",
    );
    let [trade, quote] = batch.ticks.as_slice() else {
        panic!("{batch:?}");
    };
    assert_eq!((trade.price(), trade.volume()), (Some(1641.5), Some(8.0)));
    assert_eq!(trade.timestamp().micros(), 1_378_203_780_074_000);
    assert_eq!(
        (quote.bid(), quote.ask(), quote.bid_size()),
        (Some(1641.25), None, Some(3.0))
    );
    // Digits finer than a microsecond are cut, as of every other feed.
    assert_eq!(quote.timestamp().micros(), 1_378_203_780_074_001);
    assert_eq!((batch.owners.len(), batch.lines), (1, vec![1, 2]));
}

#[test]
fn comments_empty_lines_and_either_end_of_a_line_are_passed_over() {
    let batch = read(
        "\u{feff}# a comment\r\n\r\n  ticks,ticker=es  last=1.5,size=2  1378203780074000000  \r\n\
         \t\n#\nticks,instrument=ES close=1,trade_id=7i 1378203780074000000",
    );
    assert_eq!(batch.lines, [3, 6]);
    assert_eq!(batch.ticks[1].sequence(), Some(7));
    assert_eq!(batch.ticks[1].price(), Some(1.0));
    let symbols: Vec<&str> = batch.owners.iter().map(|it| it.symbol.as_str()).collect();
    assert_eq!(symbols, ["ES", "ES"]);
    assert!(read("").is_empty() && read("\n#\n\r\n").is_empty());
}

#[test]
fn what_is_escaped_is_part_of_a_name() {
    let batch = read(
        r"ticks,symbol=BRK\ B,source=desk\,\ left\=\\right\end bid\ price=1 1378203780074000000",
    );
    assert_eq!(batch.owners[0].symbol.as_str(), "BRK B");
    let source = batch.owners[0].source.as_deref();
    assert_eq!(source, Some(r"desk, left=\right\end"));
    assert_eq!(batch.ticks[0].bid(), Some(1.0));
}

#[test]
fn stamps_have_the_unit_that_is_named_or_the_clocks_moment() {
    for (precision, stamp) in [
        (LinePrecision::Nanoseconds, "1378202400000000000"),
        (LinePrecision::Microseconds, "1378202400000000"),
        (LinePrecision::Milliseconds, "1378202400000"),
        (LinePrecision::Seconds, "1378202400"),
        (LinePrecision::Minutes, "22970040"),
        (LinePrecision::Hours, "382834"),
    ] {
        let text = format!("ticks,symbol=ES price=1 {stamp}");
        let batch = read_as(text.as_bytes(), precision).unwrap();
        assert_eq!(
            batch.ticks[0].timestamp().micros(),
            1_378_202_400_000_000,
            "{precision:?}"
        );
        assert!(batch.needs_key());
    }
    let before = read("ticks,symbol=ES price=1 -1");
    assert_eq!(before.ticks[0].timestamp().micros(), -1);
    let clock = read("ticks,symbol=ES price=1\nticks,symbol=ES price=1 1378202400000000000");
    assert_eq!(clock.ticks[0].timestamp(), now());
    assert!(!clock.needs_key());
    assert!(read("ticks,symbol=ES price=1,seq=0i").needs_key());
    assert!(!read("ticks,symbol=ES price=1,seq=0i 1").needs_key());
}

#[test]
fn a_sequence_may_have_a_point_and_may_be_missing() {
    let batch = read(
        "ticks,symbol=ES price=1,sequence=7 1\nticks,symbol=ES price=1,sequence=7.0 1\n\
         ticks,symbol=ES price=1,sequence=NaN 1\nticks,symbol=ES price=1,sequence=9223372036854775807i 1",
    );
    let sequences: Vec<_> = batch.ticks.iter().map(Tick::sequence).collect();
    assert_eq!(sequences, [Some(7), Some(7), None, Some(i64::MAX)]);
}

/// A line with one thing wrong, and what is said of it.
const WRONG_LINES: &[(&str, &str)] = &[
    ("ticks", "it has no fields"),
    ("ticks,symbol=ES", "it has no fields"),
    ("ticks,symbol=ES ", "it has no fields"),
    (
        "trades,symbol=ES price=1 1",
        "the measurement \"trades\" is unknown",
    ),
    (",symbol=ES price=1 1", "the measurement \"\" is unknown"),
    ("ticks price=1 1", "it has no tag symbol"),
    ("ticks, price=1 1", "the tag \"\" has no ="),
    ("ticks,symbol price=1 1", "the tag \"symbol\" has no ="),
    ("ticks,symbol= price=1 1", "the tag \"symbol\" has no value"),
    ("ticks,=ES price=1 1", "a tag has no name"),
    ("ticks,symbol=ES=NQ price=1 1", "a second ="),
    ("ticks,symbol=ES,ticker=NQ price=1 1", "names a second one"),
    (
        "ticks,symbol=ES,side=buy price=1 1",
        "the tag \"side\" is none of a tick's",
    ),
    ("ticks,symbol=É price=1 1", "symbol: it holds 'É'"),
    (
        "ticks,symbol=ES prise=1 1",
        "no tick has a field \"prise\"; send price",
    ),
    ("ticks,symbol=ES symbol=1 1", "send it as a tag"),
    ("ticks,symbol=ES timestamp=1 1", "at the end of the line"),
    ("ticks,symbol=ES price 1", "the field \"price\" has no ="),
    (
        "ticks,symbol=ES price= 1",
        "the field \"price\" has no value",
    ),
    ("ticks,symbol=ES price=1, 1", "the field \"\" has no ="),
    (
        "ticks,symbol=ES price=1,last=2 1",
        "\"last\" gives the price twice",
    ),
    (
        "ticks,symbol=ES price=1,close=2 1",
        "\"close\" gives the price twice",
    ),
    ("ticks,symbol=ES price=1,5 1", "the field \"5\" has no ="),
    (
        "ticks,symbol=ES price=\"1\" 1",
        "the field \"price\" is a string",
    ),
    (
        "ticks,symbol=ES price=true 1",
        "price \"true\" is a boolean",
    ),
    ("ticks,symbol=ES price=F 1", "price \"F\" is a boolean"),
    (
        "ticks,symbol=ES price=x 1",
        "price \"x\" is not a finite number",
    ),
    (
        "ticks,symbol=ES price=1.5i 1",
        "price \"1.5i\" is not a finite number",
    ),
    (
        "ticks,symbol=ES price=-1u 1",
        "price \"-1u\" is not a finite number",
    ),
    (
        "ticks,symbol=ES price=1e999 1",
        "price: inf is not a finite number",
    ),
    ("ticks,symbol=ES volume=-8i 1", "volume: -8 is negative"),
    (
        "ticks,symbol=ES price=NaN 1",
        "tick: it has no value at all",
    ),
    (
        "ticks,symbol=ES price=1,sequence=1.5 1",
        "sequence \"1.5\" is not a whole number",
    ),
    (
        "ticks,symbol=ES price=1,sequence=9223372036854775808u 1",
        "not a whole number of 64 bits",
    ),
    (
        "ticks,symbol=ES price=1,sequence=-1i 1",
        "sequence: -1 is negative",
    ),
    (
        "ticks,symbol=ES price=1 1 2",
        "the timestamp \"1 2\" is not a whole number",
    ),
    (
        "ticks,symbol=ES price=1 1378203780074000000n",
        "in digits alone",
    ),
    (
        "ticks,symbol=ES price=1 9223372036854775808",
        "is not a whole number",
    ),
];

#[test]
fn a_line_that_breaks_a_rule_is_named_with_the_reason() {
    let long = format!("ticks,symbol=ES {}=1 1", "x".repeat(1 << 20));
    for (line, reason) in WRONG_LINES
        .iter()
        .copied()
        .chain([(&*long, "no tick has a field")])
    {
        let (number, said) = refused(format!("#\nticks,symbol=ES price=1 1\n{line}\n"));
        assert!(said.contains(reason), "{line:.60}: {said}");
        assert!(said.len() < 400, "{}", said.len());
        assert_eq!(number, 3, "{line:.60}");
    }
    let far = read_as(
        b"ticks,symbol=ES price=1 1378203780074000000",
        LinePrecision::Seconds,
    );
    let said = far.unwrap_err().to_string();
    assert!(
        said.contains("as seconds is outside the years 1 to 9999; name its unit"),
        "{said}"
    );
}

#[test]
fn what_is_binary_or_no_text_is_refused_by_its_line() {
    let binary = b"ticks,symbol=ES price==\x10\n\0\0\0\0\0\0@ 1378203780074000000n\n";
    let (line, said) = refused(binary);
    assert!(
        line == 1 && said.contains("a binary value of QuestDB's protocol 2"),
        "{said}"
    );
    for (text, reason) in [
        (
            &b"ticks,symbol=\xff price=1 1"[..],
            "the tag \"symbol\" is not UTF-8",
        ),
        (b"ticks,symbol=ES pri\xffce=1 1", "no tick has a field"),
        (b"ticks,symbol=ES price=\xff 1", "is not a finite number"),
        (b"ticks,symbol=ES price=1 \xff", "is not a whole number"),
        (b"\xff\xfe", "it has no fields"),
    ] {
        let (line, said) = refused(text);
        assert!(line == 1 && said.contains(reason), "{text:?}: {said}");
    }
}

#[test]
fn more_lines_than_are_taken_are_refused_and_counted_beforehand() {
    let line = "ticks,symbol=ES price=1 1\n";
    let text = line.repeat(LINES_MAX);
    assert_eq!(read(&text).len(), LINES_MAX);
    let more = format!("{text}{line}");
    let refusal = read_as(more.as_bytes(), LinePrecision::Nanoseconds).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "it has too many lines; send at most 50 lines at a time"
    );
    assert_eq!(
        LineProtocolBatch::ticks_max(text.as_bytes(), 1_000),
        LINES_MAX + 1
    );
    assert_eq!(LineProtocolBatch::ticks_max(text.as_bytes(), 10), 10);
}

/// The text of a point, with everything escaped that may stand in a name.
fn line(symbol: &str, source: &str, fields: &[(&str, String)], stamp: i64) -> String {
    let escaped = |text: &str| {
        let escape = |c: char| match c {
            ',' | '=' | ' ' | '\\' => format!("\\{c}"),
            other => other.to_string(),
        };
        text.chars().map(escape).collect::<String>()
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "ticks,symbol={},source={} {} {stamp}",
        escaped(symbol),
        escaped(source),
        fields.join(",")
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text: Vec<u8>) {
        let _ = read_as(&text, LinePrecision::Hours);
    }

    #[test]
    fn nearly_right_lines_never_panic(text in "(ticks|t)?[ ,=\\\\\"#\n\r]{0,3}(symbol|price|ES|1i|=\x10|NaN|[ ,=\\\\\"\n]){0,12}") {
        let _ = read_as(text.as_bytes(), LinePrecision::Nanoseconds);
    }

    #[test]
    fn a_point_is_read_as_it_was_written(
        symbol in "[!-~]{1,16}( [!-~]{1,15})?",
        source in "[ -~é]{1,30}",
        price in proptest::num::f64::NORMAL | proptest::num::f64::ZERO,
        volume in 0_i64..1 << 53,
        sequence in proptest::option::of(0_i64..),
        micros in -1_i64 << 52..1 << 52,
        finer in 0_i64..1_000,
    ) {
        let mut fields = vec![("price", format!("{price:?}")), ("volume", format!("{volume}i"))];
        if let Some(sequence) = sequence {
            fields.push(("sequence", format!("{sequence}i")));
        }
        let text = line(&symbol, &source, &fields, micros * 1_000 + finer);
        let batch = read(&text);
        let tick = &batch.ticks[0];
        prop_assert_eq!(tick.price(), Some(price + 0.0));
        prop_assert_eq!(tick.volume(), Some(volume as f64));
        prop_assert_eq!(tick.sequence(), sequence);
        prop_assert_eq!(tick.timestamp().micros(), micros);
        prop_assert_eq!(batch.owners[0].symbol.as_str(), symbol.to_ascii_uppercase());
        prop_assert_eq!(batch.owners[0].source.as_deref(), Some(source.as_str()));
    }
}

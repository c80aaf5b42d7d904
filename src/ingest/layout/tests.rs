//! Headers of many vendors, and maps of users.

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
    let posted =
        |header: &str| Layout::of_names(names(header), &ColumnMap::default(), NameRules::OfPosts);
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

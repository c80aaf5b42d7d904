//! Where a page goes on, as a text that clients hand back as they got it.

use crate::database::Cursor;
use crate::repository::market_data::TickKey;
use crate::timestamp::Timestamp;

/// `<timestamp in microseconds>.<source>.<sequence>` of the last tick of a page.
pub(super) fn of_tick(cursor: &Cursor<TickKey>) -> String {
    let (Cursor::After(key) | Cursor::Before(key)) = cursor;
    format!(
        "{}.{}.{}",
        key.timestamp.micros(),
        key.source_id,
        key.sequence
    )
}

/// Reads what [`of_tick`] wrote.
pub(super) fn to_tick(text: &str, instrument_id: i64) -> Option<Cursor<TickKey>> {
    let mut parts = text.split('.').map(str::parse::<i64>);
    let mut next = || parts.next()?.ok();
    let key = TickKey {
        instrument_id,
        timestamp: Timestamp::from_micros(next()?).ok()?,
        source_id: next()?,
        sequence: next()?,
    };
    next().is_none().then_some(Cursor::After(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back(micros in -1_i64 << 50..1 << 50, source: i64, sequence: i64) {
            let key = TickKey {
                instrument_id: 7,
                timestamp: Timestamp::from_micros(micros).unwrap(),
                source_id: source,
                sequence,
            };
            let text = of_tick(&Cursor::After(key));
            prop_assert_eq!(to_tick(&text, 7), Some(Cursor::After(key)));
        }

        #[test]
        fn any_other_text_is_none(text in "[^0-9.-]*|[0-9]{1,3}|1[.]2|1[.]2[.]3[.]4|1[.][.]3") {
            prop_assert_eq!(to_tick(&text, 7), None);
        }
    }
}

//! The cursor of a page, as a text that clients hand back as they got it.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

use super::error::ApiError;
use crate::database::Cursor;
use crate::repository::alert_log::AlertKey;
use crate::repository::alert_rule::RuleKey;
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

/// `<created_at in microseconds>.<id>` of the last rule of a page.
pub(super) fn of_rule(cursor: &Cursor<RuleKey>) -> String {
    let (Cursor::After(key) | Cursor::Before(key)) = cursor;
    format!("{}.{}", key.created_at.micros(), key.id)
}

/// Reads what [`of_rule`] wrote.
pub(super) fn to_rule(text: &str) -> Option<RuleKey> {
    let (created_at, id) = moment_and_id(text)?;
    Some(RuleKey { created_at, id })
}

/// `<timestamp in microseconds>.<id>` of the last alert of a page.
pub(super) fn of_alert(cursor: &Cursor<AlertKey>) -> String {
    let (Cursor::After(key) | Cursor::Before(key)) = cursor;
    format!("{}.{}", key.timestamp.micros(), key.id)
}

/// Reads what [`of_alert`] wrote.
pub(super) fn to_alert(text: &str) -> Option<Cursor<AlertKey>> {
    let (timestamp, id) = moment_and_id(text)?;
    Some(Cursor::After(AlertKey { timestamp, id }))
}

fn moment_and_id(text: &str) -> Option<(Timestamp, i64)> {
    let (micros, id) = text.split_once('.')?;
    let moment = Timestamp::from_micros(micros.parse().ok()?).ok()?;
    Some((moment, id.parse().ok()?))
}

/// The refusal of a text that none of these functions has written for the list; `place` is where
/// the list shows its cursors.
pub(super) fn foreign(place: &str) -> ApiError {
    let msg = format!("invalid cursor; take it from {place}");
    ApiError::violation(["query", "cursor"], msg)
}

/// Makes the header `link` to the next page of the list at a URI; none at its end.
pub(super) fn next_page(uri: &Uri, cursor: Option<&str>) -> HeaderMap {
    let link = cursor.and_then(|cursor| next_link(uri, cursor));
    link.map(|link| (header::LINK, link)).into_iter().collect()
}

/// `<path?query with the cursor>; rel="next"`.
fn next_link(uri: &Uri, cursor: &str) -> Option<HeaderValue> {
    let mut pairs: Vec<(String, String)> =
        serde_html_form::from_str(uri.query().unwrap_or_default()).ok()?;
    pairs.retain(|(name, _)| name != "cursor");
    pairs.push(("cursor".to_owned(), cursor.to_owned()));
    let query = serde_html_form::to_string(pairs).ok()?;
    HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", uri.path())).ok()
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
        fn the_cursors_of_rules_and_alerts_read_back(micros in -1_i64 << 50..1 << 50, id: i64) {
            let timestamp = Timestamp::from_micros(micros).unwrap();
            let rule = RuleKey { created_at: timestamp, id };
            prop_assert_eq!(to_rule(&of_rule(&Cursor::After(rule))), Some(rule));
            let alert = Cursor::After(AlertKey { timestamp, id });
            prop_assert_eq!(to_alert(&of_alert(&alert)), Some(alert));
        }

        #[test]
        fn any_other_text_is_none(text in "[^0-9.-]*|[0-9]{1,3}|1[.]2|1[.]2[.]3[.]4|1[.][.]3") {
            prop_assert_eq!(to_tick(&text, 7), None);
            prop_assert!(text == "1.2" || to_rule(&text).is_none());
            prop_assert!(text == "1.2" || to_alert(&text).is_none());
        }
    }
}

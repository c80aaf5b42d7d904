//! The messages of an event, written once for all clients, by the first that needs them.

use std::collections::{BTreeSet, HashMap};

use crate::api::alerts;
use crate::api::realtime_hub::{Event, EventRows, EventText, InstrumentSpan};
use crate::api::state::ApiState;
use crate::api::types::{
    AcknowledgedData, AlertData, AlertItem, ChangeData, TickData, Topic, message,
};
use crate::domain::tick::Tick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::instrument::{self, InstrumentLabel};

pub(super) async fn texts<'e>(event: &'e Event, state: &ApiState) -> Result<&'e [EventText]> {
    let texts = event.native_texts.get_or_try_init(|| async {
        match &event.rows {
            EventRows::Ticks(ticks) => tick_texts(state, ticks, event.instrument_ids()).await,
            EventRows::Alerts(alerts) => alert_texts(state, alerts.clone()).await,
            EventRows::Acknowledgements(alerts) => Ok(acknowledgement_texts(state, alerts)),
            EventRows::Changes(spans) => change_texts(state, spans, event.instrument_ids()).await,
        }
    });
    texts.await.map(Vec::as_slice)
}

async fn labels(
    state: &ApiState,
    ids: BTreeSet<Option<i64>>,
) -> Result<HashMap<i64, InstrumentLabel>> {
    let ids: Vec<i64> = ids.into_iter().flatten().collect();
    let labels = state.read("realtime.labels", move |conn| {
        instrument::labels_of_all(conn, &ids)
    });
    Ok(labels.await?.into_iter().map(|it| (it.id, it)).collect())
}

async fn tick_texts(
    state: &ApiState,
    ticks: &[(Tick, i64)],
    ids: BTreeSet<Option<i64>>,
) -> Result<Vec<EventText>> {
    let labels = labels(state, ids).await?;
    let now = state.db().clock().now();
    let text = |(tick, sequence): &(Tick, i64)| {
        let label = labels.get(&tick.instrument_id())?;
        let data = TickData::new(tick, *sequence, &label.symbol, label.price_decimals);
        Some(EventText {
            instrument_id: Some(tick.instrument_id()),
            text: message(Topic::MarketData.as_str(), now, &data).into(),
        })
    };
    Ok(ticks.iter().filter_map(text).collect())
}

async fn change_texts(
    state: &ApiState,
    spans: &[InstrumentSpan],
    ids: BTreeSet<Option<i64>>,
) -> Result<Vec<EventText>> {
    let labels = labels(state, ids).await?;
    let now = state.db().clock().now();
    let text = |(instrument_id, span): &InstrumentSpan| {
        let label = instrument_id.and_then(|id| labels.get(&id));
        let data = ChangeData::new(*instrument_id, label.map(|of| &of.symbol), *span);
        EventText {
            instrument_id: *instrument_id,
            text: message("data_changed", now, &data).into(),
        }
    };
    Ok(spans.iter().map(text).collect())
}

fn acknowledgement_texts(state: &ApiState, rows: &[AlertLog]) -> Vec<EventText> {
    let now = state.db().clock().now();
    let text = |row: &AlertLog| EventText {
        instrument_id: Some(row.instrument_id),
        text: message("alert_acknowledged", now, &AcknowledgedData::from(row)).into(),
    };
    rows.iter().map(text).collect()
}

async fn alert_texts(state: &ApiState, rows: Vec<AlertLog>) -> Result<Vec<EventText>> {
    let keys: Vec<(i64, i64)> = rows
        .iter()
        .map(|row| (row.rule_id, row.instrument_id))
        .collect();
    let labels = state.read("realtime.labels", move |conn| alerts::labels(conn, &keys));
    let labels = labels.await?;
    let now = state.db().clock().now();
    let text = |row: AlertLog| {
        let instrument_id = row.instrument_id;
        let label = labels.of(row.rule_id, instrument_id);
        let data = AlertData::from(AlertItem::new(row, label));
        EventText {
            instrument_id: Some(instrument_id),
            text: message(Topic::AlertFired.as_str(), now, &data).into(),
        }
    };
    Ok(rows.into_iter().map(text).collect())
}

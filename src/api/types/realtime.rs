//! Messages of the WebSocket: an envelope around data in camelCase.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AlertItem, Rounding, quantity, rounded};
use crate::domain::tick::Tick;
use crate::domain::{DeliveryStatus, FiredStatus, PriceDecimals, Symbol};
use crate::models::AlertLog;
use crate::monitoring::{HealthStatus, MonitoringSnapshot};
use crate::repository::data_change::ChangedSpan;

const VERSION: &str = "1.0";

/// Every message of the server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageEnvelope<'a, T> {
    message_type: &'static str,
    version: &'static str,
    timestamp: String,
    data: &'a T,
}

/// The text of a message. Its data can always be written: strings, numbers, nothing else.
pub(in crate::api) fn message<T: Serialize>(
    message_type: &'static str,
    now: crate::timestamp::Timestamp,
    data: &T,
) -> String {
    let envelope = MessageEnvelope {
        message_type,
        version: VERSION,
        timestamp: now.to_string(),
        data,
    };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// What a client may subscribe to. Each word is that of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Topic {
    MarketData,
    #[serde(alias = "alerts")]
    AlertFired,
    DatabasePerformance,
}

impl Topic {
    pub(in crate::api) fn as_str(self) -> &'static str {
        match self {
            Self::MarketData => "market_data",
            Self::AlertFired => "alert_fired",
            Self::DatabasePerformance => "database_performance",
        }
    }
}

/// A message of a client. What it asks for is in `data`, or beside the type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ClientMessage {
    pub(in crate::api) message_type: String,
    data: Option<Value>,
    #[serde(flatten)]
    beside: Map<String, Value>,
}

/// What to send from now on, or no more.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::api) struct SubscriptionBody {
    pub(in crate::api) subscription_type: Topic,
    /// All instruments when absent.
    pub(in crate::api) instrument_id: Option<i64>,
    /// Comes back with the answer.
    pub(in crate::api) request_id: Option<String>,
}

impl ClientMessage {
    /// The subscription that it is about.
    pub(in crate::api) fn subscription(self) -> serde_json::Result<SubscriptionBody> {
        let mut fields = match self.data {
            Some(Value::Object(fields)) => fields,
            Some(other) => return serde_json::from_value(other),
            None => self.beside,
        };
        fields.remove("version");
        fields.remove("timestamp");
        serde_json::from_value(Value::Object(fields))
    }

    /// The `requestId`, wherever it stands.
    pub(in crate::api) fn request_id(&self) -> Option<String> {
        let inside = self.data.as_ref().and_then(|data| data.get("requestId"));
        let found = inside.or_else(|| self.beside.get("requestId"))?;
        found.as_str().map(str::to_owned)
    }
}

/// `connection_status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ConnectionData {
    pub(in crate::api) status: &'static str,
    pub(in crate::api) server_version: &'static str,
    pub(in crate::api) subscription_types: [Topic; 3],
    pub(in crate::api) subscriptions_max: usize,
    pub(in crate::api) message_bytes_max: usize,
}

/// `subscription_ack`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct AckData {
    /// `subscribed` or `unsubscribed`.
    pub(in crate::api) status: &'static str,
    pub(in crate::api) subscription_type: Topic,
    pub(in crate::api) instrument_id: Option<i64>,
    pub(in crate::api) request_id: Option<String>,
    /// Subscriptions that the client has now.
    pub(in crate::api) subscriptions: usize,
}

/// `error`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ErrorData {
    pub(in crate::api) code: &'static str,
    pub(in crate::api) message: String,
    pub(in crate::api) request_id: Option<String>,
}

/// `pong`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct PongData {
    pub(in crate::api) request_id: Option<String>,
}

/// `market_data`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct TickData {
    instrument_id: i64,
    symbol: String,
    timestamp: String,
    source_id: i64,
    sequence: i64,
    price: Option<f64>,
    #[serde(serialize_with = "quantity")]
    volume: Option<f64>,
    bid: Option<f64>,
    ask: Option<f64>,
    #[serde(serialize_with = "quantity")]
    bid_size: Option<f64>,
    #[serde(serialize_with = "quantity")]
    ask_size: Option<f64>,
    open_price: Option<f64>,
    high_price: Option<f64>,
    low_price: Option<f64>,
}

impl TickData {
    pub(in crate::api) fn new(
        tick: &Tick,
        sequence: i64,
        symbol: &Symbol,
        places: Option<PriceDecimals>,
    ) -> Self {
        let rounding = Rounding::from(places);
        Self {
            instrument_id: tick.instrument_id(),
            symbol: symbol.to_string(),
            timestamp: tick.timestamp().to_string(),
            source_id: tick.source_id(),
            sequence,
            price: rounding.price(tick.price()),
            volume: tick.volume(),
            bid: rounding.price(tick.bid()),
            ask: rounding.price(tick.ask()),
            bid_size: tick.bid_size(),
            ask_size: tick.ask_size(),
            open_price: rounding.price(tick.open_price()),
            high_price: rounding.price(tick.high_price()),
            low_price: rounding.price(tick.low_price()),
        }
    }
}

/// `data_changed`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ChangeData {
    /// All instruments when absent.
    instrument_id: Option<i64>,
    symbol: Option<String>,
    from: Option<String>,
    to: Option<String>,
    rows: Option<u64>,
}

impl ChangeData {
    pub(in crate::api) fn new(
        instrument_id: Option<i64>,
        symbol: Option<&Symbol>,
        span: ChangedSpan,
    ) -> Self {
        Self {
            instrument_id,
            symbol: symbol.map(Symbol::to_string),
            from: span.from.map(|at| at.to_string()),
            to: span.to.map(|at| at.to_string()),
            rows: span.rows,
        }
    }
}

/// `alert_fired`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct AlertData {
    alert_id: i64,
    timestamp: String,
    rule_id: i64,
    rule_name: Option<String>,
    instrument_id: i64,
    instrument_symbol: String,
    trigger_value: f64,
    threshold_value: Option<f64>,
    fired_status: FiredStatus,
    delivery_status: DeliveryStatus,
    rule_condition: String,
    evaluation_time_ms: f64,
    alert_message: String,
}

impl From<AlertItem> for AlertData {
    fn from(item: AlertItem) -> Self {
        Self {
            alert_id: item.id,
            timestamp: item.timestamp,
            rule_id: item.rule_id,
            rule_name: item.rule_name,
            instrument_id: item.instrument_id,
            instrument_symbol: item.instrument_symbol,
            trigger_value: item.trigger_value,
            threshold_value: item.threshold_value,
            fired_status: item.fired_status,
            delivery_status: item.delivery_status,
            rule_condition: item.rule_condition,
            evaluation_time_ms: item.evaluation_time_ms,
            alert_message: item.alert_message,
        }
    }
}

/// `alert_acknowledged`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct AcknowledgedData {
    alert_id: i64,
    rule_id: i64,
    instrument_id: i64,
    acknowledged_at: Option<String>,
    acknowledged_by: Option<String>,
    acknowledgement_note: Option<String>,
}

impl From<&AlertLog> for AcknowledgedData {
    fn from(row: &AlertLog) -> Self {
        Self {
            alert_id: row.id,
            rule_id: row.rule_id,
            instrument_id: row.instrument_id,
            acknowledged_at: row.acknowledged_at.map(|at| at.to_string()),
            acknowledged_by: row.acknowledged_by.clone(),
            acknowledgement_note: row.acknowledgement_note.clone(),
        }
    }
}

/// `database_performance`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct PerformanceData {
    status: HealthStatus,
    checked_at: String,
    insert_rate_per_second: f64,
    queries_per_second: f64,
    query_ms_p50: f64,
    query_ms_p95: f64,
    query_ms_p99: f64,
    query_ms_max: f64,
    slow_queries_last_hour: u64,
    errors_last_hour: u64,
    connections_in_use: usize,
    connections_max: usize,
    connections_waiting: usize,
}

impl PerformanceData {
    pub(in crate::api) fn new(snapshot: &MonitoringSnapshot) -> Self {
        let (rates, calls) = (&snapshot.rates, &snapshot.calls);
        let rate = |rate: Option<f64>| rounded(rate.unwrap_or(0.0), 3);
        let ms = |micros: u64| micros as f64 / 1e3;
        Self {
            status: snapshot.health,
            checked_at: snapshot.taken_at.to_string(),
            insert_rate_per_second: rate(rates.insert_rows_per_second.one_minute),
            queries_per_second: rate(rates.queries_per_second.one_minute),
            query_ms_p50: ms(calls.p50_us),
            query_ms_p95: ms(calls.p95_us),
            query_ms_p99: ms(calls.p99_us),
            query_ms_max: ms(calls.max_us),
            slow_queries_last_hour: rates.slow_queries_last_hour,
            errors_last_hour: rates.errors_last_hour,
            connections_in_use: snapshot.pool.in_use,
            connections_max: snapshot.pool.capacity,
            connections_waiting: snapshot.pool.waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_from_data_or_beside_the_type() {
        for text in [
            r#"{"messageType":"subscribe","data":{"subscriptionType":"alerts","requestId":"a"}}"#,
            r#"{"messageType":"subscribe","version":"1.0","timestamp":"now",
                "subscriptionType":"alert_fired","requestId":"a"}"#,
        ] {
            let message: ClientMessage = serde_json::from_str(text).unwrap();
            assert_eq!(message.request_id().as_deref(), Some("a"));
            let asked = message.subscription().unwrap();
            assert_eq!(asked.subscription_type, Topic::AlertFired);
            assert_eq!(asked.instrument_id, None);
        }
        for data in ["{}", "[]", r#"{"subscriptionType":"all"}"#, "7"] {
            let text = format!(r#"{{"messageType":"subscribe","data":{data}}}"#);
            let message: ClientMessage = serde_json::from_str(&text).unwrap();
            assert!(message.subscription().is_err(), "{data}");
        }
    }

    #[test]
    fn each_topic_is_the_word_of_its_messages() {
        for topic in [
            Topic::MarketData,
            Topic::AlertFired,
            Topic::DatabasePerformance,
        ] {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
        }
    }
}

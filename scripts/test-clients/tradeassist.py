"""A client of TradeAssist's kind before a server that speaks its contract.

    tradeassist.py CONTRACT_URL NATIVE_URL RECORDED_FILE

The models have the fields that the original's answers have, and take no others. Each is tried on the
recorded answers first: a model that does not take what the original said would prove nothing.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NaiveDatetime, TypeAdapter
from websockets.sync.client import connect

PATIENCE_SECONDS = 60
PAGE = "http://localhost:3000"


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


# -- Answers of /api -------------------------------------------------------------------------------


class Instrument(Model):
    id: int
    symbol: str
    name: str
    type: Literal["future", "index", "internal"]
    status: Literal["active", "inactive", "error"]
    last_tick: NaiveDatetime | None
    last_price: float | None
    created_at: NaiveDatetime


class AlertRule(Model):
    id: int
    instrument_id: int
    instrument_symbol: str
    rule_type: str
    condition: str
    threshold: float
    active: bool
    name: str | None
    description: str | None
    time_window_seconds: int | None
    moving_average_period: int | None
    cooldown_seconds: int
    last_triggered: NaiveDatetime | None
    created_at: NaiveDatetime


class Alert(Model):
    id: int
    timestamp: NaiveDatetime
    rule_id: int
    rule_name: str | None
    instrument_id: int
    instrument_symbol: str
    trigger_value: float
    threshold_value: float
    fired_status: str
    delivery_status: str
    rule_condition: str
    evaluation_time_ms: int | None
    alert_message: str | None


class Alerts(Model):
    alerts: list[Alert]
    total: int
    has_more: bool
    page: int
    limit: int


class AlertStats(Model):
    total_alerts_today: int
    total_alerts_this_week: int
    avg_evaluation_time_ms: float | None
    fastest_evaluation_ms: int | None
    slowest_evaluation_ms: int | None
    alerts_by_instrument: dict[str, int]
    alerts_by_rule_type: dict[str, int]


class Health(Model):
    status: Literal["healthy", "degraded", "unhealthy"]
    ingestion_active: bool
    last_tick: NaiveDatetime | None
    api_connected: bool
    active_instruments: int
    total_rules: int
    last_alert: NaiveDatetime | None
    historical_data_service: dict[str, Any] | None


class SystemStats(Model):
    database_status: str
    total_instruments: int
    active_instruments: int
    total_rules: int
    active_rules: int
    total_ticks_today: int
    total_alerts_today: int
    avg_evaluation_time_ms: float | None


class DatabaseFigures(Model):
    connection_pool_utilization: float
    avg_connection_wait_time_ms: float
    total_active_connections: int
    max_connections: int
    insert_performance_ops_per_sec: float
    insert_performance_improvement_pct: float
    query_response_time_ms: float
    slow_queries_count: int
    float_calculation_speedup: float
    index_efficiency_score: float


class PartitionFigures(Model):
    total_partitions: int
    market_data_partitions: int
    alert_log_partitions: int
    total_storage_mb: float
    largest_partition_mb: float
    oldest_partition_age_days: int
    partition_creation_success_rate: float
    archival_queue_size: int


class DatabaseHealth(Model):
    status: str
    performance_metrics: DatabaseFigures
    partition_health: PartitionFigures
    last_maintenance_run: NaiveDatetime | None
    next_scheduled_maintenance: NaiveDatetime | None
    alerts: list[str]
    recommendations: list[str]


class Bar(Model):
    timestamp: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    open_interest: int | None


class Bars(Model):
    symbol: str
    frequency: str
    start_date: datetime | None
    end_date: datetime | None
    total_bars: int
    data_source: str
    cached: bool
    bars: list[Bar]


class Reply(Model):
    success: bool
    message: str
    timestamp: NaiveDatetime


class FetchedBars(Reply):
    total_symbols: int
    data: list[Bars]


class DataSource(Model):
    name: str
    provider_type: str
    is_active: bool
    rate_limit_per_minute: int
    supported_frequencies: list[str]


class DataSources(Reply):
    sources: list[DataSource]


class SavedQuery(Reply):
    query_id: int


class LoadedQuery(Reply):
    query: dict[str, Any] | None


class ServiceStats(Reply):
    stats: dict[str, Any]


# What has no model there is an object, or a list, of anything.
ANSWERS = [
    (r"GET /api/instruments", list[Instrument]),
    (r"(GET|PUT) /api/instruments/\d+|POST /api/instruments", Instrument),
    (r"GET /api/rules", list[AlertRule]),
    (r"(GET|PUT) /api/rules/\d+|POST /api/rules", AlertRule),
    (r"GET /api/alerts", Alerts),
    (r"GET /api/alerts/stats", AlertStats),
    (r"GET /api/health", Health),
    (r"GET /api/health/detailed", SystemStats),
    (r"GET /api/health/database", DatabaseHealth),
    (r"POST /api/v1/historical-data/fetch", FetchedBars),
    (r"GET /api/v1/historical-data/sources", DataSources),
    (r"POST /api/v1/historical-data/queries/save", SavedQuery),
    (r"GET /api/v1/historical-data/queries/\d+", LoadedQuery),
    (r"GET /api/v1/historical-data/stats", ServiceStats),
    (r"GET /api/v1/historical-data/frequencies", list[str]),
    (r".*", dict[str, Any]),
]


# -- Messages of /ws/realtime ----------------------------------------------------------------------


class Connected(Model):
    connection_id: int
    server_time: NaiveDatetime
    active_connections: int


class Tick(Model):
    instrument_id: int
    symbol: str
    price: float
    volume: int
    timestamp: NaiveDatetime


class Fired(Model):
    rule_id: int
    instrument_id: int
    symbol: str
    trigger_value: float
    threshold_value: float
    condition: str
    timestamp: NaiveDatetime
    evaluation_time_ms: int | None


class DatabasePerformance(Model):
    connection_pool: dict[str, float]
    performance_metrics: dict[str, float]
    partition_health: dict[str, Any]
    alerts: list[str]
    overall_status: Literal["healthy", "degraded", "critical"]


class Pong(Model):
    server_time: NaiveDatetime


class Acknowledged(Model):
    subscribed_to: dict[str, Any]
    status: Literal["active"]


class Unknown(Model):
    message: str
    supported_types: list[str]


class Message(Model):
    type: str
    timestamp: NaiveDatetime
    data: dict[str, Any]


MESSAGES = {
    "connection_established": Connected,
    "tick_update": Tick,
    "alert_fired": Fired,
    "health_status": Health,
    "database_performance": DatabasePerformance,
    "pong": Pong,
    "subscription_acknowledged": Acknowledged,
    "error": Unknown,
}


class Socket:
    """The WebSocket; a message is taken by the model of its type, or the client fails."""

    def __init__(self, url: str) -> None:
        self.socket = connect(url, origin=PAGE, open_timeout=PATIENCE_SECONDS)

    def sent(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        self.socket.send(text)
        print(f"sent      {text}")

    def until(self, *types: str) -> list[Any]:
        """The data of the next message of each type; others are taken meanwhile."""
        found: dict[str, Any] = {}
        while len(found) < len(types):
            message = Message.model_validate_json(self.socket.recv(timeout=PATIENCE_SECONDS))
            data = MESSAGES[message.type].model_validate(message.data)
            print(f"accepted  {message.type}: {data}")
            if message.type in types:
                found.setdefault(message.type, data)
        return [found[name] for name in types]


def asked(method: str, url: str, body: Any = None):
    """The status and the text of an answer."""
    data = body if isinstance(body, str) else None if body is None else json.dumps(body)
    headers = {"content-type": "application/json", "origin": PAGE}
    if data is not None:
        data = data.encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def stored(native: str, ticks: list[dict[str, Any]]) -> None:
    """Stores ticks as a feed does: by the native API."""
    data = json.dumps(ticks).encode()
    request = urllib.request.Request(f"{native}/api/market-data", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        report = json.load(answer)
    assert report["rejected"] == 0, report
    print(f"sent      {len(ticks)} ticks to {native}/api/market-data")


def tick(at: datetime, price: float, symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "timestamp": at.isoformat(), "price": price, "volume": 8}


def model_of(method: str, path: str):
    name = f"{method} {path.split('?')[0]}"
    return next(TypeAdapter(model) for form, model in ANSWERS if re.fullmatch(form, name))


def uncut(answer: Any) -> Any:
    """A recorded answer without the text that stands for the items which were left out."""
    if isinstance(answer, dict):
        return {name: uncut(value) for name, value in answer.items()}
    if isinstance(answer, list):
        cut = re.compile(r"\.\.\. \d+ items in all")
        return [uncut(item) for item in answer if not (isinstance(item, str) and cut.fullmatch(item))]
    return answer


def accepted(url: str, method: str, path: str, body: Any = None) -> Any:
    """The answer, which must be 200 and taken by its model."""
    status, text = asked(method, url + path, body)
    assert status == 200, f"{method} {path}: {status} {text}"
    answer = model_of(method, path).validate_json(text)
    print(f"accepted  {method} {path}: {answer}")
    return answer


def replay(contract: str, recorded: list[dict[str, Any]]) -> None:
    """Asks again what the original was asked; each answer with 200 must be taken by its model."""
    taken = same = 0
    for of in recorded:
        method, path = of["method"], of["path"]
        model = model_of(method, path)
        if of["status"] == 200:
            model.validate_python(uncut(of["answer"]))
        status, text = asked(method, contract + path, of["body"])
        assert status < 500, f"{method} {path}: {status} {text}"
        if status == 200:
            model.validate_json(text)
            taken += 1
        same += status == of["status"]
        what = "accepted" if status == 200 else "refused "
        body = "" if of["body"] is None else f" {json.dumps(of['body'])}"
        print(f"{what}  {status} (recorded {of['status']}) {method} {path}{body}")
    print(f"{len(recorded)} requests, {same} answers with the recorded status; "
          f"{taken} answers with 200, each taken by its model")


def realtime(contract: str, native: str) -> None:
    """Ticks, alerts and health as they come."""
    socket = Socket(contract.replace("http:", "ws:") + "/ws/realtime")
    socket.until("connection_established")
    socket.sent({"type": "ping", "timestamp": datetime.now(timezone.utc).isoformat()})
    socket.until("pong")
    socket.sent({"type": "subscribe", "data": {"instruments": [1]}})
    (acknowledged,) = socket.until("subscription_acknowledged")
    assert acknowledged.subscribed_to == {"instruments": [1]}, acknowledged
    socket.sent({"type": "shout"})
    socket.until("error")
    # An instrument of its own: no other rule fires.
    new = {"symbol": "CLIENT", "name": "of the client", "type": "index"}
    instrument = accepted(contract, "POST", "/api/instruments", new)
    new = {"instrument_id": instrument.id, "rule_type": "threshold", "condition": "above",
           "threshold": 1641.25, "cooldown_seconds": 0}
    rule = accepted(contract, "POST", "/api/rules", new)
    now = datetime.now(timezone.utc)
    stored(native, [tick(now, 1641.5, instrument.symbol)])
    seen, fired = socket.until("tick_update", "alert_fired")
    assert (seen.symbol, seen.price, seen.volume) == (instrument.symbol, 1641.5, 8), seen
    assert seen.timestamp == now.replace(tzinfo=None), seen
    assert (fired.rule_id, fired.trigger_value, fired.threshold_value) == (rule.id, 1641.5, 1641.25)
    health, _ = socket.until("health_status", "database_performance")
    # A later round has seen the tick.
    while health.last_tick != seen.timestamp:
        (health,) = socket.until("health_status")
    assert accepted(contract, "GET", f"/api/alerts?rule_id={rule.id}").total == 1
    accepted(contract, "GET", "/api/alerts/stats")
    socket.socket.close()


def main() -> None:
    contract, native, recorded = sys.argv[1:]
    with open(recorded, encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    # Bars of a month, for the requests that ask for them.
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    hours = [today - timedelta(days=day, hours=-hour) for day in range(30, 0, -1) for hour in range(10, 16)]
    stored(native, [tick(at, 1600 + at.day + at.hour / 4, "ES") for at in hours])
    # First: what was recorded counts on a new database.
    replay(contract, recorded)
    realtime(contract, native)


main()

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
from typing import Any, Dict, List, Literal, Optional

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
    last_tick: Optional[NaiveDatetime]
    last_price: Optional[float]
    created_at: NaiveDatetime


class AlertRule(Model):
    id: int
    instrument_id: int
    instrument_symbol: str
    rule_type: str
    condition: str
    threshold: float
    active: bool
    name: Optional[str]
    description: Optional[str]
    time_window_seconds: Optional[int]
    moving_average_period: Optional[int]
    cooldown_seconds: int
    last_triggered: Optional[NaiveDatetime]
    created_at: NaiveDatetime


class Alert(Model):
    id: int
    timestamp: NaiveDatetime
    rule_id: int
    rule_name: Optional[str]
    instrument_id: int
    instrument_symbol: str
    trigger_value: float
    threshold_value: float
    fired_status: str
    delivery_status: str
    rule_condition: str
    evaluation_time_ms: Optional[int]
    alert_message: Optional[str]


class Alerts(Model):
    alerts: List[Alert]
    total: int
    has_more: bool
    page: int
    limit: int


class AlertStats(Model):
    total_alerts_today: int
    total_alerts_this_week: int
    avg_evaluation_time_ms: Optional[float]
    fastest_evaluation_ms: Optional[int]
    slowest_evaluation_ms: Optional[int]
    alerts_by_instrument: Dict[str, int]
    alerts_by_rule_type: Dict[str, int]


class Health(Model):
    status: Literal["healthy", "degraded", "unhealthy"]
    ingestion_active: bool
    last_tick: Optional[NaiveDatetime]
    api_connected: bool
    active_instruments: int
    total_rules: int
    last_alert: Optional[NaiveDatetime]
    historical_data_service: Optional[Dict[str, Any]]


class SystemStats(Model):
    database_status: str
    total_instruments: int
    active_instruments: int
    total_rules: int
    active_rules: int
    total_ticks_today: int
    total_alerts_today: int
    avg_evaluation_time_ms: Optional[float]


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
    last_maintenance_run: Optional[NaiveDatetime]
    next_scheduled_maintenance: Optional[NaiveDatetime]
    alerts: List[str]
    recommendations: List[str]


class Bar(Model):
    timestamp: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    open_interest: Optional[int]


class Bars(Model):
    symbol: str
    frequency: str
    start_date: Optional[datetime]
    end_date: Optional[datetime]
    total_bars: int
    data_source: str
    cached: bool
    bars: List[Bar]


class Reply(Model):
    success: bool
    message: str
    timestamp: NaiveDatetime


class FetchedBars(Reply):
    total_symbols: int
    data: List[Bars]


class DataSource(Model):
    name: str
    provider_type: str
    is_active: bool
    rate_limit_per_minute: int
    supported_frequencies: List[str]


class DataSources(Reply):
    sources: List[DataSource]


class SavedQuery(Reply):
    query_id: int


class LoadedQuery(Reply):
    query: Optional[Dict[str, Any]]


class ServiceStats(Reply):
    stats: Dict[str, Any]


# What has no model there is an object, or a list, of anything.
ANSWERS = [
    (r"GET /api/instruments", List[Instrument]),
    (r"(GET|PUT) /api/instruments/\d+|POST /api/instruments", Instrument),
    (r"GET /api/rules", List[AlertRule]),
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
    (r"GET /api/v1/historical-data/frequencies", List[str]),
    (r".*", Dict[str, Any]),
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
    evaluation_time_ms: Optional[int]


class DatabasePerformance(Model):
    connection_pool: Dict[str, float]
    performance_metrics: Dict[str, float]
    partition_health: Dict[str, Any]
    alerts: List[str]
    overall_status: Literal["healthy", "degraded", "critical"]


class Pong(Model):
    server_time: NaiveDatetime


class Acknowledged(Model):
    subscribed_to: Dict[str, Any]
    status: Literal["active"]


class Unknown(Model):
    message: str
    supported_types: List[str]


class Message(Model):
    type: str
    timestamp: NaiveDatetime
    data: Dict[str, Any]


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
        self.seen: List[Message] = []

    def sent(self, message: Dict[str, Any]) -> None:
        text = json.dumps(message)
        self.socket.send(text)
        print(f"sent      {text}")

    def until(self, *types: str) -> List[Any]:
        """The data of the next message of each type; others are taken meanwhile."""
        found: Dict[str, Any] = {}
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


def stored(native: str, ticks: List[Dict[str, Any]]) -> None:
    """Stores ticks as a feed does: by the native API."""
    data = json.dumps(ticks).encode()
    request = urllib.request.Request(f"{native}/api/market-data", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        report = json.load(answer)
    assert report["rejected"] == 0, report
    print(f"sent      {len(ticks)} ticks to {native}/api/market-data")


def tick(at: datetime, price: float, symbol: str = "ES") -> Dict[str, Any]:
    return {"symbol": symbol, "timestamp": at.isoformat(), "price": price, "volume": 8}


def realtime(contract: str, native: str) -> None:
    socket = Socket(contract.replace("http:", "ws:") + "/ws/realtime")
    socket.until("connection_established")
    socket.sent({"type": "ping", "timestamp": datetime.now(timezone.utc).isoformat()})
    socket.until("pong")
    socket.sent({"type": "subscribe", "data": {"instruments": [1]}})
    (acknowledged,) = socket.until("subscription_acknowledged")
    assert acknowledged.subscribed_to == {"instruments": [1]}, acknowledged
    socket.sent({"type": "shout"})
    socket.until("error")
    rule = {"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 1641.25,
            "name": "of the client", "cooldown_seconds": 0}
    status, text = asked("POST", f"{contract}/api/rules", rule)
    assert status == 200, text
    rule = AlertRule.model_validate_json(text)
    print(f"accepted  POST /api/rules: {rule}")
    now = datetime.now(timezone.utc)
    stored(native, [tick(now, 1641.5)])
    seen, fired = socket.until("tick_update", "alert_fired")
    assert (seen.symbol, seen.price, seen.volume) == ("ES", 1641.5, 8), seen
    assert seen.timestamp == now.replace(tzinfo=None), seen
    assert (fired.rule_id, fired.trigger_value, fired.threshold_value) == (rule.id, 1641.5, 1641.25)
    health, performance = socket.until("health_status", "database_performance")
    # The next round has seen the tick.
    while not health.api_connected:
        (health,) = socket.until("health_status")
    status, text = asked("DELETE", f"{contract}/api/rules/{rule.id}")
    assert status == 200, text
    socket.socket.close()


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


def replay(contract: str, recorded: List[Dict[str, Any]]) -> None:
    """Asks again what the original was asked; each answer with 200 must be taken by its model."""
    accepted = 0
    for of in recorded:
        method, path = of["method"], of["path"]
        model = model_of(method, path)
        if of["status"] == 200:
            model.validate_python(uncut(of["answer"]))
        status, text = asked(method, contract + path, of["body"])
        assert status < 500, f"{method} {path}: {status} {text}"
        if status == 200:
            model.validate_json(text)
            accepted += 1
        what = "accepted" if status == 200 else "refused "
        body = "" if of["body"] is None else f" {json.dumps(of['body'])}"
        print(f"{what}  {status} (recorded {of['status']}) {method} {path}{body}")
    print(f"{len(recorded)} requests, {accepted} answers with 200, each taken by its model")


def main() -> None:
    contract, native, recorded = sys.argv[1:]
    with open(recorded, encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    realtime(contract, native)
    # Bars of a month, for the requests that ask for them.
    now = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [now - timedelta(days=day, hours=-hour) for day in range(1, 31) for hour in range(10, 16)]
    stored(native, [tick(at, 1600 + at.day + at.hour / 4) for at in sorted(days)])
    replay(contract, recorded)


main()

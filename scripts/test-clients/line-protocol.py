"""Clients of InfluxDB and QuestDB before tickbase, with real trades and writes that fail.

    TOKEN=.. line-protocol.py URL TRADES.csv.gz
"""

import csv
import gzip
import http.client
import http.server
import importlib.metadata
import json
import logging
import os
import sys
import threading
import urllib.parse
import urllib.request
import warnings
from datetime import datetime, timezone

warnings.filterwarnings("ignore", category=DeprecationWarning)
# The clients log each write that they send again.
logging.disable(logging.WARNING)

import pandas as pd
from influxdb import InfluxDBClient as ClientOfOne
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError
from influxdb_client import InfluxDBClient as ClientOfTwo
from influxdb_client import Point as PointOfTwo
from influxdb_client import WriteOptions as OptionsOfTwo
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from influxdb_client_3 import InfluxDBClient3, InfluxDBError, write_client_options
from influxdb_client_3 import Point as PointOfThree
from influxdb_client_3 import WriteOptions as OptionsOfThree
from questdb.ingress import IngressError, Sender, TimestampNanos

TRADES = 5_000
BATCH = 500
# Writes of each client that are answered with 503: every second one is passed on before.
FAILED_WRITES = 6


class Trade:
    """A trade, and the nanoseconds since 1970 that it was at."""

    def __init__(self, number, row):
        moment = datetime.fromisoformat(row["DateTime"]).replace(tzinfo=timezone.utc)
        since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
        micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        self.number = number
        self.nanos = micros * 1_000
        self.price = float(row["Price"])
        self.volume = int(row["Volume"])


def trades_of(path):
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.DictReader(file)
        return [Trade(number, row) for number, row in zip(range(TRADES), rows)]


class Proxy:
    """Passes requests on, and answers 503 for the next writes, before or after they were passed on."""

    def __init__(self, target):
        self.target = urllib.parse.urlsplit(target)
        self.lock = threading.Lock()
        self.begin()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                proxy.handle(self)

            do_GET = do_POST = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def begin(self, failures=0):
        """Counts anew, and lets the next writes fail."""
        self.failures = failures
        self.writes = self.refused_before = self.refused_after = 0

    def plan(self, path):
        """What becomes of a write: whether it is passed on, and whether its answer is."""
        if not path.split("?")[0].endswith("/write"):
            return True, True
        with self.lock:
            self.writes += 1
            if self.failures == 0:
                return True, True
            self.failures -= 1
            if self.failures % 2:
                self.refused_before += 1
                return False, False
            self.refused_after += 1
            return True, False

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        passes_on, answers = self.plan(handler.path)
        if passes_on:
            connection = http.client.HTTPConnection(self.target.netloc, timeout=60)
            connection.request(handler.command, handler.path, body, dict(handler.headers))
            answer = connection.getresponse()
            status, headers, text = answer.status, answer.getheaders(), answer.read()
            connection.close()
        if not answers:
            if passes_on:
                check(status == 204, f"{status} {text}")
            status, headers = 503, [("content-type", "application/json")]
            text = b'{"code":"unavailable","message":"the proxy lets this fail"}'
        handler.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "date", "server", "connection"):
                handler.send_header(name, value)
        if status != 204:
            handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)


class Native:
    """The API that tells what is stored."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def call(self, path, body=None):
        request = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {self.token}"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def add(self, symbol):
        new = {"symbol": symbol, "name": f"Trades of {symbol}", "type": "future"}
        return self.call("/api/instruments", new)["id"]

    def ticks(self, instrument):
        ticks, cursor = [], ""
        while cursor is not None:
            page = self.call(f"/api/market-data/{instrument}?order=asc&limit=5000{cursor}")
            ticks += page["ticks"]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        return ticks


def check(holds, why):
    if not holds:
        raise SystemExit(f"line-protocol: {why}")


def batches(trades, size=BATCH):
    return [trades[start : start + size] for start in range(0, len(trades), size)]


def until_accepted(send, errors):
    """What a careful caller does whose client gives up at once: it sends the same again."""
    for _ in range(FAILED_WRITES + 1):
        try:
            return send()
        except errors:
            continue
    raise SystemExit("line-protocol: no attempt was accepted")


# -- The clients: each sends trades, and a text whose second line is wrong ------------------------


def questdb_sender(port, token, more=""):
    return Sender.from_conf(f"http::addr=127.0.0.1:{port};token={token};{more}")


def questdb_rows(port, token, symbol, trades):
    with questdb_sender(port, token, f"auto_flush_rows={BATCH};auto_flush_interval=off;") as sender:
        for it in trades:
            columns = {"price": it.price, "volume": it.volume}
            sender.row("ticks", symbols={"symbol": symbol}, columns=columns, at=TimestampNanos(it.nanos))


def frame_of(symbol, trades):
    frame = pd.DataFrame(
        {
            "symbol": pd.Categorical([symbol] * len(trades)),
            "price": [it.price for it in trades],
            "volume": [it.volume for it in trades],
            "bid": float("nan"),
            "sequence": [it.number for it in trades],
        }
    )
    frame["at"] = pd.to_datetime([it.nanos for it in trades])
    return frame


def questdb_dataframe(port, token, symbol, trades, size=[BATCH]):
    # With a sequence, and cut otherwise each time: each trade is known by its number.
    size[0] += 111
    with questdb_sender(port, token, "auto_flush=off;") as sender:
        for part in batches(trades, size[0]):
            sender.dataframe(frame_of(symbol, part), table_name="ticks", symbols=["symbol"], at="at")
            sender.flush()


def questdb_wrong(port, token, symbol):
    try:
        with questdb_sender(port, token) as sender:
            at = TimestampNanos(1)
            sender.row("ticks", symbols={"symbol": symbol}, columns={"price": 1.0}, at=at)
            sender.row("ticks", symbols={"symbol": symbol}, columns={"prise": 1.0}, at=at)
    except IngressError as error:
        return str(error)


def points_of(kind, symbol, trades):
    for it in trades:
        point = kind("ticks").tag("symbol", symbol)
        yield point.field("price", it.price).field("volume", it.volume).time(it.nanos)


def wrong_points(kind, symbol):
    point = kind("ticks").tag("symbol", symbol)
    return [point.field("price", 1.0).time(1), kind("ticks").tag("symbol", symbol).field("prise", 1.0).time(1)]


def client_of_two(port, token):
    return ClientOfTwo(f"http://127.0.0.1:{port}", token=token, org="any", enable_gzip=True)


def influxdb2_batching(port, token, symbol, trades):
    # By count alone, so that the second time has the same texts.
    options = OptionsOfTwo(
        batch_size=BATCH, flush_interval=60_000, retry_interval=50, jitter_interval=0, max_retries=FAILED_WRITES + 1
    )
    with client_of_two(port, token) as client:
        check(client.ping(), "influxdb-client: there is no ping")
        with client.write_api(write_options=options) as ticks:
            for point in points_of(PointOfTwo, symbol, trades):
                ticks.write("any", record=point)


def influxdb2_synchronous(port, token, symbol, trades):
    with client_of_two(port, token) as client:
        ticks = client.write_api(write_options=SYNCHRONOUS)
        for part in batches(trades):
            points = list(points_of(PointOfTwo, symbol, part))
            until_accepted(lambda: ticks.write("any", record=points), ApiException)


def influxdb2_wrong(port, token, symbol):
    try:
        with client_of_two(port, token) as client:
            points = wrong_points(PointOfTwo, symbol)
            client.write_api(write_options=SYNCHRONOUS).write("any", record=points)
    except ApiException as error:
        return error.message or str(error)


def influxdb3(port, token, symbol, trades):
    options = OptionsOfThree(
        batch_size=BATCH, flush_interval=60_000, retry_interval=50, jitter_interval=0, max_retries=FAILED_WRITES + 1
    )
    options = write_client_options(write_options=options)
    with InfluxDBClient3(
        host=f"http://127.0.0.1:{port}", token=token, database="any", write_client_options=options
    ) as client:
        for point in points_of(PointOfThree, symbol, trades):
            client.write(point)


def influxdb3_wrong(port, token, symbol):
    try:
        with InfluxDBClient3(host=f"http://127.0.0.1:{port}", token=token, database="any") as client:
            client.write(wrong_points(PointOfThree, symbol))
    except InfluxDBError as error:
        return error.message or str(error)


def client_of_one(port, token):
    return ClientOfOne("127.0.0.1", port, "any", token, "any")


def rows_of(symbol, trades):
    return [
        {
            "measurement": "ticks",
            "tags": {"symbol": symbol},
            "time": it.nanos // 1_000_000,
            "fields": {"price": it.price, "volume": it.volume},
        }
        for it in trades
    ]


def influxdb1(port, token, symbol, trades):
    client = client_of_one(port, token)
    check(client.ping(), "influxdb: there is no ping")
    for part in batches(trades):
        rows = rows_of(symbol, part)
        until_accepted(lambda: client.write_points(rows, time_precision="ms"), InfluxDBServerError)


def influxdb1_wrong(port, token, symbol):
    lines = [f"ticks,symbol={symbol} price=1 1", f"ticks,symbol={symbol} prise=1 1"]
    try:
        client_of_one(port, token).write_points(lines, time_precision="n", protocol="line")
    except InfluxDBClientError as error:
        return str(error)


CLIENTS = [
    ("questdb", "rows", questdb_rows, questdb_wrong),
    ("questdb", "DataFrame", questdb_dataframe, questdb_wrong),
    ("influxdb-client", "batching, gzip", influxdb2_batching, influxdb2_wrong),
    ("influxdb-client", "synchronous, gzip", influxdb2_synchronous, influxdb2_wrong),
    ("influxdb3-python", "batching", influxdb3, influxdb3_wrong),
    ("influxdb", "write_points", influxdb1, influxdb1_wrong),
]


def works(name, mode, send, send_wrong, proxy, native, token, trades):
    symbol = f"{name} {mode}".upper().replace(",", "").replace(" ", "-")[:32]
    instrument = native.add(symbol)
    proxy.begin(FAILED_WRITES)
    send(proxy.port, token, symbol, trades)
    writes, before, after = proxy.writes, proxy.refused_before, proxy.refused_after
    check((before, after) == (FAILED_WRITES // 2,) * 2, f"{name}: {before} and {after} writes failed")
    first = native.ticks(instrument)
    proxy.begin()
    send(proxy.port, token, symbol, trades)
    again, ticks = proxy.writes, native.ticks(instrument)
    check(len(first) == len(ticks), f"{name}: {len(first)} ticks, {len(ticks)} when all was sent again")
    found = sorted((it["timestamp"], it["price"], it["volume"]) for it in ticks)
    stamp = lambda it: datetime.fromtimestamp(it.nanos // 1_000_000_000, timezone.utc)
    text = lambda it: f"{stamp(it):%Y-%m-%dT%H:%M:%S}.{it.nanos // 1_000 % 1_000_000:06}Z"
    sent = sorted((text(it), it.price, it.volume) for it in trades)
    check(found == sent, f"{name}: {len(sent)} trades were sent, {len(found)} are stored, or others")
    said = send_wrong(proxy.port, token, symbol)
    check(said and "line 2: no tick has a field" in said, f"{name} shows of a wrong line: {said}")
    check(native.ticks(instrument) == ticks, f"{name}: a text with a wrong line has stored something")
    version = importlib.metadata.version(name)
    print(
        f"{name} {version} ({mode}): sent {len(sent):,} trades in {writes} writes, of which {before} were refused "
        f"before and {after} after their commit, and all again in {again}; stored {len(found):,}, volume "
        f"{sum(it['volume'] for it in ticks):,}; shows the wrong line"
    )


def password_in_the_url(url, token):
    """What clients of the first version in other languages do; the log must not have it."""
    query = urllib.parse.urlencode({"db": "any", "rp": "", "u": "any", "p": token, "precision": "ms"})
    line = b"ticks,symbol=SPX price=1641.5 1378203780074"
    with urllib.request.urlopen(urllib.request.Request(f"{url}/write?{query}", line)) as answer:
        check(answer.status == 204, f"a password in the URL: {answer.status}")


def main():
    url, path = sys.argv[1:]
    token = os.environ["TOKEN"]
    native, proxy, trades = Native(url, token), Proxy(url), trades_of(path)
    password_in_the_url(url, token)
    for client in CLIENTS:
        works(*client, proxy, native, token, trades)


main()

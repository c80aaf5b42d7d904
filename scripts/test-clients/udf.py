"""A chart before tickbase: it asks as TradingView's UDF datafeed does, and draws nothing.

    udf.py URL TRADES.csv.gz

The rules are those of the datafeed and of the library above it: symbols are asked for by their
`ticker`; the first page is the newest one; each further page ends where the one before began (`to` is not
part of it) and asks for so many bars by `countback`; `no_data` without a `nextTime` ends it.
"""

import json
import sys
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

COLUMNS = [("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"), ("v", "volume")]
FREQUENCIES = {
    "1": "1min", "5": "5min", "15": "15min", "30": "30min", "60": "1h", "240": "4h", "1D": "1d", "1W": "1w", "1M": "1M",
}  # fmt: skip
# What a chart asks for at first, by the width of its window.
PAGES = [7, 329]
MINUTE = timedelta(minutes=1)


def check(holds, why):
    if not holds:
        raise SystemExit(f"udf: {why}")


class Server:
    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{query}") as answer:
            return json.load(answer)

    def post(self, path, body, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, {"content-type": kind})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def native_bars(self, symbol, frequency):
        """Every bar, by pages of the native API."""
        bars, end = [], None
        while True:
            asked = {"symbols": [symbol], "frequency": frequency, "end_date": end}
            found = self.post("/api/historical-data/fetch", asked)["data"][0]
            bars = found["bars"] + bars
            if not found["has_more"]:
                return bars
            end = found["bars"][0]["timestamp"]


def seconds(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


class Chart:
    """The datafeed and what the library keeps of its answers."""

    def __init__(self, server, symbol):
        self.server = server
        config = server.get("/udf/config")
        # Both false, or both true, throws in the client.
        check(config["supports_search"] and not config["supports_group_request"], f"config: {config}")
        self.resolutions = config["supported_resolutions"]
        finds = server.get("/udf/search", query=symbol, type="", exchange="", limit=30)
        name = finds[0]["full_name"]
        self.symbol = server.get("/udf/symbols", symbol=name)
        check(self.symbol["name"] == symbol, f"{name} is {self.symbol}")

    def page(self, resolution, since, to, count, first):
        parameters = {
            "symbol": self.symbol["ticker"],
            "resolution": resolution,
            "from": since,
            "to": to,
            "countback": count,
            "firstDataRequest": str(first).lower(),
            "currencyCode": "USD",
        }
        answer = self.server.get("/udf/history", **parameters)
        check(answer["s"] in ("ok", "no_data"), f"{parameters}: {answer}")
        return answer

    def history(self, resolution, count, now):
        """All bars, as a user gets them who scrolls to the beginning, and the number of pages."""
        bars, to, pages = [], now, 0
        while True:
            # The library guesses a start that a market without gaps would have.
            answer = self.page(resolution, to - count * 60, to, count, pages == 0)
            pages += 1
            if answer["s"] == "no_data":
                check("nextTime" not in answer, f"{resolution}: {answer}")
                return bars, pages
            rows = list(zip(answer["t"], *(answer[column] for column, _ in COLUMNS), strict=True))
            check(rows[-1][0] < to, f"{resolution}: a bar at {rows[-1][0]}, which is not before {to}")
            check(len(rows) <= count, f"{resolution}: {len(rows)} bars, and {count} were asked for")
            bars = rows + bars
            to = rows[0][0]


def scrolls(chart, symbol, now):
    for resolution in chart.resolutions:
        native = chart.server.native_bars(symbol, FREQUENCIES[resolution])
        expected = [(seconds(bar["timestamp"]), *(bar[name] for _, name in COLUMNS)) for bar in native]
        pages_of = []
        for count in PAGES:
            bars, pages = chart.history(resolution, count, now)
            stamps = [bar[0] for bar in bars]
            check(stamps == sorted(set(stamps)), f"{symbol} {resolution}: not each bar once, in order")
            check(bars == expected, f"{symbol} {resolution}: {len(bars)} bars, not the {len(expected)} of the native API")
            full = -(-len(expected) // count) + 1
            check(pages == full, f"{symbol} {resolution}: {pages} pages of {count}, not {full}")
            pages_of.append(f"{pages} pages of {count}")
        print(f"{symbol} {resolution}: {len(expected):,} bars, each once and in order, in {' and in '.join(pages_of)}")


def polls(chart, symbol, start):
    """The datafeed asks for the newest two bars every ten seconds, and hands on what has changed."""
    last, drawn = None, {}
    for number in range(180):
        moment = start + timedelta(seconds=number)
        trade = {"symbol": symbol, "timestamp": moment.isoformat(), "price": 100 + number % 7, "volume": 1}
        chart.server.post("/api/market-data", [trade])
        if number % 10:
            continue
        now = int(moment.timestamp()) + 1
        answer = chart.page("1", now - 600, now, 2, False)
        rows = list(zip(answer["t"], answer["c"], answer["v"], strict=True))
        # It throws on a bar that is older than the one before.
        check(last is None or rows[-1][0] >= last, f"{symbol}: the newest bar goes back to {rows[-1][0]}")
        last = rows[-1][0]
        drawn |= {time: volume for time, _, volume in rows}
    minutes = [int((start + number * MINUTE).timestamp()) for number in range(3)]
    own = [drawn[minute] for minute in minutes]
    check(own == [60, 60, 51], f"{symbol}: the volumes of its minutes are {own}")
    print(f"{symbol} 1: 18 polls of the newest two bars saw 3 minutes grow to {own[0]:.0f}, {own[1]:.0f} and {own[2]:.0f} trades")


def bars_with_gaps(first, days):
    """Minutes of trading days of six and a half hours: nights, weekends, and now and then nothing."""
    yield "timestamp,open,high,low,close,volume"
    number = 0
    for day in range(days):
        opens = first + timedelta(days=day, hours=14, minutes=30)
        if opens.weekday() >= 5:
            continue
        for minute in range(390):
            number += 1
            if number % 97 == 0:
                continue
            price = 400 + number % 113 / 4
            yield f"{opens + minute * MINUTE:%Y-%m-%dT%H:%M:%SZ},{price},{price + 1},{price - 1},{price + 0.5},{number % 50}"


def main():
    url, trades = sys.argv[1:]
    server = Server(url)
    with open(trades, "rb") as file:
        server.post("/api/import?symbol=ES", file.read(), "application/octet-stream")
    first = datetime(2013, 7, 29, tzinfo=timezone.utc)
    text = "\n".join(bars_with_gaps(first, 45)).encode()
    server.post("/api/import?symbol=SPY&create=equity&frequency=1min", text, "text/csv")
    now = int(datetime(2013, 10, 1, tzinfo=timezone.utc).timestamp())
    check(server.get("/udf/symbols", symbol="NOPE")["s"] == "error", "an unknown symbol is described")
    for symbol in ("ES", "SPY"):
        scrolls(Chart(server, symbol), symbol, now)
    polls(Chart(server, "SPY"), "SPY", datetime(2013, 10, 2, 14, 30, tzinfo=timezone.utc))


main()

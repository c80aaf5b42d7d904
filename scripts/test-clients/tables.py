"""Dataframes before a server that answers with tables.

    tables.py TICKBASE DATABASE_URL SERVER_URL TRADES_FILE DIRECTORY

The trades of the file are repeated on as many days as half a million ticks take. Each client must have
all of them, with the types that it computes by; else this fails.
"""

import pathlib
import subprocess
import sys
import time
import urllib.request

import duckdb
import pandas as pd
import polars as pl
import pyarrow.ipc

ROWS = 500_000
tickbase, database, server, trades_file, directory = sys.argv[1:]
place = pathlib.Path(directory)
failures = []


def run(*arguments):
    command = [tickbase, "--database-url", database, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def stored():
    """The trades on as many days as it takes, as a Parquet file of polars."""
    day = pl.read_csv(trades_file).select(
        pl.col("DateTime").str.to_datetime(time_zone="UTC", time_unit="us").alias("timestamp"),
        pl.col("Price").alias("price"),
        pl.col("Volume").alias("volume"),
    )
    days = -(-ROWS // day.height)
    all_days = [day.with_columns(pl.col("timestamp") + pl.duration(days=n)) for n in range(days)]
    ticks = pl.concat(all_days).head(ROWS)
    ticks.write_parquet(place / "trades.parquet")
    return ticks


def told(name, rows, price, kind, seconds):
    is_right = rows == ROWS and price == total and "UTC" in str(kind)
    print(
        f"{name:<44} {rows:>7} rows, prices {price:.2f}, {kind}: {seconds:6.2f} s,"
        f" {seconds / export_seconds:5.2f} of the export{'' if is_right else '  WRONG'}"
    )
    if not is_right:
        failures.append(name)


def timed(name, read, figures):
    began = time.monotonic()
    frame = read()
    seconds = time.monotonic() - began
    told(name, *figures(frame), seconds)
    return seconds


def of_pandas(frame):
    assert str(frame["price"].dtype) == "float64" and str(frame["sequence"].dtype) == "int64"
    return len(frame), frame["price"].sum(), frame["timestamp"].dtype


def of_polars(frame):
    assert frame.schema["price"] == pl.Float64 and frame.schema["sequence"] == pl.Int64
    return frame.height, frame["price"].sum(), frame.schema["timestamp"]


def of_duckdb(relation):
    rows, price = relation.aggregate("count(*), sum(price)").fetchall()[0]
    kind = dict(zip(relation.columns, relation.types))["timestamp"]
    return rows, price, f"{kind} (UTC)" if str(kind) == "TIMESTAMP WITH TIME ZONE" else kind


def of_ndjson(address):
    frame = pl.read_ndjson(urllib.request.urlopen(address).read())
    return frame.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC", time_unit="us"))


ticks = stored()
total = ticks["price"].sum()
began = time.monotonic()
imported = run("import", place / "trades.parquet", "--symbol", "ES", "--json")
assert f'"inserted":{ROWS}' in imported.replace(" ", ""), imported
print(f"{'import of a Parquet file that polars wrote':<44} {ROWS:>7} rows: {time.monotonic() - began:6.2f} s")

began = time.monotonic()
run("export", "--symbol", "ES", "--out", place / "ticks.csv")
export_seconds = time.monotonic() - began
print(f"{'tickbase export, to a CSV file':<44} {ROWS:>7} rows: {export_seconds:6.2f} s")

url = f"{server}/api/ticks?symbol=ES&format="
within = [
    timed("pandas.read_csv by HTTP", lambda: pd.read_csv(url + "csv", parse_dates=["timestamp"]), of_pandas),
    timed("pandas.read_parquet by HTTP", lambda: pd.read_parquet(url + "parquet"), of_pandas),
    timed("polars.read_parquet by HTTP", lambda: pl.read_parquet(url + "parquet"), of_polars),
    timed("polars.read_csv by HTTP", lambda: pl.read_csv(url + "csv", try_parse_dates=True), of_polars),
    timed(
        "pyarrow stream by HTTP, to pandas",
        lambda: pyarrow.ipc.open_stream(urllib.request.urlopen(url + "arrow")).read_pandas(),
        of_pandas,
    ),
    timed(
        "polars.read_ipc_stream by HTTP",
        lambda: pl.read_ipc_stream(urllib.request.urlopen(url + "arrow").read()),
        of_polars,
    ),
    timed("polars.read_ndjson by HTTP", lambda: of_ndjson(url + "ndjson"), of_polars),
]


for form in ("parquet", "arrow"):
    run("export", "--symbol", "ES", "--format", form, "--out", place / f"ticks.{form}")
urllib.request.urlretrieve(url + "parquet", place / "fetched.parquet")
for name in ("fetched.parquet", "ticks.parquet"):
    read = f"duckdb read_parquet of {name}"
    timed(read, lambda: duckdb.sql(f"SELECT * FROM read_parquet('{place / name}')"), of_duckdb)
timed("polars.read_ipc_stream of ticks.arrow", lambda: pl.read_ipc_stream(place / "ticks.arrow"), of_polars)

minutes = pd.read_parquet(f"{server}/api/bars?symbol=ES&frequency=1min&format=parquet")
expected = (
    ticks.sort("timestamp", maintain_order=True)
    .group_by_dynamic("timestamp", every="1m")
    .agg(close=pl.col("price").last(), volume=pl.col("volume").sum())
)
same = (
    len(minutes) == expected.height
    and minutes["close"].sum() == expected["close"].sum()
    and minutes["volume"].sum() == expected["volume"].sum()
)
print(f"{'bars of a minute, against those of polars':<44} {len(minutes):>7} rows{'' if same else '  WRONG'}")
if not same:
    failures.append("bars")

slow = [seconds for seconds in within if seconds >= 3 * export_seconds]
if slow:
    failures.append(f"{len(slow)} clients took more than 3 times as long as the export")
if failures:
    sys.exit("not as it should be: " + "; ".join(failures))
print("every client has what was stored")

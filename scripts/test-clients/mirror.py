"""Programs before the mirror of the archive.

    mirror.py store TICKBASE DATABASE_URL TRADES_FILE DIRECTORY
    mirror.py read TICKBASE DATABASE_URL SERVER_URL DIRECTORY

Stores a tenth of the trades of the file on each of 62 days, as two instruments, and archives them by a policy. Then
each program must have of each instrument and month what the export has; else this fails.
"""

import io
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

import duckdb
import pandas as pd
import polars as pl

DAYS = 62
SYMBOLS = {"ES": 1.0, "EUR/USD": 0.0007}
mode, tickbase, database = sys.argv[1:4]
place = pathlib.Path(sys.argv[-1])
failures = []


def run(*arguments):
    command = [tickbase, "--database-url", database, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def store(trades_file):
    day = pl.read_csv(trades_file).gather_every(10).select(
        pl.col("DateTime").str.to_datetime(time_zone="UTC", time_unit="us").alias("timestamp"),
        pl.col("Price").alias("price"),
        pl.col("Volume").alias("volume"),
    )
    ticks = pl.concat([day.with_columns(pl.col("timestamp") + pl.duration(days=n)) for n in range(DAYS)])
    for symbol, factor in SYMBOLS.items():
        ticks.with_columns(pl.col("price") * factor).write_parquet(place / "trades.parquet")
        run("import", place / "trades.parquet", "--symbol", symbol, "--create", "future")
    run("retention", "set", "ticks", "--archive-after", "1d")
    print(run("retention", "run").strip())


def exported():
    """(ticks, sum of prices, sum of volumes) by symbol and month, of what is archived."""
    figures = {}
    archived = json.loads(run("archive", "list", "--json"))
    assert len(archived) == 4, archived
    for of in archived:
        text = run("export", "--symbol", of["symbol"], "--start", of["from"], "--end", of["to"], "--format", "csv")
        frame = pd.read_csv(io.StringIO(text))
        month = of["from"][5:7]
        figures[of["symbol"], month] = (len(frame), round(frame["price"].sum(), 6), frame["volume"].sum())
    return figures


def told(name, found):
    figures = {(str(symbol), f"{int(month):02}"): (rows, round(price, 6), volume) for symbol, month, rows, price, volume in found}
    is_right = figures == expected
    rows = sum(of[0] for of in figures.values())
    print(f"{name:<36} {rows:>9,} ticks of {len(figures)} files: {'the same' if is_right else f'OTHERS {figures}'}")
    if not is_right:
        failures.append(name)


def of_duckdb():
    query = f"""SELECT instrument, month, count(*), sum(price), sum(volume)
        FROM read_parquet('{place}/mirror/ticks/**/*.parquet', hive_partitioning = true) GROUP BY ALL"""
    return duckdb.sql(query).fetchall()


def of_pandas():
    # The keys of the directories are percent-encoded; the column has the symbol.
    frame = pd.read_parquet(f"{place}/mirror/ticks", columns=["symbol", "month", "price", "volume"])
    groups = frame.groupby(["symbol", "month"], observed=True)
    return [(symbol, month, len(of), of["price"].sum(), of["volume"].sum()) for (symbol, month), of in groups]


def polars_figures(frame):
    sums = [pl.len(), pl.col("price").sum().alias("prices"), pl.col("volume").sum().alias("volumes")]
    return frame.group_by("symbol", "month").agg(*sums).collect().rows()


def of_polars():
    return polars_figures(pl.scan_parquet(f"{place}/mirror/ticks/**/*.parquet", hive_partitioning=True))


def segments():
    return json.load(urllib.request.urlopen(f"{server}/api/archive/segments"))["segments"]


def of_polars_by_http():
    """It asks for the parts that it needs."""
    frames = [pl.scan_parquet(server + of["path"]).with_columns(month=pl.lit(of["starts_at"][5:7])) for of in segments()]
    return polars_figures(pl.concat(frames))


def of_pandas_by_http():
    found = []
    for of in segments():
        frame = pd.read_parquet(server + of["path"])
        found.append((of["symbol"], of["starts_at"][5:7], len(frame), frame["price"].sum(), frame["volume"].sum()))
    return found


if mode == "store":
    store(sys.argv[4])
    sys.exit()
server = sys.argv[4]
expected = exported()
deadline = time.monotonic() + 60
while len(list((place / "mirror").glob("ticks/**/*.parquet"))) < len(expected):
    assert time.monotonic() < deadline, "the server has not made the mirror"
    time.sleep(0.1)
for name, read in [
    ("DuckDB, the mirror", of_duckdb),
    ("pandas, the mirror", of_pandas),
    ("polars, the mirror", of_polars),
    ("polars, by HTTP in parts", of_polars_by_http),
    ("pandas, by HTTP", of_pandas_by_http),
]:
    told(name, read())
if failures:
    sys.exit("not as it should be: " + "; ".join(failures))
print("every program has what was archived")

"""Reads ticks and bars with DuckDB and pandas, beside tickbase.

Started by `benches/history.rs`; it needs duckdb, pandas and numpy:

    python history.py DATABASE

It reads the active ticks of a tickbase database (SQLite) once, into a DuckDB table in memory and
a pandas frame, both in the order of arrival. Then it answers lines `CONTENDER WORK FIRST LAST`
with the seconds that the work took and its sums, until standard input ends. Both hand their
results over as numpy arrays.
"""

import sqlite3
import sys
import time

import duckdb
import numpy as np
import pandas as pd

COLUMNS = ["instrument_id", "timestamp", "source_id", "sequence", "price", "volume", "bid", "ask",
           "bid_size", "ask_size", "open_price", "high_price", "low_price"]
MINUTE_MICROS = 60_000_000
ROWS_PER_FETCH = 100_000

BARS = f"""
    SELECT instrument_id, timestamp // {MINUTE_MICROS} AS minute, arg_min(price, sequence) AS open,
        max(price) AS high, min(price) AS low, arg_max(price, sequence) AS close,
        sum(volume) AS volume, sum(price * volume) AS turnover, count(*) AS ticks
    FROM ticks WHERE %s GROUP BY ALL ORDER BY ALL"""


def read(path):
    database = sqlite3.connect(path)
    rows = database.execute(
        f"SELECT {', '.join(COLUMNS)} FROM market_data WHERE deleted_at IS NULL")
    parts = []
    while part := rows.fetchmany(ROWS_PER_FETCH):
        parts.append(np.array(part, dtype=np.float64))
    frame = pd.DataFrame(np.concatenate(parts), columns=COLUMNS)
    whole = {name: np.int64 for name in COLUMNS[:4]}
    return frame.astype(whole).sort_values("sequence", ignore_index=True)


class DuckDb:
    def __init__(self, frame):
        self.connection = duckdb.connect()
        self.connection.execute("CREATE TABLE ticks AS SELECT * FROM frame")

    def arrays(self, query):
        return self.connection.execute(query).fetchnumpy()

    def latest(self, _first, _last):
        rows = self.arrays("SELECT instrument_id, arg_max(price, sequence) AS price FROM ticks "
                           "GROUP BY instrument_id ORDER BY instrument_id")
        return [rows["price"]]

    def range(self, first, last):
        rows = self.arrays(f"SELECT * FROM ticks WHERE instrument_id = 1 AND timestamp >= {first} "
                           f"AND timestamp < {last} ORDER BY sequence")
        return [rows["price"], rows["volume"], rows["bid"]]

    def bars_of_one(self, _first, _last):
        return self.bars("instrument_id = 1")

    def bars_of_all(self, _first, _last):
        return self.bars("true")

    def bars(self, which):
        rows = self.arrays(BARS % which)
        return [rows[name] for name in ["open", "high", "low", "close", "volume"]]


class Pandas:
    def __init__(self, frame):
        self.frame = frame

    def latest(self, _first, _last):
        newest = self.frame.drop_duplicates("instrument_id", keep="last")
        return [newest["price"].to_numpy()]

    def range(self, first, last):
        frame = self.frame
        rows = frame[(frame.instrument_id == 1) & (frame.timestamp >= first)
                     & (frame.timestamp < last)]
        return [rows[name].to_numpy() for name in ["price", "volume", "bid"]]

    def bars_of_one(self, _first, _last):
        return self.bars(self.frame[self.frame.instrument_id == 1])

    def bars_of_all(self, _first, _last):
        return self.bars(self.frame)

    def bars(self, rows):
        turnover = (rows.price * rows.volume).rename("turnover")
        grouped = rows.groupby([rows.instrument_id, rows.timestamp // MINUTE_MICROS])
        prices = grouped["price"].agg(["first", "max", "min", "last", "size"])
        volume = grouped["volume"].sum()
        _turnover = turnover.groupby([rows.instrument_id, rows.timestamp // MINUTE_MICROS]).sum()
        return [prices[name].to_numpy() for name in ["first", "max", "min", "last"]] + [
            volume.to_numpy()]


def main():
    frame = read(sys.argv[1])
    contenders = {"duckdb": DuckDb(frame), "pandas": Pandas(frame)}
    print("ready", len(frame), flush=True)
    for line in sys.stdin:
        contender, work, first, last = line.split()
        run = getattr(contenders[contender], work)
        began = time.perf_counter()
        arrays = run(int(first), int(last))
        seconds = time.perf_counter() - began
        sums = [len(arrays[0])] + [float(np.sum(array)) for array in arrays]
        print(seconds, *sums, flush=True)


if __name__ == "__main__":
    main()

"""Reads a file of archived ticks with other programs, and compares it with its rows as text.

    segments.py TICKS.parquet ROWS.csv
"""

import struct
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet

VALUES = ["price", "volume", "bid", "ask", "bid_size", "ask_size", "open_price", "high_price", "low_price"]
path, rows_path = sys.argv[1:]
with open(rows_path, encoding="utf-8") as rows:
    expected = rows.read()


def bits(value):
    """The bits of a number, as hexadecimal digits; nothing where there is none."""
    return "" if value is None or value is pd.NA else struct.pack(">d", value).hex()


def text(moments, sources, sequences, values):
    columns = [[bits(value) for value in column] for column in values]
    lines = zip(moments, sources, sequences, *columns)
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def duckdb_text():
    query = f"SELECT symbol, typeof(timestamp), epoch_us(timestamp), source, sequence, {', '.join(VALUES)} FROM read_parquet(?)"
    symbols, kinds, moments, sources, sequences, *values = zip(*duckdb.execute(query, [path]).fetchall())
    return set(symbols), set(kinds), text(moments, sources, sequences, values)


def pandas_text():
    frame = pd.read_parquet(path)
    moments = frame["timestamp"].astype("int64")
    values = [[None if pd.isna(value) else value for value in frame[name]] for name in VALUES]
    kinds = {str(frame["timestamp"].dtype)}
    return set(frame["symbol"]), kinds, text(moments, frame["source"], frame["sequence"], values)


def polars_text():
    frame = pl.read_parquet(path)
    moments = frame["timestamp"].cast(pl.Int64)
    kinds = {str(frame["timestamp"].dtype)}
    return set(frame["symbol"]), kinds, text(moments, frame["source"], frame["sequence"], [frame[name] for name in VALUES])


def pyarrow_text():
    table = pyarrow.parquet.read_table(path)
    column = lambda name: table.column(name).to_pylist()
    moments = table.column("timestamp").cast("int64").to_pylist()
    kinds = {str(table.schema.field("timestamp").type)}
    return set(column("symbol")), kinds, text(moments, column("source"), column("sequence"), [column(name) for name in VALUES])


failed = False
for name, read, kind in [
    ("DuckDB", duckdb_text, "TIMESTAMP WITH TIME ZONE"),
    ("pandas", pandas_text, "datetime64[us, UTC]"),
    ("polars", polars_text, "Datetime(time_unit='us', time_zone='UTC')"),
    ("pyarrow", pyarrow_text, "timestamp[us, tz=UTC]"),
]:
    symbols, kinds, found = read()
    same = symbols == {"EUR/USD"} and kinds == {kind} and found == expected
    failed |= not same
    print(f"{name}: {found.count(chr(10))} rows, {', '.join(kinds)}: {'the same' if same else 'OTHERS'}")
sys.exit(failed)

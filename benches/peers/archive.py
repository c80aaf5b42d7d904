"""Folds a segment of archived ticks into minute bars with DuckDB and one thread.

Started by `benches/archive.rs`; it needs duckdb and numpy:

    python archive.py FILE.parquet

For each line of its input it says the seconds of the processor that the bars took, how many there
are, and the sum of their volumes.
"""

import sys
import time

import duckdb

BARS = """
    SELECT time_bucket(INTERVAL 1 MINUTE, timestamp) AS minute, arg_min(price, (timestamp, sequence)) AS open,
        max(price) AS high, min(price) AS low, arg_max(price, (timestamp, sequence)) AS close, sum(volume) AS volume
    FROM read_parquet(?) GROUP BY minute ORDER BY minute"""

database = duckdb.connect()
database.execute("SET threads = 1")
for _ in sys.stdin:
    began = time.process_time()
    bars = database.execute(BARS, [sys.argv[1]]).fetchnumpy()
    took = time.process_time() - began
    print(took, len(bars["minute"]), repr(float(bars["volume"].sum())), flush=True)

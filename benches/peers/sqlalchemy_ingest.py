"""Stores ticks with SQLAlchemy core: executemany of 10,000 rows, each in a transaction.

Started by `by_sqlalchemy.rs`; it needs SQLAlchemy 2 and nothing else:

    python sqlalchemy_ingest.py DATABASE ROWS_FILE PRAGMA=VALUE..

The rows are read, and made the dictionaries that SQLAlchemy takes, before the clock starts.
Prints the seconds on the clock and the seconds of processor time.
"""

import sys
import time

from sqlalchemy import BigInteger, Column, Double, MetaData, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert

KEYS = ["instrument_id", "timestamp", "source_id", "sequence"]
VALUES = ["price", "volume", "bid", "ask", "bid_size", "ask_size", "open_price", "high_price", "low_price"]
ROWS_PER_TRANSACTION = 10_000


def read(path):
    rows = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            texts = line.rstrip("\n").split(",")
            row = {name: int(text) for name, text in zip(KEYS, texts)}
            row |= {name: float(text) if text else None for name, text in zip(VALUES, texts[4:])}
            rows.append(row)
    return rows


def main():
    database, rows_file, *pragmas = sys.argv[1:]
    columns = [Column(name, BigInteger, primary_key=True) for name in KEYS]
    columns += [Column(name, Double) for name in VALUES]
    market_data = Table("market_data", MetaData(), *columns)
    engine = create_engine(f"sqlite:///{database}")

    @event.listens_for(engine, "connect")
    def apply_pragmas(connection, _record):
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    rows = read(rows_file)
    batches = [rows[at : at + ROWS_PER_TRANSACTION] for at in range(0, len(rows), ROWS_PER_TRANSACTION)]
    statement = insert(market_data).on_conflict_do_nothing()
    engine.connect().close()
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        with engine.begin() as connection:
            stored = connection.execute(statement, batch).rowcount
            assert stored == len(batch), stored
    print(time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()

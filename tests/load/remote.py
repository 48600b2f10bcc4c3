"""Queries of states in a bucket: read where they lie, and from copies that are fetched first.

`python -m tests.load.remote [--rows N] [--width D] [--layers L]` prints seconds, requests and megabytes of each, before
a server of S3 on this machine, whose network is faster than any.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from tests.s3 import BUCKET, Store, credentials, s3_store
from tests.warehouse.lakes import put
from warehouse.catalog import ranged
from warehouse.catalog.catalog import query, rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

PART = 8192  # rows of a file
QUERIES = {
    "rows of each label": "select label, count(*) from states group by all",
    "one layer of one text": "select layer_1 from states where id = 'test-00000077'",
    "one layer of all": "select sum(state[1]) from layer_states where layer = 1",
    "every layer of all": "select layer, sum(state[1]) from layer_states group by all",
}


def publish(home: Home, rows: int, width: int, layers: int) -> float:
    """Publish states in one split and return their megabytes."""
    rng, parts = np.random.default_rng(0), {}
    for start in range(0, rows, PART):
        count = min(PART, rows - start)
        numbers = pa.array(np.arange(start, start + count) % 3, pa.int32())
        columns = {f"layer_{n}": vectors(rng.standard_normal((count, width), np.float32)) for n in range(1, layers + 1)}
        ids = [f"test-{number:08d}" for number in range(start, start + count)]
        part = pa.table({"id": ids, "label": numbers, "tokens": numbers, **columns})
        parts[f"part-{start:08d}-{start + count:08d}.parquet"] = part
    facts = {"layers": list(range(1, layers + 1))}
    manifest = put(Lake(home), "states", parts, facts=facts, model="tiny", dataset="mr", split="test")
    rebuild(home)
    return sum(entry.bytes for entry in manifest.files) / 1e6


def measured(store: Store, home: Home, sql: str) -> str:
    """Seconds, requests and megabytes of a query."""
    store.requests.clear()
    began = time.perf_counter()
    query(home, sql)
    took = time.perf_counter() - began
    return f"{took:.1f} s, {len(store.requests)} requests, {sum(each[3] for each in store.requests) / 1e6:.1f} MB"


def main(rows: int, width: int, layers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="remote-") as folder, s3_store() as store, ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, credentials(store)))
        url = f"s3://{BUCKET}/load"
        size = publish(Home(Path(folder) / "maker", url), rows, width, layers)
        sys.stdout.write(f"{rows:,} states of {layers} layers, {size:.0f} MB\n")
        sys.stdout.write("| query | read in place | again | fetched first | again |\n|---|---|---|---|---|\n")
        for number, (name, sql) in enumerate(QUERIES.items()):
            cells = []
            for way, block in (("place", ranged.BLOCK), ("copies", 2**60)):
                home = Home(Path(folder) / f"{way}-{number}", url)
                with patch.object(ranged, "BLOCK", block):
                    cells += [measured(store, home, sql) for _ in range(2)]
            sys.stdout.write(f"| {' | '.join([name, *cells])} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.load.remote", description=__doc__)
    parser.add_argument("--rows", type=int, default=32_768, help="states")
    parser.add_argument("--width", type=int, default=576, help="numbers of one")
    parser.add_argument("--layers", type=int, default=4, help="stored layers")
    given = parser.parse_args()
    main(given.rows, given.width, given.layers)

"""A home in a bucket beside one on this disk: a partition of states published, and read by another machine.

The store is moto's server, a process of this machine: its network is faster than any, its handling of requests slower.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import boto3
import numpy as np
import pyarrow as pa

from benchmarks import Row
from flows.services.process import HOST, free_port, responds
from warehouse.home import Home
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake, Partition
from warehouse.lake.store import store_of
from warehouse.lake.vectors import vectors

PARTS, ROWS, WIDTH = 8, 1024, 2048  # 8 MiB of float32 a part
BUCKET, PAYLOAD = "bench", {"step": "bench"}


def measure() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    tables = [pa.table({"layer_1": vectors(rng.standard_normal((ROWS, WIDTH), np.float32))}) for _ in range(PARTS)]
    with TemporaryDirectory(prefix="bench-") as folder, _server(Path(folder) / "log") as requests:
        local = _partition(Home(Path(folder) / "local"))
        ours, other = (_partition(Home(Path(folder) / name, f"s3://{BUCKET}/home")) for name in ("one", "other"))
        assert not ours.published  # its client is made
        steps: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "published": (lambda: _publish(ours, tables), lambda: _publish(local, tables)),
            "read first by another machine": (other.table, local.table),
            "read again": (other.table, local.table),
        }
        for name, (in_bucket, on_disk) in steps.items():
            before = requests()
            seconds = _seconds(in_bucket)
            count = requests() - before
            size = sum(entry.bytes for entry in ours.require().files) / 1e6
            yield Row(f"bucket: {size:.0f} MB {name}", seconds, "local disk", _seconds(on_disk), "s", "")
            yield Row(f"bucket: requests of {PARTS} parts and a manifest {name}", count, "files", PARTS + 1, "", "")


def _partition(home: Home) -> Partition:
    return Lake(home).partition("states", partition_key(PAYLOAD))


def _publish(partition: Partition, tables: list[pa.Table]) -> None:
    entries = [partition.write_table(f"part-{number}.parquet", table) for number, table in enumerate(tables)]
    partition.publish(entries, payload=PAYLOAD)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def _server(log: Path) -> Iterator[Callable[[], int]]:
    """Run a store with an empty bucket; yields what counts its requests."""
    port = free_port()
    address = f"http://{HOST}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    command = [sys.executable, "-m", "moto.server", "--host", HOST, "--port", str(port)]
    with log.open("wb") as file, patch.dict(os.environ, keys | {"AWS_ENDPOINT_URL": address}):
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            while not responds(f"{address}/moto-api/"):
                time.sleep(0.2)
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield lambda: log.read_bytes().count(b" HTTP/1.1")
        finally:
            store_of.cache_clear()
            process.kill()
            process.wait()

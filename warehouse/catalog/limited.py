"""A user's SQL within limits of time and memory, in a process of its own.

DuckDB interrupts and accounts for its operators only: one call of `repeat` holds gigabytes and cannot be stopped. The
process can be, and its memory is limited by the system.
"""

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from warehouse import errors
from warehouse.catalog import catalog
from warehouse.errors import QueryRefused, WarehouseError
from warehouse.home import Home

_MEMORY = re.compile(r"(\d{1,6})\s*(MB|GB)", re.IGNORECASE)
_DUCKDB_IS_OUT = "Out of Memory Error: "
# Python and Arrow, C++, the loader of shared libraries
_OUT_OF_MEMORY = re.compile(rf"MemoryError|bad_alloc|cannot allocate memory|{_DUCKDB_IS_OUT}")
_UNITS = {"MB": 10**6, "GB": 10**9}


def limited_query(
    home: Home, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float, memory: str
) -> pa.Table:
    """Return what `catalog.query` returns.

    Raises what it raises, and QueryRefused where the query takes more than `timeout` seconds or `memory`, as in 500MB.
    """
    size = _bytes(memory)
    if home.url is not None:  # what it reads is fetched first, which may take its time
        catalog.connect(home, sql=sql).close()
    with TemporaryDirectory(prefix="vocabsem-sql-") as folder:
        job: dict[str, Any] = {"home": str(home), "sql": sql, "parameters": parameters, "memory": size}
        job |= {"timeout": timeout, "folder": folder}
        # -P: a module in the working directory is not imported
        command = [sys.executable, "-P", "-m", "warehouse.catalog.limited"]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            with pa.memory_map(str(_rows(folder))) as file:
                return pa.ipc.open_stream(file.read_buffer()).read_all()
    if done.returncode == -signal.SIGALRM:
        raise QueryRefused(
            f"the query takes more than {timeout:g} s: select fewer rows, or give it more time with --timeout"
        )
    if done.returncode < 0 or _DUCKDB_IS_OUT in done.stdout or _OUT_OF_MEMORY.search(done.stderr):
        raise QueryRefused(_too_large(memory))
    if not done.stdout:
        raise WarehouseError(f"the process of the query ended: {done.stderr.strip().rpartition(chr(10))[2]}")
    error = json.loads(done.stdout)
    raise getattr(errors, error["kind"])(error["message"])


def _bytes(memory: str) -> int:
    match = _MEMORY.fullmatch(memory.strip())
    if match is None or int(match[1]) == 0:
        raise QueryRefused(f"--memory {memory!r}: give a whole number of MB or GB, as in 500MB")
    return int(match[1]) * _UNITS[match[2].upper()]


def _too_large(memory: str) -> str:
    return f"the query takes more than {memory} of memory: select fewer rows, or give it more with --memory"


def _rows(folder: str) -> Path:
    return Path(folder) / "rows.arrow"


def _main() -> int:
    """Run the query that standard input describes; its rows go to a file, an error to standard output as JSON."""
    job = json.load(sys.stdin)
    # Rows leave DuckDB as copies: as much again as its operators have.
    resource.setrlimit(resource.RLIMIT_DATA, (used := 2 * job["memory"] + _used(), used))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever DuckDB is at
    signal.setitimer(signal.ITIMER_REAL, job["timeout"])
    try:
        table = catalog.query(Home.find(job["home"]), job["sql"], job["parameters"], job["memory"])
        with pa.OSFile(str(_rows(job["folder"])), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    except WarehouseError as error:
        print(json.dumps({"kind": type(error).__name__, "message": str(error)}))  # noqa: T201
        return 1
    return 0


def _used() -> int:
    """Return the bytes of data that this process has before the query."""
    status = Path("/proc/self/status")
    sizes = re.search(r"VmData:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(sizes[1]) * 1024 if sizes else 0


if __name__ == "__main__":
    sys.exit(_main())

"""A server of PostgreSQL for the time of a test, on a socket and a port of this machine, under a user of its own."""

import os
import pwd
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flows.services.process import free_port


def programs():
    """The folder of PostgreSQL's programs, the newest of Debian's; skips the test where there is none."""
    pytest.importorskip("psycopg2", reason="pip install 'vocabsem[postgres]'")
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not known:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    return known[-1].parent


@contextmanager
def postgres_server():
    """Yields the address of the server, to which the name of a database is appended."""
    folder = programs()
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    name = "postgres" if user else pwd.getpwuid(os.getuid()).pw_name
    with TemporaryDirectory(prefix="postgres-") as data:
        if user:
            shutil.chown(data, **user)
        port, quiet = free_port(), {"check": True, "capture_output": True, "cwd": "/"}
        init = [folder / "initdb", "--pgdata", f"{data}/db", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run([*init, "--locale=C", f"--username={name}"], **quiet, **user)
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off"
        control = [folder / "pg_ctl", "--pgdata", f"{data}/db", "--wait"]
        started = [*control, "--log", f"{data}/log", "--options", options, "start"]
        subprocess.run(started, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)
        try:
            yield f"postgresql://{name}:secret-word@127.0.0.1:{port}/"
        finally:
            subprocess.run([*control, "--mode", "immediate", "stop"], **quiet, **user)


def make_database(address, name):
    """Create a database; returns its address."""
    import psycopg2

    connection = psycopg2.connect(f"{address}postgres")
    connection.autocommit = True
    connection.cursor().execute(f"create database {name}")
    connection.close()
    return address + name

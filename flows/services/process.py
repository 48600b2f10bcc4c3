"""A server as a process on loopback: started, waited for, and ended with the process that started it."""

import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from flows.services import supervisor
from flows.services.environment import child_environment
from vocabsem.errors import VocabsemError
from warehouse.home import Home

HOST = "127.0.0.1"
START_SECONDS = 180.0  # a first start makes the database; on a busy small machine that has taken a minute


class ServerFailed(VocabsemError):
    """A server did not start, or ended by itself."""


@dataclass
class Server:
    """A server process with its children. It ends with this process, however this process ends (see `supervisor`)."""

    name: str
    home: Home
    port: int
    answering: str
    """Path at which it answers once it is up."""
    command: list[str]
    settings: Mapping[str, str]
    """Of its environment, besides those of the home."""
    log_name: str
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def health(self) -> str:
        return self.address + self.answering

    @cached_property
    def log(self) -> Path:
        """In the home, or in a folder of its own where the home cannot be written."""
        folder = Path(tempfile.mkdtemp(prefix="vocabsem-")) if self.home.read_only else self.home.root / "logs"
        return folder / self.log_name

    def start(self) -> None:
        """Start it without waiting; its output goes to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, supervisor.__file__, sys.executable, "-m", *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=child_environment(self.home) | dict(self.settings),
                start_new_session=True,  # Ctrl-C in the terminal reaches this process, which then stops the servers
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_until_healthy(self, stopping: threading.Event) -> None:
        """Wait until it answers or `stopping` is set. Raises ServerFailed if it ended or does not answer in time."""
        deadline = time.monotonic() + START_SECONDS
        while not responds(self.health) and not stopping.wait(0.2):
            if not self.alive:
                raise ServerFailed(f"{self.name} ended while starting: {self._last_error()}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.name} does not answer at {self.health} after {START_SECONDS:.0f} s; see {self.log}"
                )

    def ended(self) -> ServerFailed:
        return ServerFailed(f"{self.name} ended by itself: {self._last_error()}; start again with `vocabsem up`")

    def terminate(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def wait_until_stopped(self) -> None:
        if self._process is not None:
            self._process.wait()

    def _last_error(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
        last = (errors or lines or ["it printed nothing"])[-1].strip()
        return f"{last} (whole log: {self.log})"


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Start the servers; stop them all at the end of the block, together."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait_until_stopped()


def responds(url: str) -> bool:
    """Return whether a URL of this machine, so without a proxy, responds with 200 within a second."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1) as response:
            return bool(response.status == 200)
    except (OSError, ValueError, urllib.error.HTTPError):
        return False


def free_port(first: int = 0) -> int:
    """Return `first` or the next free port; 0 lets the system choose. Raises ServerFailed if 50 are taken."""
    for port in range(first, first + 50) if first else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise ServerFailed(f"ports {first} to {first + 49} of {HOST} are all in use: stop what listens there")

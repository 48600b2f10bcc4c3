"""What is required of a cluster before anything is computed there: it answers, sees the home, runs the same code."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import uuid4

from flows.planning.runner import host_and_port
from vocabsem.errors import BadInput
from vocabsem.worker import facts
from warehouse.home import Home
from warehouse.lake.store import store_of

ANSWER_SECONDS = 5
FIXES = {
    "home": "mount it there under the same path",
    "Python": "start it with the same version",
    "vocabsem": "install the same version there, and start it again",
}


def require_answer(what: str, address: str, fix: str) -> None:
    """Raise BadInput where nothing accepts connections at the address."""
    try:
        socket.create_connection(host_and_port(address), ANSWER_SECONDS).close()
    except (OSError, UnicodeError) as error:  # the latter of a name that no host can have
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"no {what} answers at {address} ({reason}): {fix}") from None


@contextmanager
def engine_errors(engine: str, address: str | None) -> Iterator[None]:
    """Turn whatever an engine raises while it is connected to into BadInput, in one line."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        where = f" at {address}" if address else ""
        *_, reason = ["no reason is given", *filter(str.strip, str(error).splitlines())]  # a traceback ends with it
        raise BadInput(f"{engine}{where} cannot be used: {type(error).__name__}: {reason.strip()}") from error


@contextmanager
def shared_file(home: Home) -> Iterator[str]:
    """Yield a file in the home that no other home has: its path, or of a home in a bucket its address."""
    home.root.mkdir(parents=True, exist_ok=True)
    store = store_of(home)
    with NamedTemporaryFile("w", dir=home.root, prefix="worker-check-", encoding="utf-8") as file:
        file.write(uuid4().hex)
        file.flush()
        with store.shown(Path(file.name)) as where:
            yield where


def require_same(worker: str, theirs: Mapping[str, str], file: str) -> None:
    """Raise BadInput where a worker's facts differ from this process's, as seen with the shared file."""
    ours = facts(file)
    for name, value in theirs.items():
        if value != ours[name]:
            if name == "home":
                where, _, _ = file.rpartition("/")
                fix = "give it the bucket's credentials" if "://" in where else FIXES[name]
                raise BadInput(f"worker {worker} does not see the home {where}: {fix}")
            fix = FIXES.get(name, f"install {name} {ours[name]} there, and start it again")
            raise BadInput(f"worker {worker} has {name} {value}, this command {ours[name]}: {fix}")

"""The home's MLflow store, made once, used by clients and by MLflow's global functions: a file of SQLite, or a
database of PostgreSQL where MLflow's own setting names one.
"""

import shutil
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tasks.tracking.databases import check_database
from tasks.tracking.postgres import check_postgres, setting
from tasks.tracking.statements import statement
from vocabsem.runtime.third_party import muted
from vocabsem.runtime.waiting import held
from warehouse.home import Home
from warehouse.lake import atomic

if TYPE_CHECKING:
    from mlflow import MlflowClient

MIGRATION_LOGGERS = ("alembic", "mlflow.store.db.utils")  # of the fifty migrations that make a new database
_lock = threading.Lock()
_stores: list[tuple[str, str]] = []
"""Tracking and registry URI before any block of `_global_store`, then those of the blocks that are open."""


def store_lock(home: Home) -> AbstractContextManager[None]:
    """Return the lock to hold while the database, an experiment or a model may be made: two at once would fail."""
    home.root.mkdir(parents=True, exist_ok=True)
    return held(home.root / "mlflow.lock", f"makes or opens the MLflow store of {home.root}")


@contextmanager
def store(home: Home) -> Iterator["MlflowClient"]:
    """Yield a client of the home's store, made if there is none. In the block MLflow's global functions use it too.

    They must, because MLflow's registry looks up a logged model in the global store, whatever the client's is.
    Of a home that cannot be written, it is a copy for the time of the block: what is written is lost.
    Raises BadInput for a database that is damaged or of a newer version.
    """
    if home.read_only and setting("mlflow") is None:
        with TemporaryDirectory() as copy:
            for file in home.root.glob("mlflow.db*"):
                shutil.copyfile(file, Path(copy, file.name))
            with store(Home(Path(copy))) as client:
                yield client
        return
    mlflow = _mlflow()
    with _global_store(mlflow, home.tracking_uri):
        with store_lock(home), muted(*MIGRATION_LOGGERS):
            if check_postgres("mlflow"):
                client = mlflow.MlflowClient(home.tracking_uri, home.tracking_uri)
            else:
                client = _file_client(mlflow, home)
        yield client


def _file_client(mlflow: Any, home: Home) -> "MlflowClient":
    """Return a client of the file in the home, made whole if there is none."""
    path = home.mlflow
    if not path.exists() or not path.stat().st_size:
        for left in home.root.glob(f"{path.name}{atomic.TEMPORARY}*"):
            left.unlink()
        with atomic.replaced(path) as temporary:  # a kill between two migrations leaves what no start can open
            mlflow.MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)
    check_database(path, "mlflow")
    client: MlflowClient = mlflow.MlflowClient(home.tracking_uri, home.tracking_uri)
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement("journal"))
    return client


@contextmanager
def _global_store(mlflow: Any, uri: str) -> Iterator[None]:
    """Let MLflow's global functions use a store in the block.

    Blocks of several threads overlap in any order: a run that is interrupted closes itself while a task still logs. The
    store of the newest block that is open counts, and the earlier one is put back when none is.
    """
    with _lock:
        if not _stores:
            _stores.append((mlflow.get_tracking_uri(), mlflow.get_registry_uri()))
        _stores.append((uri, uri))
        _use_newest(mlflow)
    try:
        yield
    finally:
        with _lock:
            _stores.remove((uri, uri))
            _use_newest(mlflow)
            if len(_stores) == 1:
                _stores.clear()


def _use_newest(mlflow: Any) -> None:
    tracking, registry = _stores[-1]
    mlflow.set_tracking_uri(tracking)
    mlflow.set_registry_uri(registry)


def _mlflow() -> Any:
    """Import the package with `pyfunc`, whose import warns of type hints of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.pyfunc
    return mlflow

"""What came of a run in MLflow: whether all of it is logged, and which models it registered.

Read from MLflow's database file, because importing MLflow takes seconds and `vocabsem run` asks this each time.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass

from tasks.tracking.mlflow_reads import read_rows
from warehouse.home import Home

CHAMPION, CHALLENGER = "champion", "challenger"  # aliases


@dataclass(frozen=True)
class Registration:
    """The best of a run's data set as a version of a registered model."""

    name: str
    """Of the registered model."""
    version: str
    alias: str | None
    """champion, challenger, or None."""
    method: str
    shots: str
    predictions: str
    """Key of its predictions."""
    why: str
    """Why it has this alias."""
    before: str | None = None
    """Key of the predictions of the champion before, None if there was none."""

    @property
    def model(self) -> str:
        """The version as `vocabsem predict --model` takes it."""
        return f"{self.name}@{self.alias}" if self.alias else f"{self.name}/{self.version}"

    @property
    def tag(self) -> str:
        """The name of the MLflow run's tag that holds it."""
        return self.tag_of(self.name)

    @staticmethod
    def tag_of(name: str) -> str:
        return f"vocabsem.registered.{name}"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Registration":
        return cls(**json.loads(text))


def registered_name(dataset: str) -> str:
    """Return the name of the registered model of a data set; in MLflow an alias follows an @."""
    return f"vocabsem-{dataset.replace('@', '-')}"


def followed_up(home: Home, run: str) -> bool:
    """Return whether the run recorded under this key is logged whole: its MLflow run is finished."""
    return finished_run(home, run) is not None


def finished_run(home: Home, run: str) -> str | None:
    """Return the id of the finished MLflow run of the run recorded under this key, None if there is none."""
    return next(iter(_read(home, "finished", run)), None)


def registrations(home: Home, run: str) -> list[Registration]:
    """Return what the finished MLflow run of the run recorded under this key registered, one a data set."""
    return [Registration.from_json(value) for value in _read(home, "registrations", run)]


def _read(home: Home, name: str, run: str) -> list[str]:
    """Return one column; empty without a readable database: logging to it raises the error."""
    try:
        return [value for (value,) in read_rows(home, name, run)]
    except sqlite3.DatabaseError:
        return []

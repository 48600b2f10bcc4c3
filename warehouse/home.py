"""Where all data is kept: one folder, `VOCABSEM_HOME`, by default `.vocabsem` in the working directory."""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from warehouse.errors import InvalidName

BACKEND_STORE = "MLFLOW_BACKEND_STORE_URI"  # MLflow's own setting; a database of PostgreSQL is used
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class Home:
    """The paths below one home. Creating a `Home` touches no disk."""

    root: Path

    @classmethod
    def find(cls, root: str | Path | None = None) -> "Home":
        """Return the home at `root`, else VOCABSEM_HOME, else .vocabsem in the working directory; always absolute.

        Raises InvalidName for a path that the databases or MLflow would take for another.
        """
        path = Path(root or os.environ.get("VOCABSEM_HOME") or ".vocabsem").expanduser().absolute()
        if reason := _misread(str(path)):
            raise InvalidName(f"the home {str(path)[:200]!r} {reason}: choose another with --home or VOCABSEM_HOME")
        return cls(path)

    @property
    def read_only(self) -> bool:
        """Whether it exists and this process cannot write in it."""
        return self.root.exists() and not os.access(self.root, os.W_OK)

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def cache(self) -> Path:
        """Downloads and converted models: may be deleted at any time, at the price of fetching them again."""
        return self.root / "cache"

    @property
    def methods(self) -> Path:
        """Files of methods from beside a card, each under its SHA-256."""
        return self.root / "methods"

    @property
    def catalog(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def tracking_uri(self) -> str:
        """Of MLflow's database: that of PostgreSQL which the user's setting names, else the file in the home."""
        given = os.environ.get(BACKEND_STORE, "")
        return given if given.startswith("postgresql") else f"sqlite:///{self.mlflow}"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlartifacts"

    @property
    def prefect(self) -> Path:
        return self.root / "prefect"

    @property
    def temporary(self) -> Path:
        """Folders of temporary files, each of a process that runs flows."""
        return self.root / "tmp"


def _misread(path: str) -> str:
    """Return why a path of a home would be taken for another, or nothing."""
    if "?" in path:
        return "has a question mark, behind which DuckDB and SQLite expect options"
    if escape := _ESCAPE.search(path):
        return f"has {escape[0]}, which MLflow takes for {unquote(escape[0])!r}"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return "has control characters or bytes that are no UTF-8"
    return ""

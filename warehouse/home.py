"""Where all data is kept: one folder, `VOCABSEM_HOME`, by default `.vocabsem` in the working directory."""

import os
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import InvalidName


@dataclass(frozen=True)
class Home:
    """The paths below one home. Creating a `Home` touches no disk."""

    root: Path

    @classmethod
    def find(cls, root: str | Path | None = None) -> "Home":
        """Return the home at `root`, else VOCABSEM_HOME, else .vocabsem in the working directory; always absolute.

        Raises InvalidName for a path with a question mark: the databases take what follows it for their options.
        """
        path = Path(root or os.environ.get("VOCABSEM_HOME") or ".vocabsem").expanduser().absolute()
        if "?" in str(path):
            raise InvalidName(
                f"the home {str(path)[:200]} has a question mark, behind which DuckDB and SQLite expect options: choose"
                " another with --home or VOCABSEM_HOME"
            )
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
        return f"sqlite:///{self.mlflow}"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlartifacts"

    @property
    def prefect(self) -> Path:
        return self.root / "prefect"

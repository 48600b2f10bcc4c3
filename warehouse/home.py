"""Where all data is kept: `VOCABSEM_HOME`, a folder, by default `.vocabsem` in the working directory, or a bucket.

Of a bucket's home the lake and the catalog lie there; this machine keeps a folder with copies of what it read, and with
what each machine has for itself: caches, logs, databases of Prefect and MLflow.
"""

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from warehouse.errors import InvalidName

BACKEND_STORE = "MLFLOW_BACKEND_STORE_URI"  # MLflow's own setting; a database of PostgreSQL is used
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_BUCKET = re.compile(r"(s3|gs|abfs|az)://?([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])((?:/[A-Za-z0-9][A-Za-z0-9._=+-]*)*)/?")
# Buckets of one name at two of these are two: of those that name an endpoint the first that is set, then the account.
_ENDPOINTS = {
    "s3": (("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),),
    "gs": (("GOOGLE_BASE_URL",),),
    "abfs": (("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"), ("AZURE_STORAGE_ACCOUNT_NAME",)),
}


@dataclass(frozen=True)
class Home:
    """The paths below one home. Creating a `Home` touches no disk."""

    root: Path
    """The home, or this machine's folder of one in a bucket."""
    url: str | None = None
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `abfs://container/prefix` of a home in a bucket."""

    @classmethod
    def find(cls, root: str | Path | None = None) -> "Home":
        """Return the home at `root`, else VOCABSEM_HOME, else .vocabsem in the working directory; always absolute.

        Raises InvalidName for a path that the databases or MLflow would take for another, and for an address that is
        none of a bucket.
        """
        if isinstance(given := root or os.environ.get("VOCABSEM_HOME"), str) and _SCHEME.match(given):
            return cls._in_bucket(given)
        path = Path(root or os.environ.get("VOCABSEM_HOME") or ".vocabsem").expanduser().absolute()
        if reason := _misread(str(path)):
            raise InvalidName(f"the home {str(path)[:200]!r} {reason}: choose another with --home or VOCABSEM_HOME")
        return cls(path)

    @classmethod
    def _in_bucket(cls, given: str) -> "Home":
        match = _BUCKET.fullmatch(given)
        if match is None or ("_" in match[2] and match[1] != "gs"):
            # Not quoted: it may hold credentials.
            raise InvalidName(
                "the home is no s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or abfs://CONTAINER/PREFIX of letters, digits"
                " and . _ = + -: credentials, and the account of Azure, are given by variables and profiles"
            )
        scheme = "abfs" if match[1] == "az" else match[1]
        url = f"{scheme}://{match[2]}{match[3]}"
        endpoint = " ".join(next(filter(None, map(os.environ.get, names)), "") for names in _ENDPOINTS[scheme])
        digest = hashlib.sha256(f"{endpoint} {url}".encode()).hexdigest()[:12]
        caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute()
        return cls(caches / "vocabsem" / "homes" / f"{match[2]}-{digest}", url)

    def __str__(self) -> str:
        """What `find` finds it by."""
        return self.url or str(self.root)

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

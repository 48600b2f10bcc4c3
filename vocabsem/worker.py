"""A worker process of an engine, on this machine or another: its environment, and what it has in common with a command.

Engines import it by name in processes that they start themselves, so that it imports nothing slow.
"""

import hashlib
import platform
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vocabsem.installation import PACKAGE, ROOT, SHIPPED, put_root_on_path

__all__ = ["code_digest", "facts", "prepare"]

PACKAGES = ("prefect", "torch", "transformers", "tokenizers", "peft", "scikit-learn", "numpy", "pyarrow")
"""Packages whose versions change results, or how a task is sent."""


def prepare(home: str | None = None) -> None:
    """Prepare this process to compute tasks of a home, or to import the flows, before either.

    Parameters
    ----------
    home : str, optional
        Its folder; without one, that of VOCABSEM_HOME.
    """
    put_root_on_path()
    import_module("flows.services.environment").set_environment(home)


def facts(shared: str) -> dict[str, str]:
    """Return what a worker must have in common with the command whose tasks it computes.

    Parameters
    ----------
    shared : str
        A file in the home, which the command wrote: its path, or its address in a bucket.

    Returns
    -------
    dict of str to str
        Names for people to values; `home` is the content of the file, empty where it is not there.
    """
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "vocabsem": code_digest(),
        **{package: _version(package) for package in PACKAGES},
        "home": _content(shared),
    }


@cache
def code_digest() -> str:
    """Return twelve digits of the SHA-256 of the installed code and SQL, as they were when this process first looked.

    A process that lives on when its files change keeps the code that it has.

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    for package in (PACKAGE, *(ROOT / name for name in ("flows", "tasks", "warehouse"))):
        names = [path.relative_to(package) for path in package.rglob("*") if path.suffix in (".py", ".sql")]
        for name in sorted(name for name in names if name.parts[0] != SHIPPED):
            digest.update(f"{package.name}/{name.as_posix()}\0".encode() + (package / name).read_bytes())
    return digest.hexdigest()[:12]


def _content(shared: str) -> str:
    if "://" in shared:
        put_root_on_path()
        return str(import_module("warehouse.lake.bucket").content_of(shared))
    return Path(shared).read_text(encoding="utf-8") if Path(shared).is_file() else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"

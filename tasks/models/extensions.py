"""Methods in a file beside a card: the home keeps each version of the file, so that any process can run it again."""

import hashlib
from pathlib import Path

from tasks.steps.specs import MethodSettings
from warehouse.home import Home
from warehouse.lake.atomic import make_folder, write
from warehouse.lake.files import damaged, other_bytes
from warehouse.lake.store import store_of


def keep_method(home: Home, name: str) -> None:
    """Copy the file of `path.py:Class` to the home, under its SHA-256; nothing for other names."""
    file, colon, _ = name.rpartition(":")
    if colon:
        source = Path(file).read_bytes()
        kept, store = home.methods / f"{hashlib.sha256(source).hexdigest()}.py", store_of(home)
        if not kept.exists():
            make_folder(kept.parent)
            write(kept, source)
        if not store.has(kept):
            store.push(kept)


def method_name(home: Home, settings: MethodSettings) -> str:
    """Return the name under which the registry has the method: its own, or with the kept file before it."""
    source = method_source(home, settings)
    return f"{source}:{settings.name}" if source else settings.name


def method_source(home: Home, settings: MethodSettings) -> Path | None:
    """Return the kept file of a method from beside a card. Raises CorruptPartition for one that was changed."""
    if not settings.sha256:
        return None
    kept = home.methods / f"{settings.sha256}.py"
    if not kept.exists():
        store_of(home).pull(kept, lambda path: _require(path, settings.sha256))
    return kept


def _require(path: Path, sha256: str) -> None:
    if fault := other_bytes(path, sha256):
        raise damaged(path, fault)

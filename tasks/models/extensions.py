"""Methods in a file beside a card: the home keeps each version of the file, so that any process can run it again."""

import hashlib
from pathlib import Path

from tasks.steps.specs import MethodSettings
from warehouse.home import Home
from warehouse.lake.atomic import make_folder, write


def keep_method(home: Home, name: str) -> None:
    """Copy the file of `path.py:Class` to the home, under its SHA-256; nothing for other names."""
    file, colon, _ = name.rpartition(":")
    if colon:
        source = Path(file).read_bytes()
        kept = home.methods / f"{hashlib.sha256(source).hexdigest()}.py"
        if not kept.exists():
            make_folder(kept.parent)
            write(kept, source)


def method_name(home: Home, settings: MethodSettings) -> str:
    """Return the name under which the registry has the method: its own, or with the kept file before it."""
    source = method_source(home, settings)
    return f"{source}:{settings.name}" if source else settings.name


def method_source(home: Home, settings: MethodSettings) -> Path | None:
    """Return the kept file of a method from beside a card."""
    return home.methods / f"{settings.sha256}.py" if settings.sha256 else None

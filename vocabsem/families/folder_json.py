"""Small JSON files of a checkpoint's folder that transformers does not read for us."""

import json
from pathlib import Path
from typing import Any

from vocabsem.errors import SourceError

__all__ = ["read_json"]


def read_json(path: Path, kind: type) -> Any:
    """Return what a file holds.

    Parameters
    ----------
    path : Path
        Of at most 1 MiB.
    kind : type
        What it must be: dict or list.

    Returns
    -------
    dict or list

    Raises
    ------
    SourceError
        Where it is no such JSON.
    """
    try:
        value = json.loads(path.read_bytes()) if path.stat().st_size < 1 << 20 else None
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read: {str(error)[:200]}: fetch it again") from error
    if not isinstance(value, kind):
        raise SourceError(f"{path} holds no {kind.__name__}: fetch it again")
    return value

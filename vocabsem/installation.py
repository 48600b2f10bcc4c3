"""Where the rest of the project lies: in a checkout beside this package, in an installed copy inside it."""

import sys
from pathlib import Path

__all__ = ["CHECKOUT", "PACKAGE", "ROOT", "SHIPPED", "put_root_on_path"]

PACKAGE = Path(__file__).parent
"""This package."""
SHIPPED = "_project"
"""Folder in an installed copy of the package; a checkout has none."""
CHECKOUT = not (PACKAGE / SHIPPED).is_dir()
"""Whether this is a checkout of the repository."""
ROOT = PACKAGE.parent if CHECKOUT else PACKAGE / SHIPPED
"""Folder of flows, tasks, warehouse, the shipped cards in data, and prefect.yaml."""


def put_root_on_path() -> None:
    """Let this process import flows, tasks and warehouse from `ROOT`, before packages of others with these names."""
    sys.path.insert(0, str(ROOT))

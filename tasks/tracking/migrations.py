"""The database migrations that the installed Prefect and MLflow have.

Read from the text of the migrations: alembic would import them, and with them the programs, which takes seconds.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Program = Literal["prefect", "mlflow"]
FOLDERS = {"prefect": "server/database/_migrations/versions/{}", "mlflow": "store/db_migrations/versions"}
REVISION = re.compile(r"""^((?:down_)?revision)\b[^=\n]*= *["'](\w+)["']""", re.MULTILINE)


@cache
def migrations(program: Program, dialect: Literal["sqlite", "postgresql"]) -> tuple[frozenset[str], str]:
    """Return the migrations of the installed program, and the newest of them."""
    spec = find_spec(program)
    folder = Path(((spec and spec.submodule_search_locations) or [""])[0], FOLDERS[program].format(dialect))
    named = [dict(REVISION.findall(file.read_text(encoding="utf-8"))) for file in folder.glob("*.py")]
    known = frozenset(each["revision"] for each in named if "revision" in each)
    return known, next(iter(known - {each.get("down_revision") for each in named}), "")

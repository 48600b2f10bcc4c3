"""Pages of HTML that need nothing but themselves: templates filled in with every value escaped."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flows.reporting.table import inline
from vocabsem.errors import BadInput

TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, **values: Any) -> str:
    """The page of a template of `flows/reporting/templates`."""
    return _environment().get_template(template).render(values)


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """A block that writes a page and what belongs to it: its folder is made first. Raises BadInput where it cannot."""
    if output.is_dir():
        raise BadInput(f"{output} is a folder: give --output the name of a file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BadInput(f"cannot write {output}: {error.strerror}: choose another place with --output") from error


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = inline
    return environment

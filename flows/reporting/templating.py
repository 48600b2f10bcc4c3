"""Render self-contained pages and pictures: templates filled in with every value escaped."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.reporting.table import inline_html
from vocabsem.errors import BadInput
from warehouse.lake import atomic

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
LIGHT = {
    "paper": "#ffffff", "raised": "#f5f7f9", "ink": "#1a2027", "muted": "#56606b", "rule": "#d5dbe1",
    "c0": "#0072b2", "c1": "#d55e00", "c2": "#008f68", "c3": "#b8588f", "c4": "#bf8c00", "c5": "#2b8cc4",
    "c6": "#1a2027",
}  # fmt: skip
"""Colors on a light ground; c0 to c6, of series, are distinct with every kind of color vision (Okabe and Ito 2008)."""


def render_template(template: str, **values: Any) -> str:
    """Render a template of `flows/reporting/templates`."""
    return _environment().get_template(template).render(values)


@contextmanager
def writable(output: Path) -> Iterator[None]:
    """Make the folder of a page before the block that writes it. Raises BadInput where a page cannot be written."""
    if output.is_dir():
        raise BadInput(f"{output} is a folder: give --output the name of a file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise BadInput(f"cannot write {output}: {error.strerror}: choose another place with --output") from error


def write_page(output: Path, text: str) -> None:
    """Put a page in its place whole, or not at all; what is no regular file, as a pipe, is written into."""
    if output.exists() and not output.is_file():
        output.write_text(text, encoding="utf-8")
    else:
        atomic.write(output.resolve(), text.encode())


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = inline_html
    environment.globals |= {"light": LIGHT, "variables": {name: f"var(--{name})" for name in LIGHT}}
    return environment

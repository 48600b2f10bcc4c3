"""Write the cards that commands draft: whole, checked, with the line that names their schema to editors."""

from pathlib import Path
from typing import TYPE_CHECKING

from vocabsem.errors import CardError
from warehouse.lake import atomic

if TYPE_CHECKING:
    from vocabsem.cards.schema import Card, Kind


def check_output(output: Path, force: bool) -> None:
    """Refuse a file that is no card's, or that exists. Raises CardError."""
    if output.suffix != ".yaml":
        raise CardError(f"--output {output}: the name of a card ends in .yaml")
    if output.exists() and not force:
        raise CardError(f"{output} exists: choose another --name or --output, or overwrite it with --force")


def write_card(output: Path, kind: "Kind", model: "type[Card]", text: str) -> None:
    """Write through a temporary file, and only a card that can be read back. Raises CardError."""
    from vocabsem.cards.folders import CARDS
    from vocabsem.cards.loader import read_yaml

    schemas = Path("..") if output.absolute().is_relative_to(CARDS) else CARDS
    first = f"# yaml-language-server: $schema={schemas / 'schemas' / kind}.json\n"
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced(output) as temporary:
            temporary.write_text(first + text, encoding="utf-8")
            read_yaml(temporary, model)
    except OSError as error:
        raise CardError(f"cannot write {output}: {error.strerror}: choose another place with --output") from error

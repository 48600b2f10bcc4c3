"""Where cards are found by name: the user's own folders first, the shipped cards behind."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vocabsem.errors import CardError, suggest
from vocabsem.installation import CHECKOUT, ROOT

__all__ = [
    "CARDS",
    "OWN",
    "SINGULAR",
    "VARIABLE",
    "card_folders",
    "find_card",
    "list_cards",
    "own_folder",
    "set_card_folders",
]

CardKind = Literal["models", "datasets", "experiments", "studies"]

CARDS = ROOT / "data"
"""The shipped cards."""
OWN = "cards"
"""Folder of cards in the working directory, searched wherever there is one."""
VARIABLE = "VOCABSEM_CARDS"
"""Further folders, as a list like PATH."""
SINGULAR = {"models": "model", "datasets": "dataset", "experiments": "experiment", "studies": "study"}
"""What a card of each kind is called."""


def card_folders() -> list[Path]:
    """Return the folders that are searched for cards, in order; each holds models, datasets, experiments or studies.

    Returns
    -------
    list of Path
        Those of VOCABSEM_CARDS, `cards` of the working directory where there is one, and that of the shipped cards.

    Raises
    ------
    CardError
        For a folder of VOCABSEM_CARDS that does not exist.

    Examples
    --------
    >>> card_folders()[-1] == CARDS
    True
    """
    given = [Path(each).expanduser().resolve() for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    for folder in given:
        if not folder.is_dir():
            raise CardError(f"the folder of cards {str(folder)!r} does not exist: fix --cards or {VARIABLE}")
    own = Path(OWN).resolve()
    return list(dict.fromkeys([*given, *([own] if own.is_dir() else []), CARDS]))


def own_folder() -> Path:
    """Return the folder that new cards are written to.

    Returns
    -------
    Path
        The first that is searched; where that is the shipped one of an installed copy, `cards` here.
    """
    first = card_folders()[0]
    return first if first != CARDS or CHECKOUT else Path(OWN).resolve()


def list_cards(kind: CardKind) -> list[str]:
    """Return the names of all cards of a kind, the user's and the shipped ones, sorted.

    Parameters
    ----------
    kind : {"models", "datasets", "experiments", "studies"}
        Folder of the cards.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "sst5" in list_cards("datasets")
    True
    """
    return sorted({path.stem for folder in card_folders() for path in (folder / kind).glob("*.yaml") if path.is_file()})


def find_card(kind: CardKind, name: str) -> Path:
    """Return the path of the first card of a name.

    Parameters
    ----------
    kind : {"models", "datasets", "experiments", "studies"}
        Folder of the card.
    name : str
        The file's name without `.yaml`.

    Returns
    -------
    Path

    Raises
    ------
    CardError
        For an unknown name, with the nearest known one.

    Examples
    --------
    >>> find_card("datasets", "sst5").name
    'sst5.yaml'
    """
    known, folders = list_cards(kind), [folder / kind for folder in card_folders()]
    if name not in known:
        hint = f"{suggest(name, known)}; or give the path of a .yaml file"
        raise CardError(f"unknown {SINGULAR[kind]} {name!r} in {', '.join(map(str, folders))}: {hint}")
    return next(path for folder in folders if (path := folder / f"{name}.yaml").is_file())


def set_card_folders(folders: Sequence[str]) -> None:
    """Search other folders than those of VOCABSEM_CARDS, in this process and those that it starts.

    Parameters
    ----------
    folders : sequence of str
        In the order of the search.
    """
    os.environ[VARIABLE] = os.pathsep.join(str(Path(folder).expanduser().resolve()) for folder in folders)

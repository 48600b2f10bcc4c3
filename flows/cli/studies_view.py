"""Print the values of a study, a table for each thing that is measured; export the dictionaries that it trained."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from flows.cli.console import console, print_grid
from flows.planning.study_card import StudyCard
from tasks.steps.facts import StudyFacts, facts_of
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec
from vocabsem.errors import BadInput
from vocabsem.instruments.registry import study_info, study_infos
from vocabsem.instruments.sae_layout import export_sae
from warehouse.home import Home
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake

NUMBERS = ("value", "95 % interval", "null", "n")
NOTE = (
    "null: 95 % of the same metric where there is nothing to find. Inside it a value shows\n"
    "nothing; + is above it, − below. Tables: study_values, study_items."
)
MARKS = {"above": "+", "below": "−", "inside": " "}


def print_study(rows: Sequence[dict[str, Any]], description: str, notes: Sequence[tuple[str, str]]) -> None:
    """Print the description and every value, in the order of measurement; then what was left out."""
    out = console()
    out.print(description, soft_wrap=True)
    named = itemgetter("unit", "metric")
    ordered = sorted(rows, key=lambda row: list(dict.fromkeys(map(named, rows))).index(named(row)))
    for (unit, metric), group in groupby(ordered, named):
        lines = [
            [
                row["variant"],
                "" if row["layer"] is None else str(row["layer"]),
                f"{row['value']:.3f} {MARKS[row['beside_null']]}",
                f"[{row['low']:.3f}, {row['high']:.3f}]",
                f"[{row['null_low']:.3f}, {row['null_high']:.3f}]",
                f"{row['n']:,}",
            ]
            for row in group
        ]
        print_grid(out, f"{unit}: {metric}", ("vectors", "layer"), NUMBERS, lines)
    out.print(NOTE)
    for what, note in notes:
        out.print(f"{what}: {note}", soft_wrap=True, markup=False)


def study_notes(home: Home, key: str) -> tuple[tuple[str, str], ...]:
    """Return what a study left out, and why, by the key of its values."""
    return facts_of(_manifest(home, key), StudyFacts).notes


def require_dictionaries(card: StudyCard) -> None:
    """Raise BadInput for a study that trains no dictionaries."""
    if not study_info(card.study).dictionaries:
        having = [name for name, info in study_infos().items() if info.dictionaries]
        raise BadInput(f"study {card.study!r} trains no dictionaries to export: name {' or '.join(having)}")


def export_dictionaries(home: Home, key: str, folder: Path) -> None:
    """Write the dictionaries of a study, by the key of its values, each to a folder of its name."""
    lake, values = Lake(home), _manifest(home, key)
    items = lake.partition(StudyItemsSpec.kind, values.inputs[StudyItemsSpec.kind], **values.coordinates)
    manifest = items.manifest()
    for entry in manifest.files if manifest else ():
        if not entry.is_part:
            file = items.file(entry.name)
            export_sae(file, folder / file.stem)


def _manifest(home: Home, key: str) -> Manifest:
    return next(manifest for manifest in Lake(home).manifests(StudyValuesSpec.kind) if manifest.key == key)

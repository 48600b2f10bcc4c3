"""The examples that a submission names, against the data sets of this machine where they are at hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.views.submission import split_hashes
from tasks.views.submission_schema import DatasetIdentity, Submission
from vocabsem.cards.loader import load_card
from vocabsem.datasets.example_hashes import example_hash, split_hash
from vocabsem.datasets.examples import read_examples
from vocabsem.datasets.label_values import label_text
from vocabsem.errors import VocabsemError
from vocabsem.sources import fetching
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.lake.partition import Lake

Hashes = dict[str, list[str]]  # of the examples of each split


@dataclass(frozen=True)
class ExamplesCheck:
    """What was found of one data set."""

    dataset: str
    note: str
    """What was compared, or why nothing was."""
    faults: tuple[str, ...] = ()
    """Each split that differs."""


def check_examples(home: Home, submission: Submission, data_dir: Path | None) -> Iterator[ExamplesCheck]:
    """Yield for each data set what its examples here say: those in the lake, else read from fetched sources.

    Nothing is fetched.
    """
    for dataset in submission.datasets:
        try:
            here = _in_lake(home, dataset) or _from_card(home, submission, dataset, data_dir)
        except (VocabsemError, WarehouseError) as error:
            yield ExamplesCheck(dataset.name, f"not compared: {error}")
            continue
        if here is None:
            yield ExamplesCheck(dataset.name, "not compared: its sources were never fetched here")
            continue
        hashes, where = here
        faults = tuple(_faults(dataset, hashes))
        yield ExamplesCheck(dataset.name, f"{len(dataset.hashes):,} test examples compared with {where}", faults)


def _faults(dataset: DatasetIdentity, hashes: Hashes) -> Iterator[str]:
    here = hashes.get("test", [])
    if wrong := [row for row, (one, other) in enumerate(zip(dataset.hashes, here, strict=False)) if one != other]:
        yield f"{len(wrong):,} of {len(here):,} test examples are others, first in row {wrong[0]}"
    elif len(here) != len(dataset.hashes):
        yield f"{len(dataset.hashes):,} test examples, here {len(here):,}"
    for split, stated in dataset.splits.items():
        made = len(hashes.get(split, [])), split_hash(hashes.get(split, []))
        if (stated.rows, stated.hash) != made:
            yield f"{split}: {stated.rows:,} examples of hash {stated.hash}, here {made[0]:,} of {made[1]}"


def _in_lake(home: Home, dataset: DatasetIdentity) -> tuple[Hashes, str] | None:
    partition = Lake(home).partition("examples", dataset.examples, dataset=dataset.name)
    if not partition.published:
        return None
    return split_hashes(partition.table(["split", "label_name", "fields"])), "this home's own"


def _from_card(
    home: Home, submission: Submission, dataset: DatasetIdentity, data_dir: Path | None
) -> tuple[Hashes, str] | None:
    card = load_card("datasets", dataset.name).located(data_dir)
    fetched = {split: fetching.cached(source, home.cache) for split, source in card.files.items()}
    files = {str(split): each.path for split, each in fetched.items() if each}
    if len(files) < len(fetched):
        return None
    payload = submission.partitions.get(dataset.examples)
    limits = {str(split): limit for split, limit in ((payload and payload.limits) or {}).items()}
    examples = read_examples(card, files, limits=limits, cache=home.cache / "datasets")
    hashes: Hashes = {}
    for split, label, fields in zip(examples.split, examples.labels, examples.fields, strict=True):
        hashes.setdefault(split, []).append(example_hash(fields, label_text(card.label_names, label)))
    return hashes, "those of the card here"

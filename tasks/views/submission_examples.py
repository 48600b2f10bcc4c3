"""Compare the examples of a submission with the data sets of this machine, where they are available."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from tasks.views.submission import split_hashes
from tasks.views.submission_predictions import indicator
from tasks.views.submission_schema import DatasetIdentity, Submission
from vocabsem.cards.loader import load_card
from vocabsem.datasets.example_hashes import example_hash, split_hash
from vocabsem.datasets.examples import read_examples
from vocabsem.datasets.label_values import label_text
from vocabsem.errors import DataError, VocabsemError
from vocabsem.sources import fetching
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.lake.partition import Lake

Fields = Mapping[str, str]


@dataclass(frozen=True)
class OwnExamples:
    """The examples of a data set of this machine."""

    hashes: dict[str, list[str]]
    """Of each split."""
    test: list[Fields]
    """The texts of those for testing."""
    where: str


@dataclass(frozen=True)
class ExamplesCheck:
    """What was found of one data set."""

    dataset: str
    note: str
    """What was compared, or why nothing was."""
    faults: tuple[str, ...] = ()
    """Each split that differs, and labels that are not those of the examples."""


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
        faults = tuple(_faults(dataset, here))
        yield ExamplesCheck(dataset.name, f"{len(dataset.hashes):,} test examples compared with {here.where}", faults)


def _faults(dataset: DatasetIdentity, own: OwnExamples) -> Iterator[str]:
    hashes, here = own.hashes, own.hashes.get("test", [])
    if wrong := [row for row, (one, other) in enumerate(zip(dataset.hashes, here, strict=False)) if one != other]:
        yield f"{len(wrong):,} of {len(here):,} test examples are others, first in row {wrong[0]}"
    elif len(here) != len(dataset.hashes):
        yield f"{len(dataset.hashes):,} test examples, here {len(here):,}"
    else:
        yield from _labels(dataset, own.test)
    for split, stated in dataset.splits.items():
        made = len(hashes.get(split, [])), split_hash(hashes.get(split, []))
        if (stated.rows, stated.hash) != made:
            yield f"{split}: {stated.rows:,} examples of hash {stated.hash}, here {made[0]:,} of {made[1]}"


def _labels(dataset: DatasetIdentity, test: Sequence[Fields]) -> Iterator[str]:
    """Yield what is wrong with the labels of the same test examples: a hash is of a text with its label."""
    try:
        labels: Iterable[Any] = indicator(dataset) if dataset.label_sets else dataset.label_values or dataset.labels
        names = [label_text(dataset.classes, each) for each in labels]
        made = [example_hash(fields, name) for fields, name in zip(test, names, strict=True)]
    except (DataError, IndexError, ValueError):
        yield "labels that there are not, or not one for each test example"
        return
    if wrong := [row for row, (one, other) in enumerate(zip(dataset.hashes, made, strict=True)) if one != other]:
        yield f"{len(wrong):,} of {len(made):,} test examples have other labels here, first in row {wrong[0]}"


def _in_lake(home: Home, dataset: DatasetIdentity) -> OwnExamples | None:
    partition = Lake(home).partition("examples", dataset.examples, dataset=dataset.name)
    if not partition.published:
        return None
    table = partition.table(["split", "label_name", "fields"])
    test = table.filter(pc.equal(table["split"], "test"))["fields"].to_pylist()
    return OwnExamples(split_hashes(table), list(map(dict, test)), "this home's own")


def _from_card(
    home: Home, submission: Submission, dataset: DatasetIdentity, data_dir: Path | None
) -> OwnExamples | None:
    card = load_card("datasets", dataset.name).located(data_dir)
    fetched = {split: fetching.cached(source, home.cache) for split, source in card.files.items()}
    files = {str(split): each.path for split, each in fetched.items() if each}
    if len(files) < len(fetched):
        return None
    payload = submission.partitions.get(dataset.examples)
    limits = {str(split): limit for split, limit in ((payload and payload.limits) or {}).items()}
    examples = read_examples(card, files, limits=limits, cache=home.cache / "datasets")
    own = OwnExamples({}, [], "those of the card here")
    for split, label, fields in zip(examples.split, examples.labels, examples.fields, strict=True):
        own.hashes.setdefault(split, []).append(example_hash(fields, label_text(card.label_names, label)))
        if split == "test":
            own.test.append(fields)
    return own

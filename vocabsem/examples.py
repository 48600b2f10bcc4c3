"""Read a data set's rows as examples: checked, free of repeated texts, split and capped by class, reproducibly."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DataError
from vocabsem.sources.readers import Columns, read_columns

__all__ = ["SPLITS", "Examples", "apportion", "read_examples"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """N examples, split after split, each in its source's order."""

    ids: list[str]
    """`<file>-<row in that file>`: the same whatever the split and the caps."""
    split: list[str]
    """train, validation or test, of each example."""
    labels: NDArray[np.int64]
    """(N,), 0 … C-1 in the card's order."""
    fields: list[dict[str, str]]
    """Template field → text."""
    facts: dict[str, Any]
    """What was read, removed and kept, JSON-able."""


@dataclass(frozen=True)
class _Row:
    id: str
    label: int
    fields: dict[str, str]

    @property
    def text(self) -> tuple[str, ...]:
        """All fields, white space normalized: rows of equal text are repeats."""
        return tuple(" ".join(field.split()) for field in self.fields.values())


def read_examples(
    card: DatasetCard,
    files: Mapping[str, Path],
    *,
    limits: Mapping[str, int | None],
    seed: int,
    cache: Path,
) -> Examples:
    """Read the examples of a data set.

    A text of the training rows that occurs again, among them or among those for validation and testing, is removed
    from training and counted in the facts; test rows are never touched.

    Parameters
    ----------
    card : DatasetCard
        Columns, labels and split of the data; `card.split.seed` governs the split.
    files : mapping of str to Path
        The fetched file of each of `card.files`.
    limits : mapping of str to int or None
        Most rows of each split.
    seed : int
        Governs which rows are kept under a limit.
    cache : Path
        Folder of the Arrow copies that `datasets` makes.

    Returns
    -------
    examples : Examples

    Raises
    ------
    DataError
        For an unknown label, an empty text, no rows, training rows of one class, or a limit below the classes.
    """
    facts: dict[str, Any] = {"rows_read": {}, "rows_of_other_sources": 0, "empty_dropped": 0}
    parts = {
        part: _rows(card, part, files.get(part, files.get("all", Path())), columns, facts)
        for part, columns in read_columns(card, files, cache).items()
    }
    splits = _divide(card, parts, facts)
    for split, rows in splits.items():
        limit = limits.get(split)
        if limit is not None and limit < len(rows):
            if limit < card.classes:
                raise DataError(
                    f"a limit of {limit} {split} rows for dataset {card.name!r}, which has {card.classes} classes: "
                    f"allow at least {card.classes}"
                )
            splits[split] = _draw(rows, limit, f"{seed} limit {split}")
    if len(present := {row.label for row in splits["train"]}) < 2:
        only = card.labels[present.pop()].name
        raise DataError(f"every training row of dataset {card.name!r} is of class {only!r}: nothing can be learned")
    facts |= {"split_rule": _split_rule(card), "counts": {}, "majority_share": {}}
    for split, rows in splits.items():
        counts = Counter(row.label for row in rows)
        facts["counts"][split] = {label.name: counts[i] for i, label in enumerate(card.labels)}
        facts["majority_share"][split] = max(counts.values()) / len(rows)
    rows = [row for split in splits.values() for row in split]
    return Examples(
        ids=[row.id for row in rows],
        split=[split for split, members in splits.items() for _ in members],
        labels=np.array([row.label for row in rows], dtype=np.int64),
        fields=[row.fields for row in rows],
        facts=facts,
    )


def _rows(card: DatasetCard, part: str, path: Path, columns: Columns, facts: dict[str, Any]) -> list[_Row]:
    labels = {value: i for i, label in enumerate(card.labels) for value in label.values}
    wanted = {column: str(value) for column, value in card.where.items()}
    values = columns[card.label_column]
    facts["rows_read"][part] = len(values)
    rows = []
    for i, value in enumerate(values):
        if any(columns[column][i] != other for column, other in wanted.items()):
            facts["rows_of_other_sources"] += 1
            continue
        fields = {field: columns[column][i].strip() for field, column in card.fields.items()}
        if not all(fields.values()):
            if card.drop_empty:
                facts["empty_dropped"] += 1
                continue
            empty = next(card.fields[field] for field, text in fields.items() if not text)
            raise DataError(
                f"row {i} of {path} ({part} of dataset {card.name!r}) has an empty text in column {empty!r}: "
                "fix the row, or set 'drop_empty: true' in the card"
            )
        if value not in labels:
            raise DataError(
                f"row {i} of {path} ({part} of dataset {card.name!r}) has {value[:60]!r} in the label column "
                f"{card.label_column!r}: the card's labels are {', '.join(map(repr, labels))}"
            )
        rows.append(_Row(f"{part}-{i:06d}", labels[value], fields))
    if not rows:
        raise DataError(f"no rows in {path} ({part} of dataset {card.name!r}): fix 'where' or 'files' in its card")
    return rows


def _divide(card: DatasetCard, parts: Mapping[str, list[_Row]], facts: dict[str, Any]) -> dict[str, list[_Row]]:
    """Return the splits that have rows, in the order of SPLITS."""
    rule = card.split
    if "all" in parts:
        pool = _without_repeats(parts["all"])
        wanted = rule.test if isinstance(rule.test, int) else _nearest(rule.test * len(pool))
        if wanted >= len(pool):
            raise DataError(f"dataset {card.name!r} has {len(pool)} distinct rows, of which {wanted} are for testing")
        test = _draw(pool, wanted, f"{rule.seed} test")
        train, within, across = _others(pool, test), len(parts["all"]) - len(pool), 0
        validation: list[_Row] = []
    else:
        test, validation = parts["test"], parts.get("validation", [])
        distinct = _without_repeats(parts["train"])
        seen = {row.text for row in (*validation, *test)}
        train = [row for row in distinct if row.text not in seen]
        within, across = len(parts["train"]) - len(distinct), len(distinct) - len(train)
        if not train:
            raise DataError(f"every training row of dataset {card.name!r} is also a test row: fix 'files' in its card")
    if rule.validation:
        validation = _draw(train, _nearest(rule.validation * len(train)), f"{rule.seed} validation")
        train = _others(train, validation)
    facts["duplicates_removed"] = {"repeated": within, "also_in_test_or_validation": across}
    splits = dict(zip(SPLITS, (train, validation, test), strict=True))
    return {split: rows for split, rows in splits.items() if rows}


def _draw(rows: Sequence[_Row], total: int, purpose: str) -> list[_Row]:
    """Return `total` rows, by class in proportion; a hash of `purpose` and of the row's id decides which."""
    classes = max(row.label for row in rows) + 1
    share = apportion(np.bincount([row.label for row in rows], minlength=classes), total)
    ranked = sorted(rows, key=lambda row: sha256(f"{purpose} {row.id}".encode()).digest())
    taken: set[str] = set()
    for row in ranked:
        if share[row.label]:
            share[row.label] -= 1
            taken.add(row.id)
    return [row for row in rows if row.id in taken]


def apportion(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Divide `total` rows among classes in proportion, by largest remainders.

    The first class comes first where remainders are equal. A class that would have no row takes one from the class
    with most, if there are enough for every class.

    Parameters
    ----------
    counts : ndarray of shape (C,)
        Rows of each class.
    total : int
        Rows to divide.

    Returns
    -------
    ndarray of shape (C,), int64

    Examples
    --------
    >>> apportion(np.array([90, 9, 1]), 10).tolist()
    [8, 1, 1]
    """
    # Integers throughout: the same seats on every machine.
    seats, remainder = np.divmod(counts * total, max(int(counts.sum()), 1))
    seats[np.argsort(-remainder, kind="stable")[: total - int(seats.sum())]] += 1
    if total >= np.count_nonzero(counts):
        for empty in np.flatnonzero((counts > 0) & (seats == 0)):
            seats[np.argmax(seats)] -= 1
            seats[empty] += 1
    return seats


def _others(rows: Iterable[_Row], taken: Iterable[_Row]) -> list[_Row]:
    ids = {row.id for row in taken}
    return [row for row in rows if row.id not in ids]


def _without_repeats(rows: Iterable[_Row]) -> list[_Row]:
    first: dict[tuple[str, ...], _Row] = {}
    for row in rows:
        first.setdefault(row.text, row)
    return list(first.values())


def _nearest(number: float) -> int:
    return int(number + 0.5)


def _split_rule(card: DatasetCard) -> str:
    rule = card.split
    own = f"{rule.test:g} of the distinct rows for testing, " if "all" in card.files and card.format != "hub" else ""
    carved = f"{rule.validation:g} of the training rows for validation, " if rule.validation else ""
    return f"{own}{carved}by class, seed {rule.seed}" if own or carved else "as the source divides them"

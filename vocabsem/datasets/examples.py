"""Read a data set's rows as examples: checked, free of repeated texts, split and capped by class, reproducibly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.checked_rows import checked_rows, checked_weight, row_fields
from vocabsem.datasets.data_facts import DataFacts
from vocabsem.datasets.example_rows import ExampleRows, choose_rows, contradictions, without_repeats
from vocabsem.datasets.label_values import LabelColumn, Labels, label_counts, label_text, strata
from vocabsem.errors import DataError
from vocabsem.sources.readers import Columns, Part, dataset_parts

__all__ = ["SPLITS", "Division", "Examples", "divide", "read_examples"]

SPLITS = ("train", "validation", "test")
MAX_CONTRADICTIONS = 1000  # contradictions, at most


@dataclass(frozen=True)
class Examples:
    """N examples, split after split, each in its source's order."""

    ids: list[str]
    """`<file>-<row in that file>`: the same whatever the split and the caps."""
    split: list[str]
    """train, validation or test, of each example."""
    labels: Labels
    """(N,), 0 … C-1 in the card's order, or numbers; or (N, L), whether the text has the label."""
    fields: list[dict[str, str]]
    """Template field → text; of choices also the name of a label → the option at its place."""
    facts: DataFacts
    """What was read, removed and kept."""
    contradictions: list[str]
    """For each text with several labels, the ids of its rows and their labels."""
    weights: NDArray[np.float64] | None = None
    """(N,), of the training rows, NaN for others; None where the card names none."""


@dataclass(frozen=True)
class Division:
    """Which rows of a data set are in which split; the texts stay in their files."""

    card: DatasetCard
    """Of the data set."""
    parts: dict[str, Part]
    """Its files."""
    splits: dict[str, ExampleRows]
    """The splits that have rows, in the order of SPLITS."""
    facts: DataFacts
    """What was read and removed."""
    contradictions: list[str]
    """As in `Examples`."""

    def fields(self, rows: ExampleRows) -> list[dict[str, str]]:
        """Read the texts of rows of one of the splits: template field → text."""
        return [row_fields(self.card, batch, i) for batch, i, _ in self._located(rows)]

    def weights(self, rows: ExampleRows) -> list[float]:
        """Read the weights of training rows. Raises DataError for one that is no number above 0."""
        column = self.card.weight
        assert column is not None
        return [
            checked_weight(batch[column][i], f"row {n} of {rows.part} of dataset {self.card.name!r}", column)
            for batch, i, n in self._located(rows)
        ]

    def _located(self, rows: ExampleRows) -> Iterator[tuple[Columns, int, int]]:
        """Yield each row: the batch that it is in, its place there, and its number."""
        start = 0
        for batch in self.parts[rows.part].batches():
            stop = start + len(batch[self.card.label_column])
            inside = rows.number[slice(*np.searchsorted(rows.number, [start, stop]))]
            yield from ((batch, n - start, n) for n in inside.tolist())
            start = stop


def read_examples(
    card: DatasetCard,
    files: Mapping[str, Path],
    *,
    limits: Mapping[str, int | None],
    seed: int = 0,
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
    seed : int, default=0
        Governs which rows are kept under a limit. Experiments vary shots and weights, never these.
    cache : Path
        Folder for what `datasets` keeps of a hub folder.

    Returns
    -------
    examples : Examples

    Raises
    ------
    DataError
        For an unknown label, an empty text, no rows, training rows of one class, or a limit below the classes.

    Examples
    --------
    >>> limits = {"train": 100, "validation": 50, "test": None}
    >>> examples = read_examples(card, files, limits=limits, cache=Path(".vocabsem/cache"))  # doctest: +SKIP
    >>> examples.split.count("train")  # doctest: +SKIP
    100
    """
    division = divide(card, files, cache)
    splits, facts = division.splits, division.facts
    for split, rows in splits.items():
        limit = limits.get(split)
        if limit is not None and limit < len(rows.number):
            if limit < card.classes:
                raise DataError(
                    f"a limit of {limit} {split} rows for dataset {card.name!r}, which has {card.classes} classes: "
                    f"allow at least {card.classes}"
                )
            splits[split] = rows.take(choose_rows(rows, limit, f"{seed} limit {split}"))
    if len(np.unique(strata(splits["train"].label))) < 2 and not card.choices:
        kind = "value" if card.label_kind == "continuous" else "class"
        only = f"of {kind} {label_text(card.label_names, splits['train'].label[0])!r}"
        raise DataError(f"every training row of dataset {card.name!r} is {only}: nothing can be learned")
    facts.split_rule = _split_rule(card)
    for split, rows in splits.items() if card.label_kind != "continuous" else ():
        counts = label_counts(rows.label, card.classes).tolist()
        facts.counts[split] = dict(zip(card.label_names, counts, strict=True))
        facts.majority_share[split] = max(counts) / len(rows.number)
    if card.label_kind == "continuous":
        facts.values = {split: _summary(rows.label) for split, rows in splits.items()}
    if card.label_kind == "multi":
        facts.without_label = {split: int((~rows.label.any(axis=1)).sum()) for split, rows in splits.items()}
    return Examples(
        ids=[name for rows in splits.values() for name in rows.ids()],
        split=[split for split, rows in splits.items() for _ in range(len(rows.number))],
        labels=np.concatenate([rows.label for rows in splits.values()]),
        fields=[fields for rows in splits.values() for fields in division.fields(rows)],
        facts=facts,
        contradictions=division.contradictions,
        weights=_weights(division) if card.weight else None,
    )


def _weights(division: Division) -> NDArray[np.float64]:
    return np.concatenate(
        [
            division.weights(rows) if split == "train" else np.full(len(rows.number), np.nan)
            for split, rows in division.splits.items()
        ]
    )


def divide(card: DatasetCard, files: Mapping[str, Path], cache: Path) -> Division:
    """Check every row of a data set and decide which split it is in; no text is kept.

    Parameters
    ----------
    card, files, cache
        As in `read_examples`.

    Returns
    -------
    Division

    Raises
    ------
    DataError
        For an unknown label, an empty text, or no rows.

    Examples
    --------
    >>> division = divide(load_card("datasets", "trec"), files, Path(".vocabsem/cache"))  # doctest: +SKIP
    >>> sorted(division.splits)  # doctest: +SKIP
    ['test', 'train', 'validation']
    """
    facts = DataFacts()
    parts = {part.name: part for part in dataset_parts(card, files, cache)}
    rows = {name: _rows(card, part, files.get(name, files.get("all", Path())), facts) for name, part in parts.items()}
    contradicting = contradictions(card.label_names, list(rows.values()))
    facts.contradicting_texts = len(contradicting)
    return Division(card, parts, _divide(card, rows, facts), facts, contradicting[:MAX_CONTRADICTIONS])


def _rows(card: DatasetCard, part: Part, path: Path, facts: DataFacts) -> ExampleRows:
    column, start = LabelColumn(card), 0
    numbers: list[NDArray[np.int64]] = []
    labels: list[Labels] = []
    texts: list[NDArray[np.bytes_]] = []
    for batch in part.batches():
        kept = list(checked_rows(card, column, part, path, batch, start, facts))
        start += len(batch[card.label_column])
        numbers.append(np.array([row[0] for row in kept], np.int64))
        labels.append(column.stack([row[1] for row in kept]))
        texts.append(np.array([row[2] for row in kept], "S16"))
    facts.rows_read[part.name] = start
    if not sum(map(len, numbers)):
        raise DataError(f"no rows in {path} ({part.name} of dataset {card.name!r}): fix 'where' or 'files' in its card")
    return ExampleRows(part.name, np.concatenate(numbers), np.concatenate(labels), np.concatenate(texts))


def _divide(card: DatasetCard, parts: Mapping[str, ExampleRows], facts: DataFacts) -> dict[str, ExampleRows]:
    """Return the splits that have rows, in the order of SPLITS."""
    rule = card.split
    validation: ExampleRows | None = None
    if "all" in parts:
        pool = without_repeats(parts["all"])
        count = len(pool.number)
        wanted = rule.test if isinstance(rule.test, int) else _nearest(rule.test * count)
        if wanted >= count:
            raise DataError(f"dataset {card.name!r} has {count} distinct rows, of which {wanted} are for testing")
        chosen = choose_rows(pool, wanted, f"{rule.seed} test")
        train, test = pool.take(~chosen), pool.take(chosen)
        within, across = len(parts["all"].number) - count, 0
    else:
        test, validation = parts["test"], parts.get("validation")
        distinct = without_repeats(parts["train"])
        seen = np.isin(distinct.text, np.concatenate([rows.text for rows in (validation, test) if rows]))
        train = distinct.take(~seen)
        within, across = len(parts["train"].number) - len(distinct.number), int(seen.sum())
        if not len(train.number):
            raise DataError(f"every training row of dataset {card.name!r} is also a test row: fix 'files' in its card")
    if rule.validation:
        chosen = choose_rows(train, _nearest(rule.validation * len(train.number)), f"{rule.seed} validation")
        train, validation = train.take(~chosen), train.take(chosen)
    facts.duplicates_removed = {"repeated": within, "also_in_test_or_validation": across}
    splits = zip(SPLITS, (train, validation, test), strict=True)
    return {split: rows for split, rows in splits if rows is not None and len(rows.number)}


def _summary(values: NDArray[np.float64]) -> dict[str, float]:
    return {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}


def _nearest(number: float) -> int:
    return int(number + 0.5)


def _split_rule(card: DatasetCard) -> str:
    rule = card.split
    own = f"{rule.test:g} of the distinct rows for testing, " if "all" in card.files and card.format != "hub" else ""
    carved = f"{rule.validation:g} of the training rows for validation, " if rule.validation else ""
    how = "at random" if card.label_kind in ("multi", "continuous") else "by class"
    return f"{own}{carved}{how}, seed {rule.seed}" if own or carved else "as the source divides them"

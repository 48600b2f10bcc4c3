"""A file of texts with numbers to the card of a data set: no model is needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabsem.cards.checks import number
from vocabsem.cards.reader_options import ReaderOptions
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DataError
from vocabsem.sources.readers import dataset_parts
from vocabsem.sources.tables import format_of

ENDS = (0.05, 0.95)  # shares of the rows that have at most the number of either word


@dataclass(frozen=True)
class NumbersDraft:
    """What a file of texts with numbers holds, and the card of it."""

    card: dict[str, Any]
    rows: int
    ends: tuple[float, float]
    """The numbers that the two words stand for."""


def draft_numbers(
    files: dict[str, Path],
    text: str,
    label: str,
    name: str,
    words: tuple[str, str],
    options: ReaderOptions | None = None,
    *,
    drop_empty: bool = False,
) -> NumbersDraft:
    """Read the numbers of the label column, and assign its 5 % and 95 % quantiles to the words.

    Raises DataError for a label that is no finite number, and where all but a few are one number.
    """
    fields: dict[str, Any] = {
        "name": name,
        "description": "drafted",
        "license": "not stated",
        "files": {part: f"file:{path.absolute()}" for part, path in files.items()},
        "format": format_of(next(iter(files.values()))),
        **({"options": options.model_dump(exclude_defaults=True)} if options and options.model_fields_set else {}),
        **({"drop_empty": True} if drop_empty else {}),
        "fields": {"text": text},
        "label_column": label,
        "label_kind": "continuous",
        "labels": _labels((0.0, 1.0), words),
        "template": "{text}\n" + label.replace("{", "{{").replace("}", "}}") + ":",
        "split": ({"test": 0.2} if "all" in files else {}) | {"validation": 0.1},
    }
    numbers = np.fromiter(_numbers(DatasetCard.model_validate(fields), files), np.float64)
    low, high = (float(f"{end:.4g}") for end in np.quantile(numbers, ENDS))
    if low >= high:
        raise DataError(
            f"column {label!r} of {next(iter(files.values()))} has {low:g} in nine of ten rows or more: numbers have to"
            " differ; without --scale they are read as classes"
        )
    described = f"{len(numbers):,} rows of {' and '.join(path.name for path in files.values())}"
    card = fields | {"description": described, "labels": _labels((low, high), words)}
    return NumbersDraft(card, len(numbers), (low, high))


def _labels(ends: tuple[float, float], words: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "value": f"{end:g}", "word": word.strip()}
        for name, end, word in zip(("low", "high"), ends, words, strict=True)
    ]


def _numbers(card: DatasetCard, files: dict[str, Path]) -> Iterator[float]:
    for part in dataset_parts(card, files, Path()):
        start = 0
        for batch in part.batches():
            for i, value in enumerate(batch[card.label_column]):
                parsed = number(value)
                if parsed is None:
                    raise DataError(
                        f"row {start + i} of {files[part.name]} has {value[:60]!r} in column {card.label_column!r},"
                        " which is no finite number: fix the row, or leave --scale out, to read classes"
                    )
                yield parsed
            start += len(batch[card.label_column])

"""A file of questions with options of their own to the card of a data set: no model is needed."""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabsem.cards.base import Choices
from vocabsem.cards.reader_options import ReaderOptions
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.checked_rows import row_options
from vocabsem.errors import DataError
from vocabsem.prompts.texts import is_empty
from vocabsem.sources.readers import dataset_parts
from vocabsem.sources.tables import format_of

LETTERS = string.ascii_uppercase
Question = tuple[str, list[str]]  # the label's value and the options


@dataclass(frozen=True)
class ChoicesDraft:
    """What a file of questions holds, and the card of it."""

    card: dict[str, Any]
    rows: int
    options: tuple[int, int]
    """The fewest and the most of a row."""
    labels: str
    """What the label column has, for people."""


def draft_choices(
    files: dict[str, Path],
    text: str,
    label: str,
    name: str,
    columns: Sequence[str],
    options: ReaderOptions | None = None,
) -> ChoicesDraft:
    """Read how many options the rows have, and how the label column names the right one.

    columns: one of lists, or one for each option. Raises DataError for rows without options, or labels that name none.
    """
    fields = {
        "name": name,
        "license": "not stated",
        "files": {part: f"file:{path.absolute()}" for part, path in files.items()},
        "format": format_of(next(iter(files.values()))),
        **({"options": options.model_dump(exclude_defaults=True)} if options and options.model_fields_set else {}),
        "fields": {"text": text},
        "label_column": label,
        "label_kind": "choice",
        "split": {"test": 0.9} if "all" in files else {},
    }
    questions = list(_questions(_card(fields, columns, len(LETTERS)), files))
    sizes = [len(mine) for _, mine in questions]
    values, answer, what = _labels(questions, label, next(iter(files.values())))
    most = max(sizes)
    letters = "".join(f"\n{letter}. {{{letter}}}" for letter in LETTERS[:most])
    choices: dict[str, Any] = {"columns": columns[0] if len(columns) == 1 else list(columns)}
    choices |= {"answer": answer} if answer == "text" else {}
    choices |= {"letters": f"Question: {{text}}{letters}\nAnswer:"} if min(sizes) == most else {}
    card = fields | {
        "description": f"{len(questions):,} questions of {' and '.join(path.name for path in files.values())}",
        "labels": [{"name": c, "value": v, "word": c} for c, v in zip(LETTERS[:most], values, strict=False)],
        "choices": choices,
        "template": "Question: {text}\nAnswer:",
    }
    return ChoicesDraft(card, len(questions), (min(sizes), most), what)


def _card(fields: dict[str, Any], columns: Sequence[str], most: int) -> DatasetCard:
    """The card with which rows are read, whose labels are as many as there may be options."""
    count = len(columns) if len(columns) > 1 else most
    given: dict[str, Any] = {
        "description": "drafted",
        "labels": [{"name": c, "value": c, "word": c} for c in LETTERS[:count]],
        "choices": Choices(columns=columns[0] if len(columns) == 1 else list(columns)),
        "template": "{text}",
    }
    return DatasetCard.model_validate(fields | given)


def _questions(card: DatasetCard, files: dict[str, Path]) -> Iterator[Question]:
    for part in dataset_parts(card, files, Path()):
        start = 0
        for batch in part.batches():
            for i, value in enumerate(batch[card.label_column]):
                where = f"row {start + i} of {files[part.name]}"
                if is_empty(value):
                    raise DataError(f"{where} has no label in column {card.label_column!r}: fill it in")
                yield value.strip(), row_options(card, batch, i, where)
            start += len(batch[card.label_column])


def _labels(questions: Sequence[Question], column: str, path: Path) -> tuple[Sequence[str | int], str, str]:
    """Return the values of the places, what the labels are in a card, and for people."""
    numbers = [int(value) if value.isdecimal() else -1 for value, _ in questions]
    within = [len(options) for _, options in questions]
    if all(0 <= n < size for n, size in zip(numbers, within, strict=True)) and (0 in numbers or max(numbers) < 1):
        return range(len(LETTERS)), "value", "places from 0"
    if all(1 <= n <= size for n, size in zip(numbers, within, strict=True)):
        return range(1, len(LETTERS) + 1), "value", "places from 1"
    if all(value in LETTERS[:size] for (value, _), size in zip(questions, within, strict=True)):
        return LETTERS, "value", "letters"
    if all(options.count(value) == 1 for value, options in questions):
        return range(len(LETTERS)), "text", "texts of the right option"
    value, options = next((v, o) for v, o in questions if v not in o)
    raise DataError(
        f"column {column!r} of {path} has {value[:60]!r} for the options {', '.join(map(repr, options))[:200]}: give in"
        " all rows the place, from 0 or from 1, or the letter, or the text of the right option"
    )

"""One row of a data set: its texts, its options where it has some, its class, each checked."""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vocabsem.cards.checks import number
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.data_facts import DataFacts
from vocabsem.datasets.label_values import LabelColumn
from vocabsem.errors import DataError
from vocabsem.prompts.texts import is_empty
from vocabsem.sources.readers import Columns, Part

__all__ = ["checked_rows", "checked_weight", "row_fields", "row_options"]


def row_fields(card: DatasetCard, batch: Columns, row: int) -> dict[str, str]:
    """Return the texts of a row that `checked_rows` passes, and the option at the place of each label.

    Parameters
    ----------
    card : DatasetCard
        Names the columns.
    batch : dict of str to list of str
        Columns of rows.
    row : int
        Which of them.

    Returns
    -------
    dict of str to str
        Template field, or name of a label, → text. A row with fewer options than labels has no field of the last ones.
    """
    options = row_options(card, batch, row, "") if card.choices else []
    return {field: batch[column][row].strip() for field, column in card.fields.items()} | dict(
        zip(card.label_names, options, strict=False)
    )


def checked_rows(
    card: DatasetCard, column: LabelColumn, part: Part, path: Path, batch: Columns, start: int, facts: DataFacts
) -> Iterator[tuple[int, Any, bytes]]:
    """Check the rows of a batch, and count in `facts` those that are left out.

    Parameters
    ----------
    card : DatasetCard
        Columns and labels.
    column : LabelColumn
        Reads the card's label column.
    part, path
        Where the rows are, for messages.
    batch : dict of str to list of str
        Columns of rows.
    start : int
        Number of the first one in its part.
    facts : DataFacts
        Counts of what is left out, raised here.

    Yields
    ------
    number : int
        Of each row that counts.
    label : int or list of int
        Its class, or of any number of labels those that it has.
    text : bytes
        A hash of all its texts and options, white space normalized.

    Raises
    ------
    DataError
        For an empty text, options that cannot be chosen among, a label that is none of the card's or of the row's
        options.
    """
    wanted = {name: str(value) for name, value in card.where.items()}
    for i, value in enumerate(batch[card.label_column]):
        where = f"row {start + i} of {path} ({part.name} of dataset {card.name!r})"
        if any(batch[name][i] != other for name, other in wanted.items()):
            facts.rows_of_other_sources += 1
            continue
        if empty := [name for name in card.fields.values() if is_empty(batch[name][i])]:
            if card.drop_empty:
                facts.empty_dropped += 1
                continue
            raise DataError(
                f"{where} has an empty text in column {empty[0]!r}: fix the row, or set 'drop_empty: true' in the card"
            )
        options = row_options(card, batch, i, where) if card.choices else []
        label: Any
        if card.choices and card.choices.answer == "text":
            label, unlisted = _right_option(card, value, options, where), 0
        else:
            label, unlisted = column.read(value, where)
        facts.unlisted_dropped += unlisted
        if label is None:
            continue
        if card.choices and label >= len(options):
            raise DataError(
                f"{where} has {value[:60]!r} in the label column {card.label_column!r}, which is option {label + 1},"
                f" and it has {len(options)} options: fix the row"
            )
        texts = [" ".join(batch[name][i].split()) for name in card.fields.values()]
        text = repr([*texts, *(" ".join(option.split()) for option in options)])
        yield start + i, label, blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def checked_weight(value: str, where: str, column: str) -> float:
    """Return the weight of a row.

    Parameters
    ----------
    value : str
        As in the file.
    where, column : str
        Names the row and its column in messages.

    Returns
    -------
    float

    Raises
    ------
    DataError
        For what is no finite number above 0.

    Examples
    --------
    >>> checked_weight(" 2.5", "row 0 of train", "votes")
    2.5
    """
    weight = number(value.strip())
    if weight is None or weight <= 0:
        raise DataError(
            f"{where} has {value[:60]!r} in column {column!r}, no weight: give a number above 0, or leave it out"
        )
    return weight


def row_options(card: DatasetCard, batch: Columns, row: int, where: str) -> list[str]:
    """Return the options of a row, from a column that has a list or from one column each.

    Parameters
    ----------
    card : DatasetCard
        With `choices`.
    batch : dict of str to list of str
        Columns of rows; a list is in JSON.
    row : int
        Which of them.
    where : str
        Names the row in messages.

    Returns
    -------
    list of str
        Two to C texts.

    Raises
    ------
    DataError
        For no list, an empty option, fewer than two, more than labels, or not one for each letter of a prompt.
    """
    assert card.choices
    columns = card.choices.columns
    if isinstance(columns, str):
        options, of = _listed_options(batch[columns][row], columns, where), f"column {columns!r}"
    else:
        options, of = [batch[column][row].strip() for column in columns], f"columns {', '.join(columns)}"
        while options and not options[-1]:
            options.pop()
    if empty := [number for number, option in enumerate(options, 1) if is_empty(option)]:
        raise DataError(f"{where} has an empty option {empty[0]} in {of}: give it a text, or leave the row out")
    if len(options) < 2:
        raise DataError(f"{where} has {len(options) or 'no'} option{'s' * (not options)} in {of}: give it two or more")
    if len(options) > card.classes:
        raise DataError(
            f"{where} has {len(options)} options in {of}, and the card {card.classes} labels: add labels, one for each"
            " place"
        )
    if card.choices.letters and len(options) < card.classes:
        raise DataError(
            f"{where} has {len(options)} options in {of}, and choices.letters in the card names {card.classes}: leave"
            " such rows out of the data, or choices.letters out of the card"
        )
    return options


def _listed_options(text: str, column: str, where: str) -> list[str]:
    if not text.strip():
        raise DataError(f"{where} has no options in column {column!r}: fix the row, or choices.columns in the card")
    try:
        values = json.loads(text)
    except ValueError:
        values = text
    if not isinstance(values, list):
        raise DataError(
            f"{where} has {text[:60]!r} in column {column!r}, no list of options: write one in JSON, or name a column"
            " for each option in choices.columns"
        )
    for value in values:
        if isinstance(value, dict | list):
            raise DataError(
                f"{where} has {str(value)[:60]!r} among the options in column {column!r}, no text: name what of it is"
                f" the text, as in choices.columns: {column}.text"
            )
    return ["" if value is None else str(value).strip() for value in values]


def _right_option(card: DatasetCard, value: str, options: list[str], where: str) -> int:
    matches = [number for number, option in enumerate(options) if option == value.strip()]
    if len(matches) == 1:
        return matches[0]
    which, listed = len(matches) or "none", ", ".join(map(repr, options))[:200]
    raise DataError(
        f"{where} has {value[:60]!r} in the label column {card.label_column!r}, which is {which} of its options"
        f" {listed}: fix the row"
    )

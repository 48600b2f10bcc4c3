"""Read files into columns: CSV by pandas, texts as they are, the rest by HF `datasets`, without the network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DataError

__all__ = ["Columns", "read_columns"]

Columns = dict[str, list[str]]


def read_columns(card: DatasetCard, files: Mapping[str, Path], cache: Path) -> dict[str, Columns]:
    """Read the columns that a card names, as text.

    Parameters
    ----------
    card : DatasetCard
        Columns and format of the files.
    files : mapping of str to Path
        Location of each of `card.files`.
    cache : Path
        Folder of the Arrow copies that `datasets` makes.

    Returns
    -------
    dict of str to dict of str to list of str
        The columns of each file (for `hub`, of each split).

    Raises
    ------
    DataError
        For a file that cannot be read in the card's format, lacks a column, or holds nested values in one.
    """
    wanted = dict.fromkeys([*card.fields.values(), card.label_column, *card.where])
    parts: dict[str, Path] = {split: files[split] for split in card.files}
    if card.format == "hub":
        parts = dict.fromkeys(card.splits, files["all"])
    columns: dict[str, Columns] = {}
    for part, path in parts.items():
        try:
            table = _read(card, part, path, str(cache))
        except Exception as error:  # the readers' errors have no common root short of this one
            raise DataError(_message(card, path, error)) from error
        for name in wanted:
            if name not in table:
                hint = _other_columns(card, name, list(table))
                raise DataError(
                    f"{path} has no column {name!r}, which dataset {card.name!r} is to be read from: {hint}"
                )
            if nested := [value for value in table[name] if isinstance(value, list | dict)]:
                raise DataError(
                    f"column {name!r} of {path} holds {str(nested[0])[:60]!r}, no text: write it out as text"
                )
        columns[part] = {name: ["" if v is None else str(v) for v in table[name]] for name in wanted}
    return columns


def _other_columns(card: DatasetCard, name: str, known: list[str]) -> str:
    if card.format == "csv" and len(known) == 1:
        return (
            f"its only column is {known[0]!r}. If that is several, save it with commas between them, or set"
            " 'options' in the card, as in {sep: ';'}"
        )
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, known))}"


def _read(card: DatasetCard, part: str, path: Path, cache: str) -> Mapping[str, list[Any]]:
    if path.is_file() and not path.stat().st_size:
        raise DataError("it is empty")
    if card.format == "folder":
        return _read_folder(path, **card.options)
    if card.format == "csv":
        import pandas as pd

        # All as text: pandas would turn the review "NA" into a missing value, the label 01 into 1.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, **card.options)
        if frame.empty:
            raise DataError("it has no data")
        if not isinstance(frame.index, pd.RangeIndex):  # what pandas makes of fields that the header does not name
            named = ", ".join(map(repr, frame.columns))
            raise DataError(
                f"its rows have more fields than its header, {named}: name all, and quote texts with commas"
            )
        return {name: frame[name].to_list() for name in frame.columns}
    with _quiet():
        from datasets import Dataset, load_dataset

        if card.format == "jsonl":
            table = Dataset.from_json(str(path), cache_dir=cache, **card.options)
        elif card.format == "parquet":
            table = Dataset.from_parquet(str(path), cache_dir=cache, **card.options)
        else:
            split = {str(k): v for k, v in card.splits.items()}[part]
            table = load_dataset(str(path), split=split, cache_dir=cache, **card.options)
        return {name: table.data.column(name).to_pylist() for name in table.column_names}


def _read_folder(
    folder: Path, *, encoding: str = "utf-8", encoding_errors: str | None = None
) -> Mapping[str, list[Any]]:
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    if not paths:
        raise DataError("it has no folders with texts")
    texts = [path.read_text(encoding, encoding_errors) for path in paths]
    return {"text": texts, "label": [path.parent.name for path in paths]}


def _message(card: DatasetCard, path: Path, error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reason = (str(cause) or type(cause).__name__).strip().splitlines()[0][:300]
    fix = "fix the file, or 'format' or 'options' in its card"
    return f"cannot read {path} of dataset {card.name!r} as {card.format}: {reason}: {fix}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars, log lines on stderr, and the download counter on the network."""
    import datasets

    bars, level = datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    counted = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        yield
    finally:
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counted
        datasets.logging.set_verbosity(level)
        if not bars:
            datasets.enable_progress_bars()

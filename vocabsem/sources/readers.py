"""The files of a data set, in batches of the columns that its card names, as text."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vocabsem.cards.reader_options import Format, ReaderOptions
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DataError
from vocabsem.sources import tables
from vocabsem.sources.arrow_rows import arrow_schema
from vocabsem.sources.fetching import fetch
from vocabsem.sources.nested import column_of_path, texts_at

__all__ = ["Columns", "Part", "class_names", "dataset_parts", "fetch_files"]

Columns = dict[str, list[str]]
FOLDER_BATCH = 256  # texts


@dataclass(frozen=True)
class Part:
    """What one of a card's files, or of a hub folder's splits, holds."""

    name: str
    """train, validation, test or all."""
    files: list[tuple[Path, Format]]
    """In the order of their rows; of a `folder`, that folder."""
    options: ReaderOptions
    """How they are read."""
    columns: list[str]
    """Those to read."""
    label_column: str
    """The one of the labels."""
    values: frozenset[str]
    """The card's values of the labels."""
    lists: frozenset[str] = frozenset()
    """Columns that may hold lists, which are given as JSON."""

    def batches(self) -> Iterator[Columns]:
        """Yield the rows in their order.

        Yields
        ------
        dict of str to list of str

        Raises
        ------
        DataError
            For a file that cannot be read, lacks a column, or holds nested values in one.
        """
        for path, form in self.files:
            if form == "folder":
                yield from _read_folder(path, self.options)
                continue
            paths_of = self._check_columns(path, form)
            columns = list(dict.fromkeys(column for column, _ in paths_of.values()))
            nested = {column for name, (column, keys) in paths_of.items() if keys or name in self.lists}
            names = class_names(path, form, self.label_column)
            numbered = {str(i): name for i, name in enumerate(names)}
            for batch in tables.read_batches(path, form, columns, self.options, nested=nested):
                table = {}
                for name, (column, keys) in paths_of.items():
                    values = batch.column(columns.index(column))
                    if keys or name in self.lists:
                        table[name] = texts_at(values.to_pylist(), keys, f"{name!r} of {path}", name in self.lists)
                    else:
                        table[name] = tables.strings(values, path, name)
                if numbered and self.values.isdisjoint(numbered):
                    table[self.label_column] = [numbered.get(v, v) for v in table[self.label_column]]
                yield table

    def _check_columns(self, path: Path, form: Format) -> dict[str, tuple[str, list[str]]]:
        """Return the column of each name, and the keys below it."""
        known = tables.column_names(path, form, self.options, self.columns)
        paths_of = {name: column_of_path(name, known) for name in self.columns}
        for name, (column, _) in paths_of.items():
            if column not in known:
                near = get_close_matches(name, known, n=1, cutoff=0.5)
                listed = ", ".join(map(repr, known))[:200]
                hint = f"did you mean {near[0]!r}?" if near else f"it has {listed}"
                if form in tables.SEPARATORS and len(known) == 1:
                    hint = (
                        f"its only column is {known[0][:100]!r}: if that is several, say with sep what is between them"
                    )
                raise DataError(f"{path} has no column {name!r}: {hint}")
        return paths_of


def fetch_files(card: DatasetCard, cache: Path) -> dict[str, Path]:
    """Fetch the files of a data set, where they are not cached.

    Parameters
    ----------
    card : DatasetCard
        Its sources, and their hashes where it has some.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    dict of str to Path
        By split.

    Raises
    ------
    DownloadFailed
        For a source that cannot be had.
    SourceError
        For one that is not what the card says.
    """
    return {split: fetch(source, cache, sha256=card.sha256.get(split)).path for split, source in card.files.items()}


def dataset_parts(card: DatasetCard, files: Mapping[str, Path], cache: Path) -> list[Part]:
    """Return what a card's files hold, unread.

    Parameters
    ----------
    card : DatasetCard
        Columns and format of the files.
    files : mapping of str to Path
        Location of each of `card.files`.
    cache : Path
        Folder for what `datasets` keeps of a hub folder.

    Returns
    -------
    list of Part

    Raises
    ------
    DataError
        For a hub folder without a split that the card names.
    """
    listed: dict[str, list[tuple[Path, Format]]] = {split: [(files[split], card.format)] for split in card.files}
    if card.format == "hub":
        listed = _hub_files(card, files["all"], cache)
    options = card.choices.columns if card.choices else []
    lists = frozenset([options]) if isinstance(options, str) else frozenset()
    columns = list(dict.fromkeys([*card.fields.values(), *(lists or options), card.label_column, *card.where]))
    if card.label_kind == "multi" and card.separator is None:
        lists |= {card.label_column}
    values = frozenset(value for label in card.labels for value in label.values)
    weights = [card.weight] if card.weight else []
    columns_of = {name: [*columns, *(weights if name in ("train", "all") else [])] for name in listed}
    return [
        Part(name, paths, card.options, columns_of[name], card.label_column, values, lists)
        for name, paths in listed.items()
    ]


def class_names(path: Path, form: Format, column: str) -> list[str]:
    """Return the names that `datasets` has stored of a column of class numbers, if it has.

    Parameters
    ----------
    path, form
        The file.
    column : str
        Its column.

    Returns
    -------
    list of str
    """
    if form not in ("parquet", "arrow"):
        return []
    stored = (arrow_schema(path, form).metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(stored)["info"]["features"][column]["names"]
        return [str(name) for name in names]
    except (ValueError, KeyError, TypeError):
        return []


def _hub_files(card: DatasetCard, folder: Path, cache: Path) -> dict[str, list[tuple[Path, Format]]]:
    """List the files of each split as `datasets` finds them: by the folder's card, or by their names."""
    import datasets

    try:
        builder = datasets.load_dataset_builder(str(folder), name=card.options.name, cache_dir=str(cache))
        known = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
    except Exception as error:  # the errors of `datasets` have no common root short of this one
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise DataError(f"cannot read {folder} of dataset {card.name!r} as hub: {reason}") from error
    files: dict[str, list[tuple[Path, Format]]] = {}
    for part, wanted in card.splits.items():
        for split in wanted.split("+"):
            if split.strip() not in known:
                raise DataError(
                    f"{folder} of dataset {card.name!r} has no split {split.strip()!r}: it has {', '.join(known)}"
                )
            paths = [Path(path) for path in known[split.strip()]]
            files.setdefault(part, []).extend((path, tables.format_of(path)) for path in paths)
    return files


def _read_folder(folder: Path, options: ReaderOptions) -> Iterator[Columns]:
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    if not paths:
        raise DataError(f"cannot read {folder} as folder: it has no folders with texts")
    for start in range(0, len(paths), FOLDER_BATCH):
        some = paths[start : start + FOLDER_BATCH]
        try:
            texts = [path.read_text(options.encoding, options.encoding_errors) for path in some]
        except (OSError, UnicodeError) as error:
            raise DataError(
                f"cannot read {folder} as folder: {error}: fix the file, or 'options' in its card"
            ) from None
        yield {"text": texts, "label": [path.parent.name for path in some]}

"""Load cards: YAML read into a typed card, with every mistake in one message, its line and the fix."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, overload

import yaml
from pydantic import BaseModel, ValidationError

from vocabsem.cards.folders import card_folders, find_card
from vocabsem.cards.schema import DatasetCard, Kind, ModelCard
from vocabsem.cards.yaml_text import LONGEST, MOST_DEPTH, read_yaml_text
from vocabsem.errors import CardError, shorten, suggest

__all__ = ["load_card", "read_yaml"]

MOST_MISTAKES = 20

T = TypeVar("T", bound=BaseModel)
KeyPath = tuple[int | str, ...]


def read_yaml(path: Path, model: type[T], overrides: Mapping[str, Any] | None = None) -> T:
    """Read a YAML file into a pydantic model.

    Parameters
    ----------
    path : Path
        The file.
    model : type of BaseModel
        What it describes.
    overrides : mapping of str to value, optional
        Values of dotted keys (`limits.train`: 100), applied before the card is validated.

    Returns
    -------
    model
        The validated card.

    Raises
    ------
    CardError
        With file, line, key and fix, for all mistakes at once.

    Examples
    --------
    >>> read_yaml(Path("data/models/smollm2-135m.yaml"), ModelCard, {"max_tokens": 64}).max_tokens  # doctest: +SKIP
    64
    """
    data, tree = read_yaml_text(_read_text(path), str(path))
    if not isinstance(data, dict):
        given = "nothing" if data is None else shorten(repr(data))
        raise CardError(f"{path}: expected 'key: value' lines, found {given}")
    if overrides:
        data = json.loads(json.dumps(data))  # so that an alias does not change with what it names
    for key, value in (overrides or {}).items():
        _override(data, key.split("."), value)
    try:
        # Through JSON, so that strict types still take YAML's lists for tuples and its text for enums.
        return model.model_validate_json(json.dumps(data, default=str), context={"folder": path.parent})
    except ValidationError as error:
        overridden = [key.split(".") for key in overrides or {}]
        mistakes: list[dict[str, Any]] = [
            {**e, "loc": _as_written(data, e["loc"])} for e in error.errors()[:MOST_MISTAKES]
        ]
        more = error.error_count() - MOST_MISTAKES
        messages = dict.fromkeys(
            f"{path}{_location(tree, overridden, e['loc'])}: {_message(model, e)}" for e in mistakes
        )
        raise CardError("\n".join([*messages, *([f"and {more:,} more mistakes"] if more > 0 else [])])) from None


@overload
def load_card(kind: Literal["models"], name_or_path: str) -> ModelCard: ...
@overload
def load_card(kind: Literal["datasets"], name_or_path: str) -> DatasetCard: ...
def load_card(kind: Kind, name_or_path: str) -> ModelCard | DatasetCard:
    """Load a card by its name, from the first of the card folders that has it, or by its path.

    Parameters
    ----------
    kind : {"models", "datasets"}
        Folder of the card.
    name_or_path : str
        A name, or the path of a .yaml file; of a data set with `@` and a variant, or two: `trec@bare@words-plain`.

    Returns
    -------
    ModelCard or DatasetCard

    Raises
    ------
    CardError
        For an unknown name, or a card with a wrong key or value.

    Examples
    --------
    >>> load_card("datasets", "sst5").classes
    5
    """
    folder, slash, last = name_or_path.rpartition("/")
    last, *variants = last.split("@") if kind == "datasets" else [last]
    name_or_path = folder + slash + last
    path = Path(name_or_path) if name_or_path.endswith((".yaml", ".yml")) else find_card(kind, name_or_path)
    card = read_yaml(path, ModelCard) if kind == "models" else read_yaml(path, DatasetCard)
    if path.parent in [each / kind for each in card_folders()] and card.name != path.stem:
        raise CardError(f"{path}: the card is named {card.name!r}: give it the file's name, {path.stem!r}")
    return reduce(DatasetCard.variant, variants, card) if isinstance(card, DatasetCard) else card


def _read_text(path: Path) -> str:
    """Return the text of a card, or of its start where it is longer than a card can be. Raises CardError."""
    try:
        if path.exists() and not path.is_file():
            raise CardError(f"the card {path} is no file")
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST + 1)
    except OSError as error:
        raise CardError(f"cannot read the card {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CardError(f"{path} is not UTF-8 text") from None


def _override(data: dict[str, Any], keys: list[str], value: Any) -> None:
    *parents, last = keys
    if len(parents) > MOST_DEPTH:
        raise CardError(f"cannot set {'.'.join(keys)}: no key of a card is nested more than {MOST_DEPTH} deep")
    for depth, key in enumerate(parents, 1):
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise CardError(f"cannot set {'.'.join(keys)}: {'.'.join(keys[:depth])} holds {str(data)!r}, no keys")
    data[last] = value


def _location(tree: yaml.Node | None, overridden: Sequence[Sequence[str]], path: KeyPath) -> str:
    """Return the line of the card that holds the key, or which override does."""
    for keys in overridden:
        if [str(part) for part in path[: len(keys)]] == keys:
            return f", with {'.'.join(keys)} set"
    return f":{_line(tree, path)}"


def _as_written(data: Any, path: KeyPath) -> KeyPath:
    """Return a path of pydantic's without the names of types in it, which it has where a key takes one of several."""
    kept: list[int | str] = []
    for number, part in enumerate(path, start=1):
        if isinstance(data, list) and isinstance(part, int):
            data = data[part] if part < len(data) else None
        elif isinstance(data, dict) and (part in data or number == len(path)):
            data = data.get(part)
        else:
            continue
        kept.append(part)
    return tuple(kept)


def _message(model: type[BaseModel], error: dict[str, Any]) -> str:
    path: KeyPath = error["loc"]
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        return f"unknown key {path[-1]!r} in {_named(path[:-1])}: {suggest(str(path[-1]), known)}"
    if error["type"] == "missing":
        return f"missing key {path[-1]!r} in {_named(path[:-1])}"
    message = error["msg"].removeprefix("Value error, ")
    given = "" if isinstance(error["input"], dict | list) else f" (given: {error['input']!r})"
    return f"{_named(path)}: {message}{given}"


def _named(path: KeyPath) -> str:
    """Return `('labels', 0, 'word')` as people write it: labels[0].word."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the card"


def _keys_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    models = [model]
    for part in path:
        fields = [m.model_fields[part].annotation for m in models if isinstance(part, str) and part in m.model_fields]
        models = [inner for field in fields for inner in _models_in(field)] or models
    return [key for m in models for key in m.model_fields]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _line(node: yaml.Node | None, path: KeyPath) -> int:
    """Return the line of the deepest part of `path` that the file has."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if getattr(k, "value", None) == str(part)), None)
            if match is None:
                return line
            line, node = match[0].start_mark.line + 1, match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line

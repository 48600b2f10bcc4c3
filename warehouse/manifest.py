"""The manifest: the only evidence that a partition exists, written last."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, Self, TypedDict

from warehouse.errors import CorruptPartition, InvalidName
from warehouse.keys import canonical, checked_key, checked_name, partition_key

FORMAT = 1
MANIFEST = "manifest.json"
REFUSED = "refused.json"  # a manifest too, of what a check kept from being published


class Check(TypedDict):
    """A statement about the data that was tested when it was written."""

    name: str
    passed: bool
    detail: str
    """What was found."""
    severity: NotRequired[Literal["fail", "warn"]]
    """Whether a partition that fails it is published nevertheless, with a warning; without one it is not."""


def failures(checks: Sequence[Check]) -> str:
    """The checks that forbid publishing, each with what was found; empty if there are none."""
    failed = (c for c in checks if not c["passed"] and c.get("severity") != "warn")
    return ", ".join(f"{check['name']!r} ({check['detail']})" for check in failed)


@dataclass(frozen=True)
class FileEntry:
    """One file of a partition, as it was when it was written."""

    name: str
    rows: int | None
    """Rows of a Parquet file, None for any other."""
    bytes: int
    sha256: str
    footer: str | None = None
    """SHA-256 of a Parquet file's footer, which says what its bytes mean; None for any other."""

    @property
    def is_part(self) -> bool:
        """Whether the file holds the partition's rows; others (training.parquet, safetensors) lie beside them."""
        return self.name.startswith("part-") and self.name.endswith(".parquet")

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Raises ValueError for what is no entry."""
        entry = cls(**_object(value, "a file's entry"))
        try:
            checked_name(entry.name, "file name")
            for digest in (entry.sha256, entry.footer) if entry.rows is not None else (entry.sha256,):
                checked_key(_typed(digest, str, "sha256"))
        except InvalidName as error:
            raise ValueError(str(error)) from None
        for count in (entry.bytes, entry.rows):
            if count is not None and (type(count) is not int or count < 0):
                raise ValueError(f"{entry.name} counts {count!r} bytes or rows")
        if (entry.rows is None) == entry.name.endswith(".parquet"):
            raise ValueError(f"{entry.name} has {entry.rows} rows")
        return entry


@dataclass(frozen=True)
class Manifest:
    """What a partition holds, where it came from, and what was checked."""

    kind: str
    key: str
    coordinates: dict[str, str]
    """In the order of the path: `{"model": …, "dataset": …}`."""
    files: list[FileEntry]
    rows: int
    """Of the `part-*.parquet` files together."""
    inputs: dict[str, str]
    """Keys of the partitions it was computed from, by role."""
    payload: dict[str, Any]
    """What the key is the hash of."""
    facts: dict[str, Any]
    checks: list[Check]
    versions: dict[str, str]
    created: str
    """UTC, ISO 8601."""

    def file(self, name: str) -> FileEntry | None:
        return next((entry for entry in self.files if entry.name == name), None)

    def to_json(self) -> str:
        """Raises InvalidName for facts that JSON cannot say."""
        value = {"format": FORMAT, **asdict(self)}
        canonical(value)
        return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, place: object) -> Self:
        """The manifest read at `place`; raises CorruptPartition for anything that `to_json` does not write."""
        try:
            value = _object(json.loads(text), "the manifest")
            if value.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            files = [FileEntry.from_json(entry) for entry in _typed(value.pop("files"), list, "files")]
            manifest = cls(files=files, **value)
            manifest._check()
        except (ValueError, TypeError, KeyError, RecursionError, InvalidName) as error:
            raise CorruptPartition(
                f"{place} is no manifest ({type(error).__name__}: {error}): remove its folder; the next run "
                "computes the partition again"
            ) from None
        return manifest

    def _check(self) -> None:
        checked_name(_typed(self.kind, str, "kind"), "kind")
        for name, coordinate in _object(self.coordinates, "coordinates").items():
            checked_name(name, "coordinate's name")
            checked_name(_typed(coordinate, str, name), name)
        if partition_key(_object(self.payload, "payload")) != self.key:
            raise ValueError(f"its key {self.key!r} is not the hash of its payload")
        for role, key in _object(self.inputs, "inputs").items():
            checked_key(_typed(key, str, role))
        for check in _typed(self.checks, list, "checks"):
            named = {"severity": "fail", **_object(check, "a check")}
            known = named.keys() == Check.__annotations__.keys() and named["severity"] in ("fail", "warn")
            if not known or type(named["passed"]) is not bool:
                raise ValueError(f"{check!r} is no check")
        _object(self.facts, "facts")
        _object(self.versions, "versions")
        _typed(self.created, str, "created")
        if len({entry.name for entry in self.files}) < len(self.files):
            raise ValueError("it lists a file twice")
        if self.rows != sum(entry.rows or 0 for entry in self.files if entry.is_part):
            raise ValueError(f"its {self.rows} rows are not the sum of its parts'")


def partition_folders(folder: Path) -> Iterator[Path]:
    """Every `key=` folder below `folder`, in the order of their paths; links are not followed."""
    try:
        with os.scandir(folder) as found:
            below = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in below:
        if name.startswith("key="):
            yield folder / name
        else:
            yield from partition_folders(folder / name)


def _object(value: Any, what: str) -> dict[str, Any]:
    return dict(_typed(value, Mapping, what))


def _typed(value: Any, kind: Any, what: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{what} is {value!r}")
    return value

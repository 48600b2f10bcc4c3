"""The manifest: the only evidence that a partition exists, written last."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError, with_config
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # that of `typing` serves pydantic from Python 3.12 on

from warehouse.errors import CorruptPartition, InvalidName
from warehouse.lake.keys import canonical, checked_key, checked_name, partition_key

MANIFEST = "manifest.json"
REJECTED = "rejected.json"  # a manifest too, of what a check kept from being published
_CHECKSUM = ',\n "checksum": '  # before the last of a manifest's values

_STRICT = ConfigDict(strict=True, extra="forbid")
Key = Annotated[str, AfterValidator(checked_key)]
Name = Annotated[str, AfterValidator(lambda name: checked_name(name, "name in a manifest"))]


@with_config(_STRICT)
class Check(TypedDict):
    """A statement about the data that was tested when it was written."""

    name: str
    passed: bool
    detail: str
    """The value that was tested."""
    severity: NotRequired[Literal["fail", "warn"]]
    """Whether a partition that fails it is published nevertheless, with a warning; without one it is not."""


def failures(checks: Sequence[Check]) -> str:
    """Return the checks that forbid publishing, each with its detail; empty if there are none."""
    failed = (c for c in checks if not c["passed"] and c.get("severity") != "warn")
    return ", ".join(f"{check['name']!r} ({check['detail']})" for check in failed)


@dataclass(frozen=True, config=_STRICT)
class FileEntry:
    """One file of a partition, as it was when it was written."""

    name: Name
    rows: NonNegativeInt | None
    """Rows of a Parquet file, None for any other."""
    bytes: NonNegativeInt
    sha256: Key
    footer: Key | None = None
    """SHA-256 of a Parquet file's footer, which describes its bytes; None for any other."""

    def __post_init__(self) -> None:
        if {self.rows is None, self.footer is None} != {not self.name.endswith(".parquet")}:
            raise ValueError(f"{self.name} has {self.rows} rows and the footer {self.footer}")

    @property
    def is_part(self) -> bool:
        """Whether the file holds the partition's rows; others (training.parquet, safetensors) lie beside them."""
        return self.name.startswith("part-") and self.name.endswith(".parquet")


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Manifest:
    """What a partition holds, where it came from, and what was checked."""

    format: Literal[1]
    kind: Name
    key: Key
    coordinates: dict[Name, Name]
    """In the order of the path: `{"model": …, "dataset": …}`."""
    files: list[FileEntry]
    rows: int
    """Of the `part-*.parquet` files together."""
    inputs: dict[str, Key]
    """Keys of the partitions it was computed from, by role."""
    payload: dict[str, Any]
    """What the key is the hash of."""
    facts: dict[str, Any]
    checks: list[Check]
    versions: dict[str, Any]
    created: str
    """UTC, ISO 8601."""
    checksum: Key | None = field(default=None, compare=False)
    """SHA-256 of the text before it, set as the manifest is written; None in one of version 0.1."""

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.created)
        if partition_key(self.payload) != self.key:
            raise ValueError(f"its key {self.key!r} is not the hash of its payload")
        if len({entry.name for entry in self.files}) < len(self.files):
            raise ValueError("it lists a file twice")
        if self.rows != sum(entry.rows or 0 for entry in self.files if entry.is_part):
            raise ValueError(f"its {self.rows} rows are not the sum of its parts'")

    @classmethod
    def of(
        cls, kind: str, key: str, coordinates: dict[str, str], entries: list[FileEntry], /, **more: Any
    ) -> "Manifest":
        """Return the manifest of these files, as of now."""
        rows = sum(entry.rows or 0 for entry in entries if entry.is_part)
        own: dict[str, Any] = {"kind": kind, "key": key, "coordinates": coordinates, "files": entries, "rows": rows}
        return cls(format=1, **own, **more, created=datetime.now(UTC).isoformat(timespec="milliseconds"))

    def file(self, name: str) -> FileEntry | None:
        return next((entry for entry in self.files if entry.name == name), None)

    def to_json(self) -> str:
        """Return the manifest's text. Raises InvalidName for facts that JSON cannot hold."""
        value = asdict(self)
        del value["checksum"]
        canonical(value)
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
        return f'{text}{_CHECKSUM}"{hashlib.sha256(text.encode()).hexdigest()}"\n}}\n'

    @classmethod
    def read(cls, folder: Path, name: str = MANIFEST) -> "Manifest | None":
        """Return the manifest in a partition's folder, None without one; raises CorruptPartition where unreadable."""
        file = folder / name
        try:
            return cls.from_json(file.read_bytes(), file)
        except (FileNotFoundError, NotADirectoryError):  # not published yet, or removed since
            return None
        except OSError as error:
            raise _unreadable(file, error.strerror or str(error)) from None

    @staticmethod
    def from_json(text: str | bytes, where: object) -> "Manifest":
        """Return the manifest read at `where`; raises CorruptPartition for anything that `to_json` does not write."""
        try:
            manifest = _READER.validate_json(text)
        except (ValidationError, InvalidName) as error:
            raise _unreadable(where, _reason(error)) from None
        before = (text if isinstance(text, str) else text.decode()).rpartition(_CHECKSUM)[0]
        if manifest.checksum not in (None, hashlib.sha256(before.encode()).hexdigest()):
            raise _unreadable(where, "it was changed after it was written")
        return manifest


_READER = TypeAdapter(Manifest)


def partition_folders(folder: Path) -> Iterator[Path]:
    """Yield every `key=` folder below `folder`, in the order of their paths; links are not followed."""
    try:
        with os.scandir(folder) as entries:
            below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in below:
        if name.startswith("key="):
            yield folder / name
        else:
            yield from partition_folders(folder / name)


def _unreadable(where: object, reason: str) -> CorruptPartition:
    return CorruptPartition(
        f"{where} is no manifest ({reason}): remove its folder; the next run computes the partition again"
    )


def _reason(error: ValidationError | InvalidName) -> str:
    if isinstance(error, InvalidName):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg'].removeprefix('Value error, ')}"

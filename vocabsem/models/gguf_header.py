"""Check the header of a GGUF file before a library reads it: every length, count and offset against the file's size."""

import struct
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

from vocabsem.errors import SourceError

__all__ = ["GgufHeader", "read_gguf_header"]

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
MAX_VALUES = 4_000_000  # of one list: vocabularies reach 300,000


@dataclass(frozen=True)
class GgufHeader:
    """What the header of a GGUF file holds."""

    tensors: int
    """How many it has."""
    elements: int
    """Numbers in them."""
    values: dict[str, int | float | bool | str | None] = field(default_factory=dict)
    """Key → value; None for a list."""


def read_gguf_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    GgufHeader

    Raises
    ------
    SourceError
        For a file that is no GGUF, or whose header names more than the file holds.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _Walk(data).header()
    except (struct.error, ValueError, OverflowError) as error:
        raise SourceError(f"{path} is no whole GGUF file: {str(error)[:200]}: fetch it again") from error


class _Walk:
    def __init__(self, data: mmap) -> None:
        self.data, self.at = data, 0

    def header(self) -> GgufHeader:
        if self.data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self.at = 4
        if self.number("<I") not in {2, 3}:
            raise ValueError("only versions 2 and 3 can be read")
        tensors, pairs = self.number("<Q"), self.number("<Q")
        values = {self.string(): self.value(self.number("<I")) for _ in self.times(pairs, 12)}
        sizes = [self.tensor() for _ in self.times(tensors, 24)]
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise ValueError(f"general.alignment is {str(alignment)[:40]}")
        start = -(-self.at // alignment) * alignment
        for name, _, offset, size in sizes:
            if start + offset + size > len(self.data):
                raise ValueError(f"its tensor {name[:80]!r} reaches beyond the end of the file")
        return GgufHeader(tensors, sum(elements for _, elements, _, _ in sizes), values)

    def tensor(self) -> tuple[str, int, int, int]:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        name, elements = self.string(), 1
        dimensions = self.number("<I")
        if dimensions > 8:
            raise ValueError(f"its tensor {name[:80]!r} has {dimensions:,} dimensions")
        for _ in range(dimensions):
            elements *= self.number("<Q")
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(self.number("<I"))]
        return name, elements, self.number("<Q"), elements // block * size

    def value(self, kind: int) -> int | float | bool | str | None:
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            raise ValueError(f"it holds a value of the unknown type {kind}")
        inner, count = self.number("<I"), self.number("<Q")
        if inner in SCALARS:
            size = struct.calcsize(SCALARS[inner])
            self.at += len(self.times(count, size)) * size
        elif inner == STRING:
            for _ in self.times(count, 8):
                self.skip(self.number("<Q"))
        else:
            raise ValueError(f"it holds a list of the unknown type {inner}")
        return None

    def times(self, count: int, size: int) -> range:
        """Count up to what the file can hold, of entries of at least `size` bytes."""
        if count > MAX_VALUES or count * size > len(self.data) - self.at:
            raise ValueError(f"its header counts {count:,} entries, more than the file can hold")
        return range(count)

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value  # type: ignore[no-any-return]

    def string(self) -> str:
        length = self.number("<Q")
        start = self.at
        self.skip(length)
        return self.data[start : self.at].decode()

    def skip(self, length: int) -> None:
        if length > len(self.data) - self.at:
            raise ValueError("its header names a text that reaches beyond the end of the file")
        self.at += length

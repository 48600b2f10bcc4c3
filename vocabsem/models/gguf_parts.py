"""Join the parts of a split GGUF file: transformers reads one file, as llama.cpp's `gguf-split --merge` makes it."""

from collections.abc import Sequence
from pathlib import Path

from vocabsem.errors import SourceError
from vocabsem.models.gguf_header import read_gguf_header

__all__ = ["join_gguf_parts"]


def join_gguf_parts(parts: Sequence[Path], target: Path) -> None:
    """Write one GGUF file with the values of the first part and the tensors of all.

    Parameters
    ----------
    parts : sequence of Path
        In their order.
    target : Path
        The file; it takes as many bytes as the parts.

    Raises
    ------
    SourceError
        For a part that is no whole GGUF file, or of another split.
    """
    counted = [_check(path, number, len(parts)) for number, path in enumerate(parts)]
    expected = read_gguf_header(parts[0]).values.get("split.tensors.count", sum(counted))
    if sum(counted) != expected:
        raise SourceError(f"{parts[0]} names {expected} tensors, its parts hold {sum(counted)}: fetch them again")
    _write(parts, target)


def _check(path: Path, number: int, parts: int) -> int:
    """Return how many tensors a part holds."""
    header = read_gguf_header(path)
    numbered = header.values.get("split.no"), header.values.get("split.count")
    if numbered != (number, parts):
        raise SourceError(
            f"{path} has split.no {numbered[0]} of split.count {numbered[1]}, its name says {number} of {parts}:"
            " fetch it again"
        )
    return header.tensors


def _write(parts: Sequence[Path], target: Path) -> None:
    from gguf import GGUFReader, GGUFValueType, GGUFWriter, Keys

    readers = [GGUFReader(path) for path in parts]
    fields = readers[0].fields
    writer = GGUFWriter(target, fields[Keys.General.ARCHITECTURE].contents(), endianess=readers[0].endianess)
    for name, field in fields.items():
        if name != Keys.General.ARCHITECTURE and not name.startswith(("GGUF.", "split.")):
            inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    tensors = [tensor for reader in readers for tensor in reader.tensors]
    for tensor in tensors:
        data = tensor.data
        writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors:
        writer.write_tensor_data(tensor.data, tensor_endianess=readers[0].endianess)
    writer.close()

"""Matrices as Parquet columns: one fixed-size list of float32 a row, encoded so that they shrink and read back fast."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ROW_GROUP = 8192


def vectors(array: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    """Return `array` (N, d) float32 as a column of N lists of d; zero-copy if `array` is contiguous.

    Raises ValueError for another shape or dtype: a cast, and what it loses, is the caller's to decide.
    """
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype != np.float32:
        raise ValueError(f"a vector column is (N, d) float32 with d > 0, not {array.shape} {array.dtype}")
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), array.shape[1])


def matrix(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float32]:
    """Return a vector column as (N, d) float32; zero-copy, hence read-only, when the column is one chunk."""
    if not is_vector(column.type):
        raise ValueError(f"expected a column of fixed-size lists of float32, not {column.type}")
    if column.null_count:
        raise ValueError(f"{column.null_count} of {len(column)} vectors are missing")
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    rows: list[npt.NDArray[np.float32]] = [
        chunk.flatten().to_numpy().reshape(-1, column.type.list_size) for chunk in chunks
    ]
    if len(rows) == 1:
        return rows[0]
    return np.concatenate(rows) if rows else np.empty((0, column.type.list_size), np.float32)


def is_vector(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_float32(kind.value_type))


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the arguments of `pq.write_table` for `schema`.

    Vectors are split into byte streams, which brings bfloat16 values held in float32 to about a third of their size,
    and carry no dictionary and no statistics: neither helps to read a vector. Pages carry a checksum.
    """
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "write_page_checksum": True}
    options["row_group_size"] = ROW_GROUP
    columns = [field.name for field in schema if is_vector(field.type)]
    if columns:
        others = [field.name for field in schema if field.name not in columns]
        options |= {
            "use_dictionary": others,
            "write_statistics": others,
            "column_encoding": {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in columns},
        }
    return options

"""Rows with vectors as files of other libraries: arrays of NumPy, Parquet, a folder of Hugging Face's datasets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vocabsem.errors import BadInput
from warehouse.lake.atomic import replaced


def write_arrays(table: pa.Table, output: Path) -> list[str]:
    """Write the table in the format of the file's name, .npz, .parquet, or without a suffix a new folder, and return
    the columns written: to .npz all but `text`, because an array makes each text as long as the longest.

    Raises BadInput for another suffix, a folder that is not empty, and vectors of several lengths in .npz.
    """
    writers: dict[str, Callable[[pa.Table, Path], None]] = {".npz": _npz, ".parquet": _parquet, "": _folder}
    if output.suffix not in writers:
        raise BadInput(f"--output {output}: give a name with .npz or .parquet, or one without a suffix for a folder")
    if output.suffix == ".npz":
        table = table.select([name for name in table.column_names if name != "text"])
    output.parent.mkdir(parents=True, exist_ok=True)
    writers[output.suffix](table, output)
    return list(table.column_names)


def _npz(table: pa.Table, output: Path) -> None:
    arrays = {name: _array(name, table[name]) for name in table.column_names}
    with replaced(output) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _array(name: str, column: pa.ChunkedArray) -> NDArray[np.generic]:
    """Return (N,) values, or (N, d) where each row has d."""
    whole = column.combine_chunks()
    if not (pa.types.is_list(whole.type) or pa.types.is_fixed_size_list(whole.type)):
        return np.asarray(whole.to_pylist() if pa.types.is_string(whole.type) else whole.to_numpy(zero_copy_only=False))
    widths = set(whole.value_lengths().fill_null(0).to_pylist())
    if len(widths) > 1:
        raise BadInput(
            f"{name} has rows of {', '.join(map(str, sorted(widths)))} values, which are no array: choose one data set"
            " with --dataset, or write Parquet"
        )
    rows: NDArray[np.generic] = whole.flatten().to_numpy(zero_copy_only=False).reshape(len(whole), -1)
    return rows


def _parquet(table: pa.Table, output: Path) -> None:
    with replaced(output) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _folder(table: pa.Table, output: Path) -> None:
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadInput(f"--output {output} is there already: name a folder that is not, or is empty")
    disable_progress_bar()
    Dataset(table).save_to_disk(str(output))

"""Labels in tables: one class a row in `label`, or for any number of labels `labels`, whether the row has each."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.errors import NotPublished
from warehouse.lake.partition import Partition

ONE, SEVERAL = "label", "labels"
PLURALS = {ONE: SEVERAL, "predicted": "predicted_labels"}


def label_columns(labels: np.ndarray, name: str = ONE) -> dict[str, pa.Array]:
    """Return the column of classes (N,), or of whether a row has each label (N, L), under its name.

    name: "label", or "predicted" for what is predicted.
    """
    if labels.ndim == 1:
        return {name: pa.array(labels, pa.int32())}
    offsets = pa.array(np.arange(len(labels) + 1, dtype=np.int32) * labels.shape[1])
    return {PLURALS[name]: pa.ListArray.from_arrays(offsets, pa.array(labels.astype(bool).ravel()))}


def read_labels(table: pa.Table | pa.RecordBatch, name: str = ONE) -> np.ndarray:
    """Return the classes (N,) int64, or whether a row has each label (N, L) bool, whichever a table has."""
    if name in table.schema.names:
        return np.asarray(table[name].to_numpy(), np.int64)
    values = pc.list_flatten(table[PLURALS[name]]).to_numpy(zero_copy_only=False)
    return np.asarray(values, bool).reshape(table.num_rows, -1)


def has_several(partition: Partition) -> bool:
    """Return whether the rows of a published partition have any number of labels."""
    manifest = partition.manifest()
    if manifest is None:
        raise NotPublished(f"{partition} was never published in {partition.path}: compute it with `vocabsem run`")
    parts = [entry.name for entry in manifest.files if entry.is_part]
    return bool(parts) and SEVERAL in pq.read_schema(partition.file(parts[0])).names


def stored_names(partition: Partition, names: Sequence[str]) -> list[str]:
    """Return the names of columns as the partition has them: `labels` for `label` where rows have several."""
    several = has_several(partition)
    return [PLURALS.get(name, name) if several else name for name in names]

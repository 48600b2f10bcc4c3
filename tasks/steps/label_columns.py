"""Labels in tables: a class in `label`, whether a row has each of any number in `labels`, a number in `value`."""

from collections.abc import Container, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vocabsem.datasets.label_values import is_continuous
from warehouse.lake.partition import Partition

ONE, SEVERAL, NUMBER = "label", "labels", "value"
WEIGHT = "weight"  # column of examples, of training rows; not there where their card names none
FORMS = {
    ONE: (ONE, SEVERAL, NUMBER),
    "predicted": ("predicted", "predicted_labels", "predicted_value"),
}


def label_columns(labels: np.ndarray, name: str = ONE) -> dict[str, pa.Array]:
    """Return the column of classes or numbers (N,), or of whether a row has each label (N, L), under its name.

    name: "label", or "predicted" for what is predicted.
    """
    one, several, number = FORMS[name]
    if is_continuous(labels):
        return {number: pa.array(labels, pa.float64())}
    if labels.ndim == 1:
        return {one: pa.array(labels, pa.int32())}
    offsets = pa.array(np.arange(len(labels) + 1, dtype=np.int32) * labels.shape[1])
    return {several: pa.ListArray.from_arrays(offsets, pa.array(labels.astype(bool).ravel()))}


def read_labels(table: pa.Table | pa.RecordBatch, name: str = ONE) -> np.ndarray:
    """Return classes (N,) int64, whether a row has each label (N, L) bool, or numbers (N,), whichever a table has."""
    column = stored_name(table.schema.names, name)
    if column == FORMS[name][1]:
        values = pc.list_flatten(table[column]).to_numpy(zero_copy_only=False)
        return np.asarray(values, bool).reshape(table.num_rows, -1)
    return np.asarray(table[column].to_numpy(), np.int64 if column == FORMS[name][0] else np.float64)


def stored_name(there: Container[str], name: str = ONE) -> str:
    """Return the name of a column as a table with the names `there` has it: `labels` or `value` for `label`."""
    return next((form for form in FORMS.get(name, ()) if form in there), name)


def partition_columns(partition: Partition) -> list[str]:
    """Return the names of the columns of a published partition. Raises NotPublished for another."""
    parts = [entry.name for entry in partition.require().files if entry.is_part]
    return list(pq.read_schema(partition.file(parts[0])).names) if parts else []


def has_classes(partition: Partition) -> bool:
    """Return whether the rows of a published partition have one class each, not any number of labels or a number."""
    return stored_name(partition_columns(partition)) == ONE


def stored_names(partition: Partition, names: Sequence[str]) -> list[str]:
    """Return the names of columns as the partition has them."""
    there = partition_columns(partition)
    return [stored_name(there, name) for name in names]

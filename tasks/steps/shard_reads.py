"""What publishing reads of the finished shards of vectors by layer, a row a text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.steps.checks import finite, norm_range, unique_ids
from vocabsem.states.layers import Layer, column_of
from warehouse.lake.manifest import Check, FileEntry
from warehouse.lake.partition import Partition
from warehouse.lake.vectors import matrix


@dataclass(frozen=True, eq=False)
class ShardsRead:
    """Sums over shards."""

    layers: tuple[str, ...]
    """Columns of the vectors."""
    ids: list[str]
    tokens: int
    truncated: int
    seconds: float
    """In the model."""
    guard: str
    """Largest difference that the first shard's guard has seen."""
    norms: np.ndarray
    """(layers, N)."""

    def checks(self, rows: int) -> list[Check]:
        """Return whether there is a row for every example, and no norm that is none or far from the others."""
        detail = f"{len(self.ids)} rows of {rows} examples"
        return [
            Check(name="a row for every example", passed=len(self.ids) == rows, detail=detail),
            unique_ids(self.ids),
            finite(self.norms, "norms of states"),
            *(norm_range(of_layer, f" of {name}") for name, of_layer in zip(self.layers, self.norms, strict=True)),
        ]


def read_shards(partition: Partition, files: Sequence[FileEntry], layers: Sequence[Layer]) -> ShardsRead:
    """Return the sums over finished shards of vectors of these layers."""
    seconds, tokens, truncated, ids, norms, guard = 0.0, 0, 0, list[str](), [], ""
    columns = [column_of(layer) for layer in layers]
    for entry in files:
        table = pq.read_table(partition.written(entry), columns=["id", "tokens", "truncated", *columns])
        metadata = table.schema.metadata
        seconds += float(metadata[b"seconds"])
        guard = metadata.get(b"guard", guard.encode()).decode()
        tokens += pc.sum(table["tokens"]).as_py()
        truncated += pc.sum(table["truncated"]).as_py() or 0
        ids += table["id"].to_pylist()
        norms.append([np.linalg.norm(matrix(table[column]), axis=1) for column in columns])
    return ShardsRead(tuple(columns), ids, tokens, truncated, seconds, guard, np.concatenate(norms, axis=1))

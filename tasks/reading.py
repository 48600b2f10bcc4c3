"""What several steps read from the lake, as arrays."""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.home import Home
from warehouse.lake import Lake
from warehouse.vectors import matrix


def split_rows(home: Home, dataset: str, key: str, split: str) -> pa.Table:
    """The examples of one split, in their published order."""
    table = Lake(home).partition("examples", key, dataset=dataset).table()
    return table.filter(pc.equal(table["split"], split))


@lru_cache(maxsize=6)
def read_states(home: Home, model: str, dataset: str, split: str, key: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, labels (N,) and states (N, k·d) of a split, the stored layers side by side."""
    partition = Lake(home).partition("states", key, model=model, dataset=dataset, split=split)
    manifest = partition.manifest()
    assert manifest is not None
    columns = [f"layer_{layer}" for layer in manifest.facts["layers"]]
    table = partition.table(columns=["id", *columns])
    states = np.concatenate([matrix(table[column]) for column in columns], axis=1)
    states.flags.writeable = False
    examples = split_rows(home, dataset, manifest.inputs["examples"], split)
    label_of = dict(zip(examples["id"].to_pylist(), examples["label"].to_pylist(), strict=True))
    ids = table["id"].to_pylist()
    return ids, np.array([label_of[example] for example in ids], dtype=np.int64), states

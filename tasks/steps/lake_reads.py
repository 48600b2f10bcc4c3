"""What several steps read from the lake, as arrays."""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.facts import StatesFacts, facts_of
from tasks.steps.specs import SPLITS
from vocabsem.content_free import content_free, domain_words
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


def split_rows(home: Home, dataset: str, key: str, split: str) -> pa.Table:
    """The examples of one split, in their published order."""
    table = Lake(home).partition("examples", key, dataset=dataset).table()
    return table.filter(pc.equal(table["split"], split))


def prompt_rows(home: Home, dataset: str, key: str, split: str) -> pa.Table:
    """Ids and fields of the prompts of a split; `content_free` and `domain_words` are made, not read."""
    if split in SPLITS:
        return split_rows(home, dataset, key, split).select(["id", "fields"])
    examples = [dict(fields) for fields in split_rows(home, dataset, key, "train")["fields"].to_pylist()]
    made = content_free(list(examples[0])) if split == "content_free" else domain_words(examples, seed=0)
    ids = pa.array([f"{split}-{index}" for index in range(len(made))], pa.string())
    fields = pa.array([list(fields.items()) for fields in made], pa.map_(pa.string(), pa.string()))
    return pa.table({"id": ids, "fields": fields})


@lru_cache(maxsize=6)
def read_states(home: Home, model: str, dataset: str, split: str, key: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, labels (N,) and states (N, k·d) of a split, the stored layers side by side; prompts about nothing are -1."""
    partition = Lake(home).partition("states", key, model=model, dataset=dataset, split=split)
    manifest = partition.manifest()
    assert manifest is not None
    columns = [f"layer_{layer}" for layer in facts_of(manifest, StatesFacts).layers]
    table = partition.table(columns=["id", *columns])
    states = np.concatenate([matrix(table[column]) for column in columns], axis=1)
    states.flags.writeable = False
    examples = split_rows(home, dataset, manifest.inputs["examples"], split)
    label_of = dict(zip(examples["id"].to_pylist(), examples["label"].to_pylist(), strict=True))
    ids = table["id"].to_pylist()
    return ids, np.array([label_of.get(example, -1) for example in ids], dtype=np.int64), states


def shown(home: Home, model: str, dataset: str, split: str, key: str) -> list[str]:
    """Ids of the training rows that are demonstrations in every prompt of these states, in their order."""
    manifest = Lake(home).partition("states", key, model=model, dataset=dataset, split=split).manifest()
    assert manifest is not None
    return list(facts_of(manifest, StatesFacts).demonstrations)

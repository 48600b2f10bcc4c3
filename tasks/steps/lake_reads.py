"""What several steps read from the lake, as tables and arrays: the rows and columns that they need, no others."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from tasks.steps.facts import DemonstrationsFacts, ExamplesFacts, StatesFacts, facts_of
from tasks.steps.specs import SPLITS, StatesSpec
from vocabsem.content_free import CONTENT_FREE, DOMAIN_TEXTS, content_free, domain_words
from vocabsem.prompting import Ids
from warehouse.errors import NotPublished
from warehouse.home import Home
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake, Partition
from warehouse.lake.vectors import matrix

UNLABELED = -1  # label of a prompt that is made from no text


def split_sizes(home: Home, dataset: str, key: str) -> dict[str, int]:
    """Return the rows of each split of published examples, in the order in which they lie."""
    return facts_of(_manifest(Lake(home).partition("examples", key, dataset=dataset)), ExamplesFacts).rows


def split_rows(
    home: Home, dataset: str, key: str, split: str, columns: Sequence[str] | None = None, span: slice = slice(None)
) -> pa.Table:
    """Return the examples of one split in their published order, only `columns` and the rows of `span`."""
    sizes = split_sizes(home, dataset, key)
    before = sum(sizes[each] for each in list(sizes)[: list(sizes).index(split)]) if split in sizes else 0
    start, stop, _ = span.indices(sizes.get(split, 0))
    rows = range(before + start, before + stop)
    return Lake(home).partition("examples", key, dataset=dataset).table(columns, rows=rows)


def prompt_count(home: Home, spec: StatesSpec) -> int:
    """Return how many prompts a split has; those that are made, not read, are few."""
    if spec.split in SPLITS:
        return split_sizes(home, spec.dataset, spec.examples)[spec.split]
    return len(CONTENT_FREE) if spec.split == "content_free" else DOMAIN_TEXTS


def prompt_rows(home: Home, spec: StatesSpec, span: slice = slice(None)) -> pa.Table:
    """Return id, label and fields of the prompts of a split, those of `span`."""
    if spec.split in SPLITS:
        return split_rows(home, spec.dataset, spec.examples, spec.split, ["id", "label", "fields"], span)
    train = split_rows(home, spec.dataset, spec.examples, "train", ["fields"])
    examples = [dict(fields) for fields in train["fields"].to_pylist()]
    made = content_free(list(examples[0])) if spec.split == "content_free" else domain_words(examples, seed=0)
    table = {
        "id": pa.array([f"{spec.split}-{index}" for index in range(len(made))], pa.string()),
        "label": pa.array([UNLABELED] * len(made), pa.int32()),
        "fields": pa.array([list(fields.items()) for fields in made], pa.map_(pa.string(), pa.string())),
    }
    return pa.table(table)[span]


def read_demonstrations(home: Home, model: str, dataset: str, key: str) -> tuple[list[str], Ids, int]:
    """Return the ids of the examples that prompts begin with, their tokens, and the most tokens of a whole prompt."""
    partition = Lake(home).partition("demonstrations", key, model=model, dataset=dataset)
    table = partition.table(["id", "token_ids"])
    tokens = [token for ids in table["token_ids"].to_pylist() for token in ids]
    return table["id"].to_pylist(), tokens, facts_of(_manifest(partition), DemonstrationsFacts).context


@lru_cache(maxsize=6)
def read_states(home: Home, model: str, dataset: str, split: str, key: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return ids, labels (N,) and states (N, k·d) of a split, the stored layers side by side."""
    partition = Lake(home).partition("states", key, model=model, dataset=dataset, split=split)
    manifest = _manifest(partition)
    columns = [f"layer_{layer}" for layer in facts_of(manifest, StatesFacts).layers]
    labeled = manifest.payload["version"] > 1
    table = partition.table(columns=["id", *(["label"] if labeled else []), *columns])
    states = np.concatenate([matrix(table[column]) for column in columns], axis=1)
    states.flags.writeable = False
    ids = table["id"].to_pylist()
    labels = table["label"].to_numpy() if labeled else _labels_of(home, dataset, manifest.inputs["examples"], ids)
    return ids, labels.astype(np.int64), states


def _labels_of(home: Home, dataset: str, key: str, ids: list[str]) -> np.ndarray:
    """Return the labels of states of version 1, which lie with the examples alone."""
    examples = Lake(home).partition("examples", key, dataset=dataset).table(["id", "label"])
    label_of = dict(zip(examples["id"].to_pylist(), examples["label"].to_pylist(), strict=True))
    return np.array([label_of.get(name, UNLABELED) for name in ids])


def demonstration_ids(home: Home, model: str, dataset: str, split: str, key: str) -> list[str]:
    """Return the ids of the training rows that are demonstrations in every prompt of these states, in their order."""
    partition = Lake(home).partition("states", key, model=model, dataset=dataset, split=split)
    return list(facts_of(_manifest(partition), StatesFacts).demonstrations)


def _manifest(partition: Partition) -> Manifest:
    manifest = partition.manifest()
    if manifest is None:
        raise NotPublished(f"{partition} was never published in {partition.path}: compute it with `vocabsem run`")
    return manifest

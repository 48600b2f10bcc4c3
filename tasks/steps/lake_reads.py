"""What several steps read from the lake, as tables and arrays: the rows and columns that they need, no others."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.steps.facts import DemonstrationsFacts, ExamplesFacts, PromptFacts, StatesFacts, facts_of
from tasks.steps.label_columns import WEIGHT, partition_columns, read_labels, stored_name, stored_names
from tasks.steps.specs import SPLITS, SplitSpec, StatesSpec
from vocabsem.prompts.content_free import CONTENT_FREE, DOMAIN_TEXTS, content_free, domain_words
from vocabsem.prompts.prompting import Ids
from vocabsem.states.layers import column_of
from warehouse.home import Home
from warehouse.lake.manifest import Manifest
from warehouse.lake.mapped import mapped_rows
from warehouse.lake.partition import Lake, Partition
from warehouse.lake.vectors import matrix

UNLABELED = -1  # label of a prompt that is made from no text
MAX_CACHED_BYTES = 1 << 27  # bytes of a split's states that are read whole and kept for the next method
BLOCK = 1 << 26  # bytes of the states that are read at a time of a larger split

SCORES = "log_probability"  # column of the word scores: (W,) a row
STATES = StatesSpec.kind
# Ids, labels (N,) or (N, L), states (N, k·d) or word scores (N, W).
StateRows = tuple[list[str], np.ndarray, np.ndarray]


def split_sizes(home: Home, dataset: str, key: str) -> dict[str, int]:
    """Return the rows of each split of published examples, in the order in which they lie."""
    return facts_of(Lake(home).partition("examples", key, dataset=dataset).require(), ExamplesFacts).rows


def published_labels(home: Home, dataset: str, key: str) -> list[str]:
    """Return the names of the classes of published examples, in order."""
    facts = facts_of(Lake(home).partition("examples", key, dataset=dataset).require(), ExamplesFacts)
    return [each.name for each in facts.classes]


def split_rows(
    home: Home, dataset: str, key: str, split: str, columns: Sequence[str] | None = None, span: slice = slice(None)
) -> pa.Table:
    """Return the examples of one split in their published order, only `columns` and the rows of `span`.

    The column `label` is `labels` where rows have any number of them, `value` where they have numbers.
    """
    sizes = split_sizes(home, dataset, key)
    before = sum(sizes[each] for each in list(sizes)[: list(sizes).index(split)]) if split in sizes else 0
    start, stop, _ = span.indices(sizes.get(split, 0))
    rows = range(before + start, before + stop)
    partition = Lake(home).partition("examples", key, dataset=dataset)
    return partition.table(columns and stored_names(partition, columns), rows=rows)


def prompt_count(home: Home, spec: SplitSpec) -> int:
    """Return how many prompts a split has; those that are made, not read, are few."""
    if spec.split in SPLITS:
        return split_sizes(home, spec.dataset, spec.examples)[spec.split]
    return len(CONTENT_FREE) if spec.split == "content_free" else DOMAIN_TEXTS


def prompt_rows(home: Home, spec: SplitSpec, span: slice = slice(None)) -> pa.Table:
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
    return table["id"].to_pylist(), tokens, facts_of(partition.require(), DemonstrationsFacts).context


def read_states(home: Home, model: str, dataset: str, split: str, key: str, kind: str = STATES) -> StateRows:
    """Return ids, labels (N,) and states (N, k·d) of a split, the stored layers side by side.

    Small ones are kept in memory, larger ones mapped from a file of the home's cache: only what a caller copies of them
    is memory that it holds.

    kind: of the partition; "word_scores" has (N, W) scores in place of states.
    """
    stored = _stored(home, model, dataset, split, key, kind)
    read = _read_small if stored.bytes <= MAX_CACHED_BYTES else _read_mapped
    return read(home, model, dataset, split, key, kind)


def read_bytes(size: int) -> int:
    """Return how much memory `read_states` holds of states of so many bytes."""
    return size if size <= MAX_CACHED_BYTES else 2 * BLOCK  # while the file is written: a block, and its layers


def state_blocks(home: Home, model: str, dataset: str, split: str, key: str, kind: str = STATES) -> Iterator[StateRows]:
    """Yield what `read_states` returns, at once where it is kept, else some rows after the other."""
    stored = _stored(home, model, dataset, split, key, kind)
    if stored.bytes <= MAX_CACHED_BYTES:
        yield _read_small(home, model, dataset, split, key, kind)
    else:
        yield from _blocks(home, dataset, stored)


@lru_cache(maxsize=1)
def sample_states(home: Home, model: str, dataset: str, split: str, key: str, most: int) -> StateRows:
    """Return at most `most` rows of what `read_states` returns, evenly spaced: all of a split that has no more."""
    rows = _stored(home, model, dataset, split, key, STATES).rows
    wanted, start, parts = np.unique(np.linspace(0, rows - 1, min(most, rows)).round().astype(int)), 0, []
    for ids, labels, states in state_blocks(home, model, dataset, split, key):
        inside = wanted[slice(*np.searchsorted(wanted, [start, start + len(ids)]))] - start
        whole = len(inside) == len(ids)
        parts.append((ids, labels, states) if whole else ([ids[i] for i in inside], labels[inside], states[inside]))
        start += len(ids)
    return parts[0] if len(parts) == 1 else _joined(parts)


def states_width(home: Home, model: str, dataset: str, split: str, key: str, kind: str = STATES) -> int:
    """Return k·d of a split's states, or the number of words that are scored."""
    return _stored(home, model, dataset, split, key, kind).width


def layer_widths(home: Home, model: str, dataset: str, split: str, key: str) -> list[int]:
    """Return d of each layer of a split's states: models that project are wider inside than at the last."""
    return _stored(home, model, dataset, split, key, STATES).widths


class _Stored(NamedTuple):
    """A split's states as they lie in the lake."""

    partition: Partition
    manifest: Manifest
    columns: list[str]
    """Of the layers, or of the word scores."""
    widths: list[int]
    """Of the columns."""
    label: str | None
    """Column of the labels; None in states of version 1, whose labels lie with the examples alone."""

    @property
    def rows(self) -> int:
        return self.manifest.rows

    @property
    def digest(self) -> str:
        """Of the files: those of a key that was extracted again may differ by rounding."""
        return hashlib.sha256(" ".join(entry.sha256 for entry in self.manifest.files).encode()).hexdigest()[:12]

    @property
    def named(self) -> list[str]:
        """Columns of ids and labels."""
        return ["id", *([self.label] if self.label else [])]

    @property
    def width(self) -> int:
        """Of all columns side by side."""
        return sum(self.widths)

    @property
    def bytes(self) -> int:
        return 4 * self.rows * self.width


def _stored(home: Home, model: str, dataset: str, split: str, key: str, kind: str) -> _Stored:
    partition = Lake(home).partition(kind, key, model=model, dataset=dataset, split=split)
    manifest = partition.require()
    columns = [SCORES]
    if kind == STATES:
        columns = [column_of(layer) for layer in facts_of(manifest, StatesFacts).layers]
    schema = pq.read_schema(partition.file(next(entry.name for entry in manifest.files if entry.is_part)))
    widths = [schema.field(name).type.list_size for name in columns]
    label = stored_name(schema.names)
    return _Stored(partition, manifest, columns, widths, label if label in schema.names else None)


def _blocks(home: Home, dataset: str, stored: _Stored) -> Iterator[StateRows]:
    for batch in _batches(stored, [*stored.named, *stored.columns]):
        yield *_ids_and_labels(home, dataset, stored, batch), _states(stored, batch)


def _batches(stored: _Stored, columns: list[str]) -> Iterator[pa.RecordBatch]:
    return stored.partition.batches(columns, max(1, BLOCK // (4 * stored.width)))


def _ids_and_labels(home: Home, dataset: str, stored: _Stored, batch: pa.RecordBatch) -> tuple[list[str], np.ndarray]:
    ids = batch["id"].to_pylist()
    return ids, read_labels(batch) if stored.label else _labels_of(home, dataset, stored.manifest, ids)


def _states(stored: _Stored, batch: pa.RecordBatch) -> np.ndarray:
    parts = [matrix(batch[column]) for column in stored.columns]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


@lru_cache(maxsize=6)
def _read_small(home: Home, model: str, dataset: str, split: str, key: str, kind: str) -> StateRows:
    stored = _stored(home, model, dataset, split, key, kind)
    states = np.empty((stored.rows, stored.width), np.float32)
    ids: list[str] = []
    labels: list[np.ndarray] = []
    for some, of_some, block in _blocks(home, dataset, stored):
        states[len(ids) : len(ids) + len(some)] = block
        ids += some
        labels.append(of_some)
    states.flags.writeable = False
    return ids, np.concatenate(labels), states


@lru_cache(maxsize=2)
def _read_mapped(home: Home, model: str, dataset: str, split: str, key: str, kind: str) -> StateRows:
    stored = _stored(home, model, dataset, split, key, kind)
    names = [_ids_and_labels(home, dataset, stored, batch) for batch in _batches(stored, stored.named)]
    states = mapped_rows(
        home,
        f"{key}-{stored.digest}",
        (stored.rows, stored.width),
        lambda: (_states(stored, batch) for batch in _batches(stored, stored.columns)),
    )
    return [name for ids, _ in names for name in ids], np.concatenate([labels for _, labels in names]), states


def _joined(parts: Sequence[StateRows]) -> StateRows:
    ids, labels, states = zip(*parts, strict=True)
    return [name for some in ids for name in some], np.concatenate(labels), np.concatenate(states)


def _labels_of(home: Home, dataset: str, states: Manifest, ids: Sequence[str]) -> np.ndarray:
    """Return the labels of states of version 1, which lie with the examples alone."""
    label_of = _labels_by_id(home, dataset, states.inputs["examples"])
    return np.array([label_of.get(name, UNLABELED) for name in ids])


@lru_cache(maxsize=1)
def _labels_by_id(home: Home, dataset: str, key: str) -> dict[str, int]:
    examples = Lake(home).partition("examples", key, dataset=dataset).table(["id", "label"])
    return dict(zip(examples["id"].to_pylist(), examples["label"].to_pylist(), strict=True))


def training_weights(home: Home, model: str, dataset: str, key: str, kind: str = STATES) -> np.ndarray | None:
    """Return the weights (N,) of the training rows whose states (or word scores) have this key, None without any."""
    states = Lake(home).partition(kind, key, model=model, dataset=dataset, split="train").require()
    examples = states.inputs["examples"]
    if WEIGHT not in partition_columns(Lake(home).partition("examples", examples, dataset=dataset)):
        return None
    return np.asarray(split_rows(home, dataset, examples, "train", [WEIGHT])[WEIGHT].to_numpy())


def demonstration_ids(home: Home, model: str, dataset: str, split: str, key: str, kind: str = STATES) -> list[str]:
    """Return the ids of the training rows that are demonstrations in every prompt of these states, in their order."""
    partition = Lake(home).partition(kind, key, model=model, dataset=dataset, split=split)
    return list(facts_of(partition.require(), PromptFacts).demonstrations)

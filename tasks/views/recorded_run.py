"""A recorded run for exports: its partitions, fits and predictions."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.steps.kinds import spec_of
from tasks.steps.label_columns import FORMS, partition_columns, read_labels, stored_names
from tasks.steps.result_specs import MetricsSpec, RunSpec
from tasks.steps.specs import FitSpec, StatesFitSpec
from warehouse.catalog import reads
from warehouse.home import Home
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake

Row = dict[str, Any]
_, SETS, NUMBERS = FORMS["predicted"]
WANTED = {"id", "split", "seed", SETS, NUMBERS, "probabilities"}


class Predictions(NamedTuple):
    """What one seed answers to the N rows of a split."""

    seed: int
    probabilities: NDArray[np.float32] | None
    """(N, C); None where numbers are predicted."""
    predicted: NDArray[Any] | None
    """(N, L), of any number of labels: whether each is predicted; (N,), numbers; None where a text has one class."""


@dataclass(frozen=True)
class RecordedPartition:
    """A partition in the lineage of a run; `facts_of`, `spec_of` and `parse` of a spec read what it holds."""

    kind: str
    what: str
    """Model, data set and split, as far as it has them."""
    key: str
    created: datetime
    facts: Row
    payload: Row
    versions: dict[str, str]
    """Of the software that made it."""

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return a published one."""
        what, created = ", ".join(manifest.coordinates.values()), datetime.fromisoformat(manifest.created)
        return cls(manifest.kind, what, manifest.key, created, manifest.facts, manifest.payload, manifest.versions)


@dataclass(frozen=True)
class RecordedRun:
    """A run by its key."""

    home: Home
    key: str

    @cached_property
    def partitions(self) -> dict[str, RecordedPartition]:
        """Return every partition in the lineage of the run, itself included, by key."""
        return {one.key: one for one in map(_parsed, reads.run_partitions(self.home, self.key))}

    @property
    def record(self) -> RecordedPartition:
        """Return the record of the run."""
        return self.partitions[self.key]

    @property
    def fits(self) -> list[RecordedPartition]:
        """Return the metrics of each fit, in the order of the card."""
        return [self.partitions[key] for key in RunSpec.parse(self.record.payload).metrics]

    def of_kind(self, kind: str) -> list[RecordedPartition]:
        """Return the partitions of one kind."""
        return [row for row in self.partitions.values() if row.kind == kind]

    def where(self, fit: RecordedPartition) -> dict[str, str]:
        """Return model, dataset, method and shots of a fit."""
        return MetricsSpec.parse(fit.payload).coordinates

    def predictions_of(self, fit: RecordedPartition) -> RecordedPartition:
        """Return the predictions that were measured."""
        return self.partitions[MetricsSpec.parse(fit.payload).predictions]

    def fit_spec(self, fit: RecordedPartition) -> FitSpec:
        """Return what determined the predictions that were measured."""
        spec = spec_of(self.predictions_of(fit))
        assert isinstance(spec, FitSpec)
        return spec

    def states_of(self, fit: RecordedPartition, split: str, seed: int) -> RecordedPartition | None:
        """Return the states of a split that a seed read; None for what reads prompts, texts or scores of words."""
        spec = self.fit_spec(fit)
        key = spec.state_keys(seed).get(split) if isinstance(spec, StatesFitSpec) else None
        return self.partitions[key] if key else None

    def metrics(self, fit: RecordedPartition) -> list[Row]:
        """Return the metrics of a fit."""
        rows: list[Row] = Lake(self.home).partition("metrics", fit.key, **self.where(fit)).table().to_pylist()
        return rows

    def examples(self, dataset: str, columns: list[str]) -> pa.Table:
        """Return columns of the examples of a data set, those of all splits: `label` as `labels` or `value` if so."""
        (row,) = (row for row in self.of_kind("examples") if row.what == dataset)
        partition = Lake(self.home).partition("examples", row.key, dataset=dataset)
        return partition.table(stored_names(partition, columns))

    def predictions(self, fit: RecordedPartition, split: str, ids: list[str]) -> Iterator[Predictions]:
        """Yield the predictions of each seed, the rows in the order of `ids`."""
        partition = Lake(self.home).partition("predictions", self.predictions_of(fit).key, **self.where(fit))
        there = partition_columns(partition)
        table = partition.table([name for name in there if name in WANTED])
        table = table.filter(pc.equal(table["split"], split))
        position = {name: index for index, name in enumerate(ids)}
        for seed in pc.unique(table["seed"]).to_pylist():
            part = table.filter(pc.equal(table["seed"], seed))
            rows = np.argsort([position[name] for name in part["id"].to_pylist()])
            predicted = read_labels(part, "predicted")[rows] if {SETS, NUMBERS} & {*there} else None
            if NUMBERS in there:
                yield Predictions(seed, None, predicted)
            else:
                values = pc.list_flatten(part["probabilities"]).to_numpy().reshape(len(part), -1)
                yield Predictions(seed, values[rows], predicted)


def latest_records(home: Home) -> list[RecordedPartition]:
    """Return the record of the latest run of each experiment."""
    return [_parsed(row) for row in reads.latest_records(home)]


def _parsed(row: Row) -> RecordedPartition:
    return RecordedPartition(**row | {name: json.loads(row[name]) for name in ("facts", "payload", "versions")})

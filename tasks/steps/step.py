"""A step of an experiment: one partition to be filled, with the key that its spec determines.

A key is the SHA-256 of all that determines the partition's content; the keys of the steps a step reads are part of
its own, and so are its coordinates: the same rows under two cards' names are two partitions.
"""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, Generic, TypeVar

import pyarrow as pa

from tasks.steps.facts import Facts
from tasks.steps.result_specs import MetricsSpec
from tasks.steps.spec import Spec
from tasks.steps.specs import ExamplesSpec, FitSpec, Shots
from vocabsem.cards.schema import DatasetCard, ModelCard
from warehouse.lake.keys import partition_key
from warehouse.lake.manifest import Check, FileEntry
from warehouse.lake.partition import Lake, Partition

PACKAGES = ("vocabsem", "torch", "transformers", "peft", "tokenizers", "datasets", "pyarrow", "scikit-learn", "numpy")
S_co = TypeVar("S_co", bound=Spec, covariant=True)


@dataclass(frozen=True)
class Step(Generic[S_co]):
    """One partition to be filled."""

    spec: S_co

    @property
    def kind(self) -> str:
        return self.spec.kind

    @cached_property
    def coordinates(self) -> dict[str, str]:
        return self.spec.coordinates

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Role → key of each partition that it reads."""
        return self.spec.inputs

    @cached_property
    def payload(self) -> dict[str, Any]:
        """What the key is the hash of."""
        return self.spec.canonical()

    @cached_property
    def key(self) -> str:
        return partition_key(self.payload)

    def partition(self, lake: Lake) -> Partition:
        return lake.partition(self.kind, self.key, **self.coordinates)

    def publish(
        self,
        lake: Lake,
        files: pa.Table | Iterable[FileEntry],
        facts: Facts,
        checks: Sequence[Check] = (),
    ) -> None:
        """Write the manifest, of a table as the only file or of files that are written. Raises CheckFailed."""
        partition = self.partition(lake)
        files = [partition.write_table("part-0.parquet", files)] if isinstance(files, pa.Table) else files
        partition.publish(
            files,
            payload=self.payload,
            inputs=self.inputs,
            facts=facts.dump(),
            checks=checks,
            versions=_versions(),
        )


@cache
def _versions() -> dict[str, str]:
    """The software that made a partition."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


@dataclass(frozen=True)
class PlannedFit:
    """One row of an experiment: a method at one number of shots, on one data set, with one model."""

    model: ModelCard
    dataset: DatasetCard
    name: str
    """The method's name in tables."""
    method: str
    """Its registered name."""
    shots: Shots
    """Labeled examples per class."""
    control: bool
    """Whether it is reported and never registered as champion."""
    servable: bool
    """Whether it can classify new texts by itself: fitted on states or exact scores of label words, of prompts without
    demonstrations."""
    examples: Step[ExamplesSpec]
    predictions: Step[FitSpec]
    metrics: Step[MetricsSpec]

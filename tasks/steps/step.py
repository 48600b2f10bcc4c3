"""The steps of an experiment, each with the key of the partition it fills.

A key is the SHA-256 of all that determines the partition's content; the keys of the steps a step reads are part of
its own, and so are its coordinates: the same rows under two cards' names are two partitions. Raise a step's version
when its code would give other content for the same inputs, or a method's `revision`.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from vocabsem.cards.schema import DatasetCard, ModelCard
from warehouse.lake.keys import partition_key
from warehouse.lake.manifest import Check, FileEntry
from warehouse.lake.partition import Lake, Partition

VERSIONS = {"examples": 1, "states": 1, "anchors": 1, "predictions": 3, "metrics": 2, "comparisons": 1, "runs": 1}
VERSIONS |= {"diagnostics": 1}
PACKAGES = ("vocabsem", "torch", "transformers", "peft", "tokenizers", "datasets", "pyarrow", "scikit-learn", "numpy")
SPLITS = ("train", "validation", "test")
RIVAL = "rival"  # the question of a contrast with our calibrator


@dataclass(frozen=True)
class Step:
    """One partition to be filled: its kind, its place, what determines it, and the partitions it reads (role: key)."""

    kind: str
    coordinates: Mapping[str, str]
    payload: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        return partition_key(self.payload)

    def partition(self, lake: Lake, kind: str | None = None) -> Partition:
        return lake.partition(kind or self.kind, self.key, **self.coordinates)

    def publish(
        self,
        lake: Lake,
        files: pa.Table | Iterable[FileEntry],
        facts: Mapping[str, Any],
        checks: Sequence[Check] = (),
        kind: str | None = None,
    ) -> None:
        """Write the manifest, of a table as the only file or of files that are written. Raises CheckFailed."""
        partition = self.partition(lake, kind)
        files = [partition.write_table("part-0.parquet", files)] if isinstance(files, pa.Table) else files
        more = {"facts": facts, "checks": checks, "versions": _versions()}
        partition.publish(files, payload=self.payload, inputs=self.inputs, **more)


@cache
def _versions() -> dict[str, str]:
    """The software that made a partition."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


@dataclass(frozen=True)
class Entry:
    """One row of an experiment: a method at one number of shots, on one data set, with one model."""

    model: ModelCard
    dataset: DatasetCard
    method: str
    label: str
    control: bool
    examples: Step
    predictions: Step
    metrics: Step
    servable: bool = True
    """Whether it can classify new texts by itself: no demonstrations, no adapters."""

    @property
    def shots(self) -> str:
        return self.predictions.coordinates["shots"]


def _step(kind: str, coordinates: Mapping[str, str], inputs: Mapping[str, str], **payload: Any) -> Step:
    place = {"step": kind, "version": VERSIONS[kind], "coordinates": dict(coordinates), "inputs": dict(inputs)}
    content = place | payload
    return Step(kind, dict(coordinates), content, dict(inputs))


def examples_step(card: DatasetCard, hashes: Mapping[str, str], limits: Mapping[str, int | None]) -> Step:
    """`hashes`: the SHA-256 of each source file; `limits`: the most rows of each split."""
    return _step("examples", {"dataset": card.name}, {}, card=card.content(), hashes=dict(hashes), limits=dict(limits))


def anchors_step(model: str, digest: str, gauge: str) -> Step:
    return _step("anchors", {"model": model}, {}, model=digest, gauge=gauge)


def states_step(
    model: str, digest: str, dataset: DatasetCard, examples: Step, split: str, settings: Mapping[str, Any]
) -> Step:
    """`settings`: layers, pooling, dtype, max_tokens, prepend_bos: all that shapes a state besides text and model."""
    return _step(
        "states",
        {"model": model, "dataset": dataset.name, "split": split},
        {"examples": examples.key},
        model=digest,
        split=split,
        template=dataset.template,
        **settings,
    )


def predictions_step(
    model: str,
    dataset: DatasetCard,
    method: str,
    specification: Mapping[str, Any],
    shots: int | str,
    seeds: Sequence[int],
    inputs: Mapping[str, str],
    **settings: Any,
) -> Step:
    """One method at one number of shots, over all its seeds. `specification`: the method's name and parameters.

    `settings`: what else shapes the predictions, such as a temperature, or how prompts are made where none are stored.
    """
    return _step(
        "predictions",
        {"model": model, "dataset": dataset.name, "method": method, "shots": str(shots)},
        inputs,
        method=dict(specification),
        words=list(dataset.label_words),
        word_tokens=dataset.word_tokens,
        seeds=list(seeds),
        shots=shots,
        **settings,
    )


def metrics_step(predictions: Step) -> Step:
    return _step("metrics", predictions.coordinates, {"predictions": predictions.key})


def comparisons_step(
    model: str, dataset: str, shots: int | str, predictions: Mapping[str, Step], contrasts: Sequence[Sequence[str]]
) -> Step:
    """One number of shots: `predictions` by the methods' names, `contrasts`: question, method and reference of each."""
    roles = {f"predictions:{index}": method for index, method in enumerate(predictions)}
    return _step(
        "comparisons",
        {"model": model, "dataset": dataset, "shots": str(shots)},
        {role: predictions[method].key for role, method in roles.items()},
        methods=roles,
        contrasts=[list(contrast) for contrast in contrasts],
    )


def diagnostics_step(model: str, dataset: DatasetCard, states: Mapping[str, Step], anchors: Mapping[str, Step]) -> Step:
    """One model on one data set: `states` by the prompts they are of, `anchors` by their gauge."""
    inputs = {f"states:{split}": step.key for split, step in states.items()}
    inputs |= {f"anchors:{gauge}": step.key for gauge, step in anchors.items()}
    words = {"words": list(dataset.label_words), "word_tokens": dataset.word_tokens}
    return _step("diagnostics", {"model": model, "dataset": dataset.name}, inputs, **words)


def run_step(
    experiment: str, metrics: Sequence[Step], comparisons: Sequence[Step], champion: bool, controls: Sequence[str]
) -> Step:
    """`champion`: whether one is registered; `controls`: names of the methods that cannot be one."""
    inputs = {f"metrics:{index}": step.key for index, step in enumerate(metrics)}
    inputs |= {f"comparisons:{index}": step.key for index, step in enumerate(comparisons)}
    return _step("runs", {"experiment": experiment}, inputs, champion=champion, controls=list(controls))

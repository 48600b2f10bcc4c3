"""Examples to methods that read texts themselves and their predictions: one task a method, over its shots and seeds."""

import time
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save

from tasks.models.extensions import method_name
from tasks.steps.decorator import step_task
from tasks.steps.facts import SeedFacts
from tasks.steps.label_columns import read_labels
from tasks.steps.lake_reads import split_rows, split_sizes
from tasks.steps.predictions import answer_rows, publish_predictions
from tasks.steps.progress import ProgressFile
from tasks.steps.specs import TextFitSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.shots import add_label_noise, choose_shots
from vocabsem.methods.registry import load_method
from warehouse.home import Home


class TextRows(NamedTuple):
    """The examples of a split."""

    ids: list[str]
    labels: np.ndarray
    texts: list[str]
    """Fields in lines."""


@step_task(task_run_name="{method} on {dataset.name}")
def fit_text_method(
    home: Home,
    dataset: DatasetCard,
    method: str,
    steps: list[Step[TextFitSpec]],
    progress: ProgressFile | None = None,
) -> list[str]:
    """Fit, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    first = steps[0].spec
    read = {split: _rows(home, first, split) for split in split_sizes(home, first.dataset, first.examples)}
    for step in steps:
        _fit(home, dataset, step, read)
        if progress:
            progress.advance(1)
    return [step.key for step in steps]


def _rows(home: Home, spec: TextFitSpec, split: str) -> TextRows:
    rows = split_rows(home, spec.dataset, spec.examples, split, ["id", "label", "fields"])
    texts = ["\n".join(value for _, value in fields) for fields in rows["fields"].to_pylist()]
    return TextRows(rows["id"].to_pylist(), read_labels(rows), texts)


def _fit(home: Home, dataset: DatasetCard, step: Step[TextFitSpec], read: dict[str, TextRows]) -> None:
    spec, train = step.spec, read["train"]
    make, predictions, training, facts, weights = load_method(method_name(home, spec.method)), [], [], [], b""
    for seed in spec.seeds:
        chosen = choose_shots(train.labels, spec.shots, seed, dataset.classes, on_insufficient=spec.on_insufficient)
        labels = train.labels[chosen]
        if spec.method.label_noise:
            labels = add_label_noise(labels, spec.method.label_noise, seed, dataset.classes)
        began = time.perf_counter()
        estimator = make(**spec.method.params)
        estimator.fit([train.texts[row] for row in chosen], labels, train.texts)
        facts.append(SeedFacts(seed=seed, fit_seconds=round(time.perf_counter() - began, 4)))
        for split in [name for name in ("validation", "test") if name in read]:
            ids, truth, texts = read[split]
            predictions.append(answer_rows(split, seed, ids, truth, estimator, texts, dataset.classes))
        training += [(seed, train.ids[row]) for row in chosen]
        weights = weights or _serialize(estimator)
    publish_predictions(home, step, predictions, training, weights, facts)


def _serialize(estimator: Any) -> bytes:
    """Return what the estimator learned; words as UTF-8, one a line."""
    terms = np.frombuffer("\n".join(estimator.terms_).encode(), np.uint8)
    learned = ("idf_", "coef_", "intercept_", "thresholds_")
    numbers = {name: np.ascontiguousarray(getattr(estimator, name)) for name in learned if hasattr(estimator, name)}
    return save({"terms_": terms, **numbers})

"""Predictions to metrics with intervals, for each split and seed and over the seeds."""

from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.checks import finite
from tasks.steps.decorator import step_task
from tasks.steps.facts import FitFacts, MetricsFacts, SeedFacts, facts_of
from tasks.steps.result_specs import MetricsSpec
from tasks.steps.samples import read_predictions_table, split_by_seed
from tasks.steps.specs import FitSpec
from tasks.steps.step import Step
from vocabsem.evaluation.kind_metrics import metric_names
from vocabsem.evaluation.metrics import mean_and_std
from vocabsem.evaluation.resampling import resample
from vocabsem.label_kinds import LabelKind
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake

Row = tuple[str, int | None, str, float, float | None, float | None, float | None]
MEASURED = ("fit_seconds", "ari_before", "ari_after")  # while fitting, on test data
SCHEMA = pa.schema(
    [("split", pa.string()), ("seed", pa.int32()), ("metric", pa.string())]
    + [(name, pa.float64()) for name in ("value", "low", "high", "spread")]
)


@step_task(task_run_name="score {dataset}")
def score(home: Home, dataset: str, pairs: list[tuple[Step[FitSpec], Step[MetricsSpec]]]) -> list[str]:
    """Score each (predictions, metrics) pair of steps and publish. Returns the keys of the metrics."""
    for predictions, metrics in pairs:
        _score(home, predictions, metrics)
    return [metrics.key for _, metrics in pairs]


def _score(home: Home, predictions: Step[FitSpec], metrics: Step[MetricsSpec]) -> None:
    source = predictions.partition(Lake(home))
    manifest = source.manifest()
    assert manifest is not None
    table = read_predictions_table(source)
    rows: list[Row] = []
    for split in pc.unique(table["split"]).to_pylist():
        rows += _rows(split, table, facts_of(manifest, FitFacts).seeds, metrics.spec.label_kind)
    result = pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)
    some = Check(name="rows", passed=len(result) > 0, detail=f"{len(result)} metrics")
    metrics.publish(Lake(home), result, MetricsFacts(), [some, finite(result["value"].to_numpy(), "metrics")])


def _rows(split: str, table: pa.Table, facts: list[SeedFacts], kind: LabelKind) -> list[Row]:
    seeds, labels, probabilities = split_by_seed(table, split)
    values: dict[str, list[float]] = defaultdict(list)
    samples = resample(labels, probabilities, metrics=metric_names(kind), by_class=kind != "choice")
    rows: list[Row] = []
    for index, seed in enumerate(seeds):
        for metric, sample in samples.items():
            values[metric].append(float(sample.values[index]))
            rows.append((split, seed, metric, values[metric][-1], *sample.select_seeds(index).interval(), None))
        known = next(fact for fact in facts if fact.seed == seed)
        for metric in MEASURED if split == "test" else ():
            if (value := getattr(known, metric)) is not None:
                values[metric].append(value)
                rows.append((split, seed, metric, value, None, None, None))
    for metric, each in values.items():
        mean, spread = mean_and_std(each)
        low, high = samples[metric].interval() if metric in samples else (None, None)
        rows.append((split, None, metric, mean, low, high, spread))
    return rows

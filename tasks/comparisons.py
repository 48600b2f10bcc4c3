"""Predictions to differences between methods on test data, with intervals and p: paired on examples and seeds."""

import pyarrow as pa

from tasks.steps.checks import finite
from tasks.steps.contrast import BASELINE
from tasks.steps.decorator import step_task
from tasks.steps.facts import ComparisonsFacts
from tasks.steps.result_specs import ComparisonsSpec
from tasks.steps.samples import RESAMPLES, Samples, paired, read_predictions_table, split_by_seed
from tasks.steps.step import Step
from vocabsem.datasets.label_values import is_continuous
from vocabsem.datasets.shots import shots_text
from vocabsem.errors import DataError
from vocabsem.evaluation.comparison import difference, holm
from vocabsem.evaluation.resampling import resample
from warehouse.home import Home
from warehouse.lake.partition import Lake

METRICS = ("macro_f1", "nll", "brier")
OF_NUMBERS = ("r2", "spearman", "rmse")
OF_CHOICES = ("accuracy", "nll", "brier")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("question", "method", "reference", "metric")]
    + [(name, pa.float64()) for name in ("difference", "low", "high", "p", "p_holm")]
)


@step_task(task_run_name="compare {dataset}")
def compare(home: Home, dataset: str, steps: list[Step[ComparisonsSpec]]) -> list[str]:
    """Publish the contrasts of each step, a row for each metric. Returns the partitions' keys."""
    for step in steps:
        _compare(home, step)
    return [step.key for step in steps]


def _compare(home: Home, step: Step[ComparisonsSpec]) -> None:
    samples = {method: _samples(home, step.spec, method, key) for method, key in step.spec.predictions.items()}
    _, measured = next(iter(samples.values()))
    rows = [row for metric in measured for row in _rows(step.spec, metric, samples)]
    table = pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)
    checks = [finite(table["difference"].to_numpy(), "differences")]
    step.publish(Lake(home), table, ComparisonsFacts(resamples=RESAMPLES), checks)


def _samples(home: Home, spec: ComparisonsSpec, method: str, key: str) -> Samples:
    where = {"model": spec.model, "dataset": spec.dataset, "method": method, "shots": spec.shots}
    predictions = Lake(home).partition("predictions", key, **where)
    seeds, labels, answers = split_by_seed(read_predictions_table(predictions), "test")
    metrics = OF_NUMBERS if is_continuous(labels) else OF_CHOICES if spec.choices else METRICS
    by_class = not spec.choices
    return seeds, resample(labels, answers, metrics=metrics, resamples=RESAMPLES, by_class=by_class)


def _rows(spec: ComparisonsSpec, metric: str, samples: dict[str, Samples]) -> list[tuple[str | float | None, ...]]:
    """One a contrast. The baselines of one number of shots are tested together, so their p are corrected."""
    single, differences = spec.shots in ("0", "all"), []
    for contrast in spec.contrasts:
        pair = paired(samples[contrast.method], samples[contrast.reference], metric, single)
        if pair is None:
            raise DataError(
                f"{contrast.method} and {contrast.reference} at {shots_text(spec.shots)} of {spec.dataset!r} have no"
                " seed in common: give them the same 'seeds' in the experiment"
            )
        differences.append(difference(*pair))
    baselines = [index for index, contrast in enumerate(spec.contrasts) if contrast.question == BASELINE]
    corrected = dict(zip(baselines, holm([differences[index].p for index in baselines]), strict=True))
    return [
        (*contrast, metric, d.value, d.low, d.high, d.p, corrected.get(index))
        for index, (contrast, d) in enumerate(zip(spec.contrasts, differences, strict=True))
    ]

"""Predictions to differences between methods on test data, with intervals and p: paired on examples and seeds."""

import pyarrow as pa

from tasks.metrics import split_answers
from tasks.steps.checks import finite
from tasks.steps.decorator import step_task
from tasks.steps.facts import ComparisonsFacts
from tasks.steps.specs import RIVAL, ComparisonsSpec
from tasks.steps.step import Step
from vocabsem.comparison import difference, holm
from vocabsem.errors import DataError
from vocabsem.resampling import BootstrapSample, resample
from warehouse.home import Home
from warehouse.lake.partition import Lake

METRICS = ("macro_f1", "nll", "brier")
RESAMPLES = 2000  # p is at least 1/1000, so that a sixteenth of it passes Holm's correction at 5 %
Samples = tuple[list[int], dict[str, BootstrapSample]]  # of one method: its seeds, and each figure of METRICS
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("question", "method", "reference", "metric")]
    + [(name, pa.float64()) for name in ("difference", "low", "high", "p", "p_holm")]
)


@step_task(task_run_name="compare {dataset}")
def compare(home: Home, dataset: str, steps: list[Step[ComparisonsSpec]]) -> list[str]:
    """Publish the contrasts of each step, the figures of METRICS a row each. Returns the partitions' keys."""
    for step in steps:
        _compare(home, step)
    return [step.key for step in steps]


def _compare(home: Home, step: Step[ComparisonsSpec]) -> None:
    samples = {method: _samples(home, step.spec, method, key) for method, key in step.spec.predictions.items()}
    rows = [row for metric in METRICS for row in _rows(step.spec, metric, samples)]
    table = pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)
    checks = [finite(table["difference"].to_numpy(), "differences")]
    step.publish(Lake(home), table, ComparisonsFacts(resamples=RESAMPLES), checks)


def _samples(home: Home, spec: ComparisonsSpec, method: str, key: str) -> Samples:
    place = {"model": spec.model, "dataset": spec.dataset, "method": method, "shots": spec.shots}
    predictions = Lake(home).partition("predictions", key, **place)
    seeds, labels, answers = split_answers(predictions.table(["split", "seed", "label", "probabilities"]), "test")
    return seeds, resample(labels, answers, metrics=METRICS, resamples=RESAMPLES)


def paired(
    first: Samples, second: Samples, metric: str, single: bool
) -> tuple[BootstrapSample, BootstrapSample] | None:
    """One figure of two methods on the seeds that both have, None if there is none.

    single: a method of one seed stands beside every seed of the other, as where there are no shots to draw.
    """
    (seeds, one), (others, other) = (first[0], first[1][metric]), (second[0], second[1][metric])
    if single and 1 in (len(seeds), len(others)):
        return one, other
    both = [seed for seed in seeds if seed in others]
    return (one.select_seeds(*map(seeds.index, both)), other.select_seeds(*map(others.index, both))) if both else None


def _rows(spec: ComparisonsSpec, metric: str, samples: dict[str, Samples]) -> list[tuple[str | float | None, ...]]:
    """One a contrast. The rivals of one number of shots are questions asked at once, so their p are corrected."""
    single, found = spec.shots in ("0", "all"), []
    for contrast in spec.contrasts:
        pair = paired(samples[contrast.method], samples[contrast.reference], metric, single)
        if pair is None:
            raise DataError(
                f"{contrast.method} and {contrast.reference} at {spec.shots} shots of {spec.dataset!r} have no seed in"
                " common: give them the same 'seeds' in the experiment"
            )
        found.append(difference(*pair))
    rivals = [index for index, contrast in enumerate(spec.contrasts) if contrast.question == RIVAL]
    corrected = dict(zip(rivals, holm([found[index].p for index in rivals]), strict=True))
    return [
        (*contrast, metric, d.value, d.low, d.high, d.p, corrected.get(index))
        for index, (contrast, d) in enumerate(zip(spec.contrasts, found, strict=True))
    ]

"""Two runs fit by fit: the difference of a metric on test data, paired on examples and seeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.steps.lake_reads import split_rows
from tasks.steps.samples import RESAMPLES, Samples, paired, read_predictions_table, split_by_seed
from vocabsem.evaluation.comparison import Difference, difference
from vocabsem.evaluation.resampling import resample
from vocabsem.label_kinds import headline
from warehouse.catalog import reads
from warehouse.home import Home
from warehouse.lake.partition import Lake

COMPARED = ["id", "label", "label_name", "text"]  # two test sets are one if their rows agree in these


@dataclass(frozen=True)
class FitDifference:
    """A fit of two runs: the same method, shots, model and data set."""

    dataset: str
    model: str
    method: str
    shots: str
    first: float
    second: float
    """The metric in each run, mean over the seeds."""
    difference: Difference | None
    """Of the second run from the first; None where they cannot be paired."""
    note: str = ""
    """Why they cannot be paired, or that they are the same predictions."""


@dataclass(frozen=True)
class RunComparison:
    """What two runs have in common, and what only one of them has."""

    shared: list[dict[str, Any]]
    """Rows of `reads.paired_fits`."""
    only_first: int
    only_second: int
    headlines: dict[str, str]
    """Of each data set the metric that it is judged by: of choices accuracy, as their labels are no classes."""


def match_fits(
    home: Home, first: str, second: str, dataset: str | None = None, method: str | None = None
) -> RunComparison:
    """Return the fits of two runs, by their keys, of all data sets and methods or of one."""
    wanted = {name: value for name, value in (("dataset", dataset), ("method", method)) if value}
    rows = [row for row in reads.paired_fits(home, first, second) if wanted.items() <= row.items()]
    shared = [row for row in rows if row["first_key"] and row["second_key"]]
    only_first, only_second = (sum(row[f"{other}_key"] is None for row in rows) for other in ("second", "first"))
    headlines = {row["dataset"]: headline(row) for row in reads.run_scores(home, second)}
    return RunComparison(shared, only_first, only_second, headlines)


def compare_fits(home: Home, comparison: RunComparison, metric: str) -> Iterator[FitDifference]:
    """Yield the difference of each shared fit.

    metric: a name in `vocabsem.evaluation.kind_metrics.OF_KIND`.
    """
    for row in comparison.shared:
        named = (row["dataset"], row["model"], row["method"], row["shots"])
        by_class = comparison.headlines.get(row["dataset"]) != "accuracy"
        first = _samples(home, row, row["first_key"], metric, by_class)
        if row["first_key"] == row["second_key"]:
            value = _mean(first, metric)
            yield FitDifference(*named, value, value, Difference(0.0, 0.0, 0.0, 1.0), "the same predictions")
            continue
        second = _samples(home, row, row["second_key"], metric, by_class)
        values = _mean(first, metric), _mean(second, metric)
        if not _same_examples(home, row):
            yield FitDifference(*named, *values, None, "other test examples")
        elif pair := paired(second, first, metric, single=row["shots"] in ("0", "all")):
            yield FitDifference(*named, *values, difference(*pair))
        else:
            yield FitDifference(*named, *values, None, "no seed in common")


def _samples(home: Home, row: dict[str, Any], key: str, metric: str, by_class: bool) -> Samples:
    where = {name: row[name] for name in ("model", "dataset", "method", "shots")}
    predictions = Lake(home).partition("predictions", key, **where)
    seeds, labels, answers = split_by_seed(read_predictions_table(predictions), "test")
    return seeds, resample(labels, answers, metrics=(metric,), resamples=RESAMPLES, by_class=by_class)


def _mean(samples: Samples, metric: str) -> float:
    return float(np.mean(samples[1][metric].values))


def _same_examples(home: Home, row: dict[str, Any]) -> bool:
    keys = row["first_examples"], row["second_examples"]
    if keys[0] == keys[1]:
        return True
    one, other = (split_rows(home, row["dataset"], key, "test", COMPARED) for key in keys)
    return bool(one.equals(other))

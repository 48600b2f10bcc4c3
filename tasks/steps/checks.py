"""Statements about data that every step tests before it publishes: most forbid publishing, some only warn."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.facts import ExamplesFacts, facts_of
from tasks.steps.specs import ExamplesSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake

MAX_NORM_RATIO = 100  # times the median: a state's norm beyond is an outlier, or another model's
DRIFT = 0.1  # of the rows, in another class than in the last run, or than in training
CHANCE = 0.01  # p of shares that differ by chance


def unique_ids(ids: Sequence[object]) -> Check:
    repeated = [f"{name!r}" for name, count in Counter(ids).items() if count > 1]
    some = f", repeated: {', '.join(repeated[:3])}" if repeated else ""
    return Check(name="unique ids", passed=not repeated, detail=f"{len(ids)} rows{some}")


def unique_rows(keys: pa.Table) -> Check:
    """Whether no two rows agree in every column, tested without a Python object per row."""
    counted = keys.group_by(keys.column_names, use_threads=False).aggregate([([], "count_all")])
    repeated = counted.filter(pc.greater(counted["count_all"], 1)).slice(0, 3).select(keys.column_names).to_pylist()
    some = f", repeated: {', '.join(str(tuple(row.values())) for row in repeated)}" if repeated else ""
    return Check(name="unique ids", passed=not repeated, detail=f"{len(keys)} rows{some}")


def finite(values: np.ndarray, what: str) -> Check:
    """`what`: the plural of what the values (…) are."""
    wrong = int(values.size - np.isfinite(values).sum())
    detail = f"{wrong} of {values.size} {what} are not" if wrong else f"{values.size} {what}"
    return Check(name="finite", passed=not wrong, detail=detail)


def head_guard(difference: str) -> Check:
    """That head(state) equals the model's logits, which extraction has made sure of, and how nearly."""
    detail = f"largest difference {difference} of the largest logit"
    return Check(name="head(state) equals the model's logits", passed=True, detail=detail)


def heads_guard(difference: str) -> Check:
    """That the projection of heads' outputs is the attention block's, which extraction has made sure of."""
    detail = f"largest difference {difference} of a layer's largest output"
    return Check(name="projected heads equal the attention block's output", passed=True, detail=detail)


def norm_range(norms: np.ndarray, where: str = "") -> Check:
    """`norms` (N,): all above 0, and none far beyond the others."""
    low, middle, high = np.min(norms), np.median(norms), np.max(norms)
    return Check(
        name=f"norms{where} above 0 and below {MAX_NORM_RATIO} times their median",
        passed=bool(low > 0 and high < MAX_NORM_RATIO * middle),
        detail=f"{low:.3g} to {high:.3g}, median {middle:.3g}",
        severity="warn",
    )


def balance_as_before(home: Home, step: Step[ExamplesSpec], counts: Mapping[str, Mapping[str, int]]) -> Iterator[Check]:
    """Whether the classes of each split have the shares that they had when the data set was last published, if it was.

    counts: {split: {class: rows}}. The drift is the total variation distance between the shares.
    """
    mine = [m for m in Lake(home).manifests("examples") if m.coordinates == step.coordinates and m.key != step.key]
    last = max(mine, key=lambda manifest: manifest.created, default=None)
    if last is None:
        return
    before = facts_of(last, ExamplesFacts).counts
    for split in sorted(before.keys() & counts.keys()):
        drift = drift_of(before[split], counts[split])
        yield Check(
            name=f"classes of {split} as frequent as before",
            passed=drift.rows <= DRIFT,
            detail=f"{drift.rows:.1%} of the rows differ from key {last.key[:12]}, {drift.most}",
            severity="warn",
        )


def balance_as_in_training(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Check]:
    """Whether the classes of validation and test have the shares that they have in training, but for chance."""
    for split in ("validation", "test"):
        if split in counts and "train" in counts:
            drift = drift_of(counts["train"], counts[split])
            yield Check(
                name=f"classes of {split} as frequent as in training",
                passed=drift.rows <= DRIFT or drift.p >= CHANCE,
                detail=f"{drift.rows:.1%} of the rows differ, {drift.most}",
                severity="warn",
            )


class Drift(NamedTuple):
    """How the shares of classes moved."""

    rows: float
    """The total variation distance: the share of the rows that is in another class."""
    most: str
    """The class that moved most, and by how much."""
    p: float
    """Pearson's chi-squared test of equal shares, by the approximation of Wilson and Hilferty (1931)."""


def drift_of(before: Mapping[str, int], now: Mapping[str, int]) -> Drift:
    """Return how the shares of classes moved between two counts of them."""
    old, new = _shares(before), _shares(now)
    moved = {name: new.get(name, 0.0) - old.get(name, 0.0) for name in old | new}
    most = max(moved, key=lambda name: abs(moved[name]))
    table = np.array([[of.get(name, 0) for name in moved] for of in (before, now)])
    return Drift(sum(map(abs, moved.values())) / 2, f"{most!r} by {moved[most]:+.1%}", _chance(table))


def _chance(table: np.ndarray) -> float:
    """p that two rows of counts (2, C) have the same shares; 1 where a row has none or a single class has all."""
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(1, table.sum())
    freedom = int((expected[0] > 0).sum()) - 1
    if not table.any(axis=1).all() or freedom == 0:
        return 1.0
    seen = expected > 0
    chi2 = float(((table - expected)[seen] ** 2 / expected[seen]).sum())
    spread = 2 / (9 * freedom)
    return 1 - NormalDist().cdf(((chi2 / freedom) ** (1 / 3) - 1 + spread) / spread**0.5)


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    return {name: count / max(1, sum(counts.values())) for name, count in counts.items()}

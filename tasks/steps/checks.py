"""Statements about data that every step tests before it publishes: most forbid publishing, some only warn."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

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
DRIFT = 0.1  # of the rows, in another class than in the last run


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
        old, new = (_shares(of[split]) for of in (before, counts))
        moved = {name: new.get(name, 0.0) - old.get(name, 0.0) for name in old | new}
        drift, most = sum(map(abs, moved.values())) / 2, max(moved, key=lambda name: abs(moved[name]))
        yield Check(
            name=f"classes of {split} as frequent as before",
            passed=drift <= DRIFT,
            detail=f"{drift:.1%} of the rows differ from key {last.key[:12]}, {most!r} by {moved[most]:+.1%}",
            severity="warn",
        )


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    return {name: count / sum(counts.values()) for name, count in counts.items()}

"""The pictures of one data set in a report: curves, reliability, confusion, states before and after, layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from flows.planning.contrasts import REFERENCE, reference
from flows.reporting.effects import place_of
from flows.reporting.plots import places, spread
from flows.reporting.run_summary import Facts
from flows.reporting.sections import Results, curves
from flows.reporting.svg import Axes, Series, classes_legend, lines, scatter, shares
from flows.reporting.templating import page
from tasks.views.report_data import errors, layer_profile, moved
from vocabsem.geometry import Projection
from vocabsem.metrics import Reliability
from warehouse.catalog import reads

MOST_NAMED = 12  # classes in a table of confusion; of more, the commonest confusions are listed
MOST_COLORS = 14  # classes in a picture of states
MOST_LISTED = 12
PLANES = {"pca": "on their two main axes (PCA)", "umap": "by UMAP, near each other where their cosine is large"}


@dataclass(frozen=True)
class Figure:
    title: str
    note: str
    drawing: Markup


def of(facts: Facts, results: Results, dataset: str, projection: Projection) -> Iterator[Figure]:
    """Whatever can be drawn: figures come from the warehouse, the rest from partitions that are still in the lake."""
    yield _efficiency(results, dataset)
    fits, controls = facts.of(results.model, dataset), {spec.name for spec in results.specs if spec.is_control}
    names = reads.label_names(facts.home, dataset)
    best = next((fit for fit in fits if fit["method"] not in controls), None)
    if not best or not names:
        return
    own = next((fit for fit in fits if fit["method"] == "zero_shot" and fit is not best), None)
    told = {_named(fit): found for fit in (best, own) if fit and (found := errors(facts.home, fit, len(names)))}
    if told:
        yield _reliability({name: bins for name, (bins, _) in told.items()})
    ours = reference(results.specs)
    most = max((f for f in fits if ours and f["method"] == ours.name), key=lambda f: place_of(f["shots"]), default=None)
    if most and (states := moved(facts.home, most, projection)):
        yield _states(_named(most), *states, names, PLANES[projection])
    if profile := layer_profile(facts.home, best, len(names)):
        yield _layers(profile)
    if _named(best) in told:
        yield _confusion(_named(best), told[_named(best)][1], names)


def _named(fit: dict[str, Any]) -> str:
    return f"{fit['method']}, {fit['shots']} shots"


def _efficiency(results: Results, dataset: str) -> Figure:
    found = curves(results.of(dataset))
    names = sorted(found, key=lambda name: name != REFERENCE)
    where = places({shots for curve in found.values() for shots, *_ in curve})
    series = []
    for index, name in enumerate(names):
        points = sorted(((where[shots] + spread(index, len(names)), *rest, shots) for shots, *rest in found[name]))
        series.append(
            Series(
                name,
                [(x, value) for x, value, *_ in points],
                [f"{name}, {n} shots: {value:.3f} [{low:.3f}, {high:.3f}]" for _, value, low, high, n in points],
                [(low, high) for _, _, low, high, _ in points],
                ours=name == REFERENCE,
                level=[n for *_, n in points] == ["0"],
            )
        )
    ends = [end for one in series for interval in one.intervals for end in interval]
    span, ticks = shares(min(ends), max(ends))
    axes = Axes(
        x=(min(where.values()) - 0.6, max(where.values()) + 0.6),
        y=span,
        x_ticks=where,
        y_ticks=ticks,
        x_label="labeled examples per class (shots)",
        y_label="macro-F1",
    )
    alt = f"Macro-F1 on {dataset} by labeled examples per class, {len(series)} methods; the figures are in the table."
    note = "Macro-F1 on test data with its 95 % interval. Point at a name to see its line alone."
    return Figure("Label efficiency", note, lines(alt, series, axes))


def _reliability(bins: dict[str, Reliability]) -> Figure:
    series = []
    for index, (name, each) in enumerate(bins.items()):
        drawn = each.count > 0
        found = [*zip(each.confidence[drawn], each.accuracy[drawn], each.count[drawn], strict=True)]
        says = [f"{name}: {n} predictions of confidence {c:.2f}, right {a:.2f}" for c, a, n in found]
        points, most = [(float(c), float(a)) for c, a, _ in found], max(each.count)
        radii = [round(2 + 4 * float(n / most) ** 0.5, 1) for *_, n in found]
        series.append(Series(name, points, says, radii=radii, ours=index == 0))
    _, ticks = shares(0, 1)
    axes = Axes((0, 1), (0, 1), ticks, ticks, "confidence", "accuracy", diagonal=True)
    alt = "Accuracy by confidence in 15 bins; on the dashed diagonal confidence is accuracy."
    note = (
        "Share of right answers by confidence; on the dashed line one can take probabilities at their word. Larger dots"
        " are more predictions."
    )
    return Figure("Reliability", note, lines(alt, series, axes))


def _confusion(method: str, counts: np.ndarray, names: list[str]) -> Figure:
    """`counts` (C, C) as a table, a row for each true class; of many classes the commonest confusions."""
    shares_of = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(names) <= MOST_NAMED:
        heads = ["true class", *names]
        rows = [(name, [*zip(*row, strict=True)]) for name, *row in zip(names, counts, shares_of, strict=True)]
        note = f"{method}: test predictions of all seeds, a row for each true class; shades are shares of the row."
    else:
        heads = ["true class", "taken for", "times"]
        wrong = [(-int(counts[i, j]), i, j) for i, j in np.ndindex(counts.shape) if i != j and counts[i, j]]
        rows = [(names[i], [(names[j], None), (-n, shares_of[i, j])]) for n, i, j in sorted(wrong)[:MOST_LISTED]]
        note = f"{method}: the commonest confusions of {len(names)} classes, test predictions of all seeds."
    return Figure("Confusion", note, Markup(page("confusion.html", heads=heads, rows=rows)))  # noqa: S704  # escaped


def _states(
    method: str, labels: np.ndarray, before: np.ndarray, after: np.ndarray, names: list[str], plane: str
) -> Figure:
    halves = [
        Markup("<div>{}<p>{}</p></div>").format(
            scatter(f"Test states in two dimensions {when} calibration, by class", points, labels, len(names)), when
        )
        for when, points in (("before", before), ("after", after))
    ]
    key = classes_legend(names) if len(names) <= MOST_COLORS else Markup("")
    note = f"{len(labels)} test states of the last layer {plane}, as they are and as {method} moves them."
    drawing = Markup('<div class="pair">{}{}</div>{}').format(*halves, key)
    return Figure("States before and after calibration", note, drawing)


def _layers(profile: dict[str, dict[int, float]]) -> Figure:
    series = [
        Series(
            name,
            [(float(layer), value) for layer, value in of_layer.items()],
            says=[f"{name}, layer {layer}: {value:.3f}" for layer, value in of_layer.items()],
            ours=index == 0,
        )
        for index, (name, of_layer) in enumerate(profile.items())
    ]
    layers = sorted({int(x) for one in series for x, _ in one.points})
    values = [y for one in series for _, y in one.points]
    span, ticks = shares(min(values), max(values))
    room = (layers[-1] - layers[0]) * 0.05
    axes = Axes(
        x=(layers[0] - room, layers[-1] + room),
        y=span,
        x_ticks={str(layer): float(layer) for layer in layers},
        y_ticks=ticks,
        x_label="layer (0: the embedding; the last meets the head)",
        y_label="accuracy",
    )
    note = "Accuracy on test data of readers fitted to all training states of one layer alone."
    said = "; ".join(one.says[-1] for one in series)
    return Figure("What each layer knows", note, lines(f"Accuracy by layer. {said}.", series, axes))

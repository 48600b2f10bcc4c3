"""Draw the figures of one data set in a report: curves, reliability, confusion, states before and after, layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from flows.planning.contrasts import reference
from flows.reporting.effects import shots_order
from flows.reporting.label_efficiency import label_efficiency
from flows.reporting.run_summary import RunSummary
from flows.reporting.sections import Results
from flows.reporting.svg import Axes, LineChart, Series, classes_legend, scatter, unit_axis
from flows.reporting.templating import render
from tasks.views.report_data import errors, layer_profile, moved
from vocabsem.geometry import Projection
from vocabsem.metrics import Reliability
from warehouse.catalog import reads

MAX_CLASSES = 12  # in a table of confusion; of more, the most frequent confusions are listed
MAX_COLORS = 14  # classes with a legend in a scatter plot
MAX_CONFUSIONS = 12
PROJECTIONS = {
    "pca": "on their two main axes (PCA)",
    "umap": "by UMAP, near each other where their cosine is large",
}


@dataclass(frozen=True)
class ReportFigure:
    """A drawing with its title and a note on how to read it."""

    title: str
    note: str
    drawing: Markup


def report_figures(
    summary: RunSummary, results: Results, dataset: str, projection: Projection
) -> Iterator[ReportFigure]:
    """Yield every figure whose data are there: scores from the catalog, the rest from partitions still in the lake."""
    curves = label_efficiency(dataset, results.of(dataset))
    note = "Macro-F1 on test data with its 95 % interval. Hover a name to highlight its line."
    yield ReportFigure("Label efficiency", note, curves.inline())
    fits = summary.fits_of(results.model, dataset)
    controls = {spec.name for spec in results.specs if spec.is_control}
    names = reads.label_names(summary.home, dataset)
    best = next((fit for fit in fits if fit["method"] not in controls), None)
    if not best or not names:
        return
    zero_shot = next((fit for fit in fits if fit["method"] == "zero_shot" and fit is not best), None)
    by_fit = {_title(fit): errors(summary.home, fit, len(names)) for fit in (best, zero_shot) if fit}
    stored = {title: each for title, each in by_fit.items() if each}
    if stored:
        yield _reliability({title: bins for title, (bins, _) in stored.items()})
    ours = reference(results.specs)
    most = max(
        (f for f in fits if ours and f["method"] == ours.name), key=lambda f: shots_order(f["shots"]), default=None
    )
    if most and (states := moved(summary.home, most, projection)):
        yield _states(_title(most), *states, names, PROJECTIONS[projection])
    if profile := layer_profile(summary.home, best, len(names)):
        yield _layers(profile)
    if _title(best) in stored:
        yield _confusion(_title(best), stored[_title(best)][1], names)


def _title(fit: dict[str, Any]) -> str:
    return f"{fit['method']}, {fit['shots']} shots"


def _reliability(bins: dict[str, Reliability]) -> ReportFigure:
    series = []
    for index, (name, each) in enumerate(bins.items()):
        filled = each.count > 0
        rows = [*zip(each.confidence[filled], each.accuracy[filled], each.count[filled], strict=True)]
        tooltips = [f"{name}: {n} predictions of confidence {c:.2f}, accuracy {a:.2f}" for c, a, n in rows]
        points, most = [(float(c), float(a)) for c, a, _ in rows], max(each.count)
        radii = [round(2 + 4 * float(n / most) ** 0.5, 1) for *_, n in rows]
        series.append(Series(name, points, tooltips, radii=radii, highlighted=index == 0))
    _, ticks = unit_axis(0, 1)
    axes = Axes((0, 1), (0, 1), ticks, ticks, "confidence", "accuracy", diagonal=True)
    alt = "Accuracy by confidence in 15 bins; on the dashed diagonal confidence equals accuracy."
    note = "Accuracy by confidence; on the dashed line probabilities are calibrated. Larger dots are more predictions."
    return ReportFigure("Reliability", note, LineChart(alt, series, axes).inline())


def _confusion(method: str, counts: np.ndarray, names: list[str]) -> ReportFigure:
    """Tabulate `counts` (C, C), a row for each true class; of many classes the most frequent confusions."""
    shares = [row / row.sum() if row.any() else [None] * len(row) for row in counts]  # none of a class without rows
    if len(names) <= MAX_CLASSES:
        heads = ["true class", *names]
        rows = [(name, [*zip(*row, strict=True)]) for name, *row in zip(names, counts, shares, strict=True)]
        note = f"{method}: test predictions of all seeds, a row for each true class; shades are shares of the row."
    else:
        heads = ["true class", "predicted", "count"]
        wrong = [(-int(counts[i, j]), i, j) for i, j in np.ndindex(counts.shape) if i != j and counts[i, j]]
        rows = [(names[i], [(names[j], None), (-n, shares[i][j])]) for n, i, j in sorted(wrong)[:MAX_CONFUSIONS]]
        note = f"{method}: the most frequent confusions of {len(names)} classes, test predictions of all seeds."
    return ReportFigure("Confusion", note, Markup(render("confusion.html", heads=heads, rows=rows)))  # noqa: S704


def _states(
    method: str, labels: np.ndarray, before: np.ndarray, after: np.ndarray, names: list[str], projection: str
) -> ReportFigure:
    halves = [
        Markup("<div>{}<p>{}</p></div>").format(
            scatter(f"Test states in two dimensions {when} calibration, by class", points, labels, len(names)), when
        )
        for when, points in (("before", before), ("after", after))
    ]
    legend = classes_legend(names) if len(names) <= MAX_COLORS else Markup("")
    note = f"{len(labels)} test states of the last layer {projection}, before and after {method}."
    drawing = Markup('<div class="pair">{}{}</div>{}').format(*halves, legend)
    return ReportFigure("States before and after calibration", note, drawing)


def _layers(profile: dict[str, dict[int, float]]) -> ReportFigure:
    series = [
        Series(
            name,
            [(float(layer), value) for layer, value in by_layer.items()],
            [f"{name}, layer {layer}: {value:.3f}" for layer, value in by_layer.items()],
            highlighted=index == 0,
        )
        for index, (name, by_layer) in enumerate(profile.items())
    ]
    layers = sorted({int(x) for one in series for x, _ in one.points})
    values = [y for one in series for _, y in one.points]
    y, ticks = unit_axis(min(values), max(values))
    margin = (layers[-1] - layers[0]) * 0.05
    axes = Axes(
        x=(layers[0] - margin, layers[-1] + margin),
        y=y,
        x_ticks={str(layer): float(layer) for layer in layers},
        y_ticks=ticks,
        x_label="layer (0: embedding output; the last one multiplies the head)",
        y_label="accuracy",
    )
    note = "Accuracy on test data of probes fitted to all training states of one layer alone."
    alt = f"Accuracy by layer. {'; '.join(one.tooltips[-1] for one in series)}."
    return ReportFigure("Accuracy by layer", note, LineChart(alt, series, axes).inline())

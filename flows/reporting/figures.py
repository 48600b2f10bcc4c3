"""Draw the figures of one data set in a report: curves, reliability, confusion, states before and after, layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from flows.planning.contrasts import reference
from flows.reporting.confusion import confusion_matrix
from flows.reporting.label_efficiency import label_efficiency
from flows.reporting.results import Results
from flows.reporting.run_summary import RunSummary
from flows.reporting.svg import Axes, LineChart, Series, classes_legend, scatter, unit_axis
from tasks.views.report_data import errors, layer_profile, moved
from vocabsem.datasets.shots import shots_text
from vocabsem.evaluation.metrics import Reliability
from vocabsem.label_kinds import HEADLINES, headline
from vocabsem.vocabulary.geometry import Projection
from warehouse.catalog import reads
from warehouse.catalog.index import shots_order

MAX_COLORS = 14  # classes with a legend in a scatter plot
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
    large: bool = False


def report_figures(
    summary: RunSummary, results: Results, dataset: str, projection: Projection
) -> Iterator[ReportFigure]:
    """Yield every chart whose data are there: scores from the catalog, the rest from partitions still in the lake."""
    rows = results.of(dataset)
    note = (
        f"{HEADLINES[headline(rows[0])]} on test data with its 95 % interval: the reference"
        " and its controls, the best baseline and the best other control. Check a name to see its line, hover it to"
        " highlight the line."
    )
    curves = label_efficiency(dataset, rows)
    yield ReportFigure(f"Label efficiency on {dataset}", note, curves.large(), large=True)
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
    return f"{fit['method']}, {shots_text(fit['shots'])}"


def _reliability(bins: dict[str, Reliability]) -> ReportFigure:
    series = []
    for index, (name, each) in enumerate(bins.items()):
        filled = each.count > 0
        rows = [*zip(each.confidence[filled], each.accuracy[filled], each.count[filled], strict=True)]
        tooltips = [f"{name}: {n} predictions of confidence {c:.2f}, accuracy {a:.2f}" for c, a, n in rows]
        points = [(float(c), float(a)) for c, a, _ in rows]
        series.append(Series(name, points, tooltips, highlighted=index == 0))
    _, ticks = unit_axis(0, 1)
    axes = Axes((0, 1), (0, 1), ticks, ticks, "confidence", "accuracy", diagonal=True)
    methods = " and ".join(bins)
    alt = f"Accuracy of {methods} by confidence in 15 bins; on the dashed diagonal confidence equals accuracy."
    note = "Accuracy by confidence, in 15 equal-frequency bins; the dashed line is perfect calibration."
    return ReportFigure(f"Reliability of {methods}", note, LineChart(alt, series, axes).inline())


def _confusion(method: str, counts: np.ndarray, names: list[str]) -> ReportFigure:
    note = "Test predictions of all seeds, a row for each true class; shades are shares of the row."
    alt = f"Confusion of {method}: test predictions by true class."
    return ReportFigure(f"Confusion of {method}", note, confusion_matrix(alt, counts, names))


def _states(
    method: str, labels: np.ndarray, before: np.ndarray, after: np.ndarray, names: list[str], projection: str
) -> ReportFigure:
    halves = [
        Markup("<div>{}<p>{}</p></div>").format(
            scatter(f"Test states in two dimensions {when} {method}, by class", points, labels, len(names)), when
        )
        for when, points in (("before", before), ("after", after))
    ]
    legend = classes_legend(names) if len(names) <= MAX_COLORS else Markup("")
    note = f"{len(labels)} test states of the last layer {projection}."
    drawing = Markup('<div class="pair">{}{}</div>{}').format(*halves, legend)
    return ReportFigure(f"States before and after {method}", note, drawing)


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
    methods = " and ".join(profile)
    note = "Accuracy on test data of methods fitted to all training states of one layer alone."
    alt = f"Accuracy by layer of {methods}. {'; '.join(one.tooltips[-1] for one in series)}."
    return ReportFigure(f"Accuracy by layer of {methods}", note, LineChart(alt, series, axes).inline())

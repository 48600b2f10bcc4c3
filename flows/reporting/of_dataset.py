"""Build the tables of one data set: the metric it is judged by, and those of its kind of labels."""

from flows.reporting.by_shots import Tables, by_shots, with_interval
from flows.reporting.results import Results, Row
from vocabsem.label_kinds import HEADLINES, headline

OF_KINDS = (
    (
        "qwk",
        "mae",
        "classes in order",
        "Quadratic weighted kappa (QWK) with its 95 % interval / mean absolute error (MAE) in classes.",
    ),
    (
        "micro_f1",
        "accuracy",
        "any number of labels",
        "Micro-F1 with its 95 % interval / share of the texts whose whole set of labels is right.",
    ),
    (
        "spearman",
        "mae",
        "continuous targets",
        "Spearman's rank correlation with its 95 % interval / mean absolute error in the target's unit.",
    ),
)  # metrics of a kind of labels, its title, and a note


def of_dataset(results: Results, dataset: str) -> Tables:
    """Tabulate the scores on one data set with their intervals; those of its kind of labels in a table of their own."""
    rows = results.of(dataset)
    primary = headline(rows[0]) if rows else "macro_f1"
    note = f"{HEADLINES[primary]} with its 95 % interval, by labeled examples per class."
    tables = by_shots(
        results,
        dataset,
        note,
        rows,
        lambda rows: float(rows[0][primary]),
        lambda rows: with_interval(rows[0]),
        complete=False,
    )
    for metric, beside, kind, note in OF_KINDS:
        tables += _of_kind(
            results, f"{dataset}, {kind}", note, [r for r in rows if r[metric] is not None], metric, beside
        )
    return tables


def _of_kind(results: Results, title: str, note: str, rows: list[Row], metric: str, beside: str) -> Tables:
    """Tabulate a metric with its interval, and another beside it."""

    def cell(rows: list[Row]) -> str:
        return f"{with_interval(rows[0], metric)} / {rows[0][beside]:.3f}"

    return by_shots(results, title, note, rows, lambda rows: float(rows[0][metric]), cell, complete=False)

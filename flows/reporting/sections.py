"""The tables of a report, one function each, none where an experiment has no such rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import yaml

from flows.planning.contrasts import reference
from flows.planning.experiment import MethodSpec
from flows.reporting.effects import in_order, signed
from flows.reporting.table import Table
from vocabsem.cards.schema import CARDS

PAPER = CARDS / "paper_table3.yaml"
INFORMED = "Each method with the most labeled examples per class it was given: all, or as many as stand in brackets."
LEVEL = 0.05  # of p after Holm's correction, below which a difference is counted

Row = dict[str, Any]
Tables = list[Table]


@dataclass(frozen=True)
class Results:
    """One model's part of a run: the card's methods in order, and rows of the lake's analyses."""

    model: str
    specs: list[MethodSpec]
    scores: list[Row]
    contrasts: list[Row]
    ranks: list[Row]
    sensitivity: list[Row]

    @property
    def datasets(self) -> list[str]:
        return sorted({row["dataset"] for row in self.scores})

    def best_informed(self, specs: Sequence[MethodSpec], dataset: str) -> list[Row | None]:
        """The scores of each method at the most labeled examples it was given."""
        found = {row["method"]: row for row in sorted(self.of(dataset), key=lambda row: int(row["shots_order"]))}
        return [found.get(spec.name) for spec in specs]

    def of(self, dataset: str) -> list[Row]:
        """The scores on one data set."""
        return [row for row in self.scores if row["dataset"] == dataset]


def table3(results: Results) -> Tables:
    """The paper's Table 3: in-context learning, kNN Prompting, the paper's calibrator, ours, in the paper's metrics."""
    paper = yaml.safe_load(PAPER.read_text(encoding="utf-8"))
    rivals = [s for s in results.specs if s.method == "knn_prompting" or (s.method == "zero_shot" and _in_context(s))]
    rivals += _published(results)[:1]
    datasets = [name for name in results.datasets if name in paper["sets"]]
    ours = reference(results.specs)
    shown, rows = rivals + ([ours] if ours else []), []
    if not datasets or len(shown) < 2:
        return []
    for dataset in datasets:
        metric, theirs = paper["sets"][dataset]["metric"], paper["sets"][dataset]["figures"]
        found = _best_in_bold(results.best_informed(shown, dataset), metric)
        rows.append([dataset, metric.replace("_f1", "-F1"), *found, *(f"{figure:.3f}" for figure in theirs)])
    heads = ["", "metric", *_names(shown), *(f"{paper['model']}: {column}" for column in paper["columns"])]
    note = f"{INFORMED} {paper['model']}: {paper['citation']}."
    return _section("The paper's Table 3", note, heads, rows)


def ablation(results: Results) -> Tables:
    """The paper's Table 6: what its calibrator is trained on, and what its classes are inferred by."""
    grid = _published(results)
    if not any({"trained_on", "inferred_by"} & set(spec.params) for spec in grid):
        return []
    found = [results.best_informed(grid, dataset) for dataset in results.datasets]
    rows = [[name, *_best_in_bold(each, "macro_f1")] for name, each in zip(results.datasets, found, strict=True)]
    columns = [[row for row in column if row] for column in zip(*found, strict=True)]
    if len(rows) > 1 and all(len(column) == len(rows) for column in columns):
        means = [{"macro_f1": _mean_f1(column), "shots": "all"} for column in columns]
        rows.append(["mean", *_best_in_bold(means, "macro_f1")])
    note = f"Macro-F1 of the paper's calibrator. {INFORMED}"
    return _section("The paper's ablation (Table 6)", note, ["", *_names(grid)], rows)


def means(results: Results) -> Tables:
    if len(results.datasets) < 2:
        return []
    note = f"Mean macro-F1 over {len(results.datasets)} data sets, by labeled examples per class."
    return _by_shots(results, "On average", note, results.scores, _mean_f1, lambda rows: f"{_mean_f1(rows):.3f}")


def average_ranks(results: Results) -> Tables:
    note = "Place by macro-F1 among the methods with as many labeled examples, averaged over the data sets; 1 is best."
    return _by_shots(
        results,
        "Average ranks",
        note,
        results.ranks,
        lambda rows: -float(rows[0]["average_rank"]),
        lambda rows: f"{rows[0]['average_rank']:.1f}",
    )


def rivals(results: Results) -> Tables:
    """Each method's distance from ours, and on how many data sets it stands after Holm's correction."""

    def say(rows: list[Row]) -> str:
        sure = [row["difference"] for row in rows if row["p_holm"] < LEVEL]
        worse, better = sum(value < 0 for value in sure), sum(value > 0 for value in sure)
        return f"{fmean(row['difference'] for row in rows):+.3f} ({worse}, {better})"

    rows = [row for row in results.contrasts if row["question"] == "rival"]
    ours = rows[0]["reference"] if rows else ""
    note = (
        f"Macro-F1 minus that of `{ours}`, mean over the data sets, and on how many of them it is surely lower and"
        " surely higher: paired bootstrap over examples and seeds, 5 % after Holm's correction over the methods."
    )
    return _by_shots(results, "Against ours", note, rows, None, say)


def vocabulary(results: Results) -> Tables:
    """`vocabulary helps`: the same method with other vectors in the anchors' place."""
    found = [row for row in results.contrasts if row["question"] != "rival"]
    shots = in_order({row["shots"] for row in found})
    cells = {(row["dataset"], row["method"], row["reference"], row["shots"]): signed(row) for row in found}
    rows = [
        [dataset, f"`{method}`", f"`{other}`", *(cells.get((dataset, method, other, n), "") for n in shots)]
        for dataset, method, other in sorted({place[:3] for place in cells})
    ]
    note = "Macro-F1 of a method minus that of its variant with other vectors in the anchors' place, by shots."
    return _section("Vocabulary helps", note, ["", "method", "minus", *shots], rows)


def calibration(results: Results) -> Tables:
    note = "NLL / ECE / Brier score, means over the data sets, by labeled examples per class: lower is better."

    def say(rows: list[Row]) -> str:
        return " / ".join(f"{fmean(row[metric] for row in rows):.3f}" for metric in ("nll", "ece", "brier"))

    return _by_shots(results, "Probabilities", note, results.scores, None, say)


def sensitivity(results: Results) -> Tables:
    """What a score owes to the template, the label words, the order of demonstrations, wrong labels."""
    datasets = sorted({row["dataset"] for row in results.sensitivity})
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in results.sensitivity:
        said = f"{row['mean']:.3f} ± {row['spread']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        if row["choice"] == "noise":
            said = f"{row['slope'] / 10:+.3f} ({row['low']:.3f} to {row['high']:.3f})"
        elif row["choice"] == "order":
            said += f", choice ± {row['seed_spread']:.3f}"
        cells.setdefault((row["choice"], row["method"], row["shots"]), {})[row["dataset"]] = said
    rows = [
        [choice, f"`{method}`", shots, *(found.get(dataset, "") for dataset in datasets)]
        for (choice, method, shots), found in cells.items()
    ]
    note = (
        "Macro-F1 when one thing varies and all else is as the card has it: mean ± standard deviation over templates,"
        " label words or orders (worst to best). Of orders also the deviation over choices of the demonstrations; of"
        " noise the change for every 10 % of wrong labels."
    )
    return _section("Sensitivity", note, ["varied", "method", "shots", *datasets], rows)


def of_dataset(results: Results, dataset: str) -> Tables:
    note = "Macro-F1 with its 95 % interval, by labeled examples per class."
    rows = results.of(dataset)
    return _by_shots(results, dataset, note, rows, _mean_f1, lambda found: with_interval(found[0]), whole=False)


SECTIONS = (table3, ablation, means, average_ranks, rivals, vocabulary, calibration, sensitivity)


def _in_context(spec: MethodSpec) -> bool:
    return spec.name.startswith("icl") or "+demos-" in spec.name


def _published(results: Results) -> list[MethodSpec]:
    return [
        s for s in results.specs if s.method == "paper_calibrator" and s.params.get("targets", "anchors") == "anchors"
    ]


def _mean_f1(rows: list[Row]) -> float:
    return fmean(row["macro_f1"] for row in rows)


def with_interval(row: Row) -> str:
    return f"{row['macro_f1']:.3f} [{row['macro_f1_low']:.3f}, {row['macro_f1_high']:.3f}]"


def _by_shots(
    results: Results,
    title: str,
    note: str,
    rows: Sequence[Row],
    merit: Callable[[list[Row]], float] | None,
    say: Callable[[list[Row]], str],
    whole: bool = True,
) -> Tables:
    """A row a method, a column a number of shots; `say` makes a cell of its rows, the highest `merit` is bold.

    `whole`: a method that lacks a data set at some shots is left out there, as its mean would be of another thing.
    """
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["method"], row["shots"]), []).append(row)
    most = max(map(len, cells.values()), default=0)
    cells = {place: found for place, found in cells.items() if not whole or len(found) == most}
    shots = in_order({n for _, n in cells})
    best = {n: max(merit(found) for (_, m), found in cells.items() if m == n) for n in shots} if merit else {}

    def cell(method: str, n: str) -> str:
        found = cells.get((method, n))
        if not found:
            return ""
        return f"**{say(found)}**" if merit and merit(found) == best[n] else say(found)

    methods = [spec.name for spec in results.specs if any((spec.name, n) in cells for n in shots)]
    return _section(
        title, note, ["", *shots], [[f"`{method}`", *(cell(method, n) for n in shots)] for method in methods]
    )


def _best_in_bold(rows: Sequence[Row | None], metric: str) -> list[str]:
    best = max((row[metric] for row in rows if row), default=None)
    return ["" if row is None else _marked(row, metric, best) for row in rows]


def _marked(row: Row, metric: str, best: float | None) -> str:
    given = "" if row["shots"] == "all" else f" ({row['shots']})"
    return f"**{row[metric]:.3f}**{given}" if row[metric] == best else f"{row[metric]:.3f}{given}"


def _names(specs: Sequence[MethodSpec]) -> list[str]:
    return [f"`{spec.name}`" for spec in specs]


def _section(title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Tables:
    return [Table(title, note, heads, rows)] if rows else []

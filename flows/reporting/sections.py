"""Build the tables of a report, one function each; none where an experiment has no such rows."""

from collections.abc import Callable, Sequence
from statistics import fmean

import yaml

from flows.planning.contrasts import reference
from flows.planning.experiment import MethodSpec
from flows.reporting.effects import format_difference, sort_shots
from flows.reporting.results import Results, Row
from flows.reporting.studies import study_tables
from flows.reporting.table import Table
from vocabsem.cards.folders import CARDS
from vocabsem.label_kinds import headline

PAPER = CARDS / "paper_table3.yaml"
INFORMED = "Each method at its highest number of labeled examples per class: all, or the number in brackets."
LEVEL = 0.05  # of p after Holm's correction

Tables = list[Table]


def table3(results: Results) -> Tables:
    """Tabulate what the paper's Table 3 compares: in-context learning, kNN Prompting, its calibrator; and ours."""
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
        cells = _best_in_bold(results.best_informed(shown, dataset), metric)
        rows.append([dataset, metric.replace("_f1", "-F1"), *cells, *(f"{figure:.3f}" for figure in theirs)])
    heads = ["", "metric", *_names(shown), *(f"{paper['model']}: {column}" for column in paper["columns"])]
    note = f"{INFORMED} {paper['model']}: {paper['citation']}."
    return _section("The paper's Table 3", note, heads, rows)


def ablation(results: Results) -> Tables:
    """Tabulate the paper's Table 6: what its calibrator is trained on, and how its classes are inferred."""
    grid = _published(results)
    if not any({"trained_on", "inferred_by"} & set(spec.params) for spec in grid):
        return []
    scores = [results.best_informed(grid, dataset) for dataset in results.datasets]
    rows = [[name, *_best_in_bold(each, "macro_f1")] for name, each in zip(results.datasets, scores, strict=True)]
    columns = [[row for row in column if row] for column in zip(*scores, strict=True)]
    if len(rows) > 1 and all(len(column) == len(rows) for column in columns):
        means = [{"macro_f1": _mean_f1(column), "shots": "all"} for column in columns]
        rows.append(["mean", *_best_in_bold(means, "macro_f1")])
    note = f"Macro-F1 of the paper's calibrator. {INFORMED}"
    return _section("The paper's ablation (Table 6)", note, ["", *_names(grid)], rows)


def means(results: Results) -> Tables:
    """Average macro-F1 over the data sets."""
    rows = [row for row in results.scores if headline(row) == "macro_f1"]  # choices have none
    if (sets := len({row["dataset"] for row in rows})) < 2:
        return []
    note = f"Mean macro-F1 over {sets} data sets, by labeled examples per class."
    return _by_shots(results, "On average", note, rows, _mean_f1, lambda rows: f"{_mean_f1(rows):.3f}")


def average_ranks(results: Results) -> Tables:
    """Average the rank of each method over the data sets."""
    note = (
        "Rank by macro-F1 among the methods at the same number of labeled examples, averaged over data sets; 1 is best."
    )
    known = {row["shots"]: row["critical_difference"] for row in results.ranks if row["critical_difference"]}
    if known:
        each = ", ".join(f"{known[shots]:.1f} at {shots}" for shots in sort_shots(set(known)))
        note += f" Ranks that differ by less are not significantly different at 5 % (Nemenyi): {each}."
    return _by_shots(
        results,
        "Average ranks",
        note,
        results.ranks,
        lambda rows: -float(rows[0]["average_rank"]),
        lambda rows: f"{rows[0]['average_rank']:.1f}",
    )


def rivals(results: Results) -> Tables:
    """Tabulate each method's difference from ours, and on how many data sets it is significant after correction."""

    def cell(rows: list[Row]) -> str:
        significant = [row["difference"] for row in rows if row["p_holm"] < LEVEL]
        worse, better = sum(value < 0 for value in significant), sum(value > 0 for value in significant)
        return f"{fmean(row['difference'] for row in rows):+.3f} ({worse}, {better})"

    rows = [row for row in results.contrasts if row["question"] == "rival"]
    ours = rows[0]["reference"] if rows else ""
    note = (
        f"Macro-F1 minus that of `{ours}`, mean over the data sets, and in brackets on how many of them it is"
        " significantly lower and higher: paired bootstrap over examples and seeds, 5 % after Holm's correction."
    )
    return _by_shots(results, "Against ours", note, rows, None, cell)


def wins(results: Results) -> Tables:
    """Tabulate on how many data sets each method wins, ties and loses against ours."""

    def cell(rows: list[Row]) -> str:
        row = rows[0]
        return f"{row['wins']}/{row['ties']}/{row['losses']} ({row['p_holm']:.3f})"

    if not results.wins:
        return []
    sets = max(row["datasets"] for row in results.wins)
    note = (
        f"Data sets on which a method has the higher macro-F1, the same, and the lower one than"
        f" `{results.wins[0]['reference']}`, and in brackets p: Wilcoxon's signed-rank test over the data sets, after"
        f" Holm's correction. Before it, p of {sets} data sets is at least {2 / 2**sets:.2g}."
    )
    return _by_shots(results, "Wins, ties and losses", note, results.wins, None, cell)


def vocabulary(results: Results) -> Tables:
    """Tabulate the differences of a method from its variants with other vectors in place of the anchors."""
    contrasts = [row for row in results.contrasts if row["question"] != "rival"]
    shots = sort_shots({row["shots"] for row in contrasts})
    cells = {
        (row["dataset"], row["method"], row["reference"], row["shots"]): format_difference(row) for row in contrasts
    }
    rows = [
        [dataset, f"`{method}`", f"`{other}`", *(cells.get((dataset, method, other, n), "") for n in shots)]
        for dataset, method, other in sorted({key[:3] for key in cells})
    ]
    note = "Macro-F1 of a method minus that of its variant with other vectors in place of the anchors, by shots."
    return _section("Gain over random anchors", note, ["", "method", "minus", *shots], rows)


def calibration(results: Results) -> Tables:
    """Tabulate how good the probabilities are."""
    note = "NLL / ECE / Brier score, means over the data sets, by labeled examples per class: lower is better."

    def cell(rows: list[Row]) -> str:
        return " / ".join(f"{fmean(row[metric] for row in rows):.3f}" for metric in ("nll", "ece", "brier"))

    return _by_shots(results, "Probabilities", note, results.scores, None, cell)


def costs(results: Results) -> Tables:
    """Tabulate what each method scores and costs."""
    forms = {"macro_f1": "{:.3f}", "text_milliseconds": "{:.2f}", "fit_seconds": "{:.2f}"}
    forms |= {"state_bytes": "{:,.0f}", "method_bytes": "{:,.0f}"}
    by_method = {row["method"]: row for row in results.costs}
    rows = [
        [f"`{name}`", row["shots"], *("" if row[key] is None else form.format(row[key]) for key, form in forms.items())]
        for name in dict.fromkeys(spec.name for spec in results.specs)
        if (row := by_method.get(name))
    ]
    note = (
        "Each method at its highest number of labeled examples, means over data sets: milliseconds in the model for a"
        " test text, on the machine that encoded it; seconds to fit one seed; bytes of a text's stored states and of"
        " what one seed learned. The time from a state to its answer is not stored, nor that of adapters for a text."
    )
    if not any(row["text_milliseconds"] or row["method_bytes"] for row in results.costs):
        return []
    heads = ["", "shots", "macro-F1", "ms a text", "s a fit", "bytes a text", "bytes learned"]
    return _section("Costs by method", note, heads, rows)


def sensitivity(results: Results) -> Tables:
    """Tabulate how macro-F1 varies with the template, the label words, the order of demonstrations, label noise."""
    datasets = sorted({row["dataset"] for row in results.sensitivity})
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in results.sensitivity:
        cell = f"{row['mean']:.3f} ± {row['spread']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        if row["choice"] == "noise":
            cell = f"{row['slope'] / 10:+.3f} ({row['low']:.3f} to {row['high']:.3f})"
        elif row["choice"] == "order":
            cell += f", choice ± {row['seed_spread']:.3f}"
        cells.setdefault((row["choice"], row["method"], row["shots"]), {})[row["dataset"]] = cell
    rows = [
        [choice, f"`{method}`", shots, *(by_dataset.get(dataset, "") for dataset in datasets)]
        for (choice, method, shots), by_dataset in cells.items()
    ]
    note = (
        "Macro-F1 when one setting varies and all others are as in the card: mean ± standard deviation over templates,"
        " label words or orders (worst to best). For orders also the deviation over choices of the demonstrations; for"
        " noise the change per 10 % of wrong labels."
    )
    return _section("Sensitivity", note, ["varied", "method", "shots", *datasets], rows)


def of_dataset(results: Results, dataset: str) -> Tables:
    """Tabulate the scores on one data set with their intervals; those of ordinal labels in a table of their own."""
    rows = results.of(dataset)
    metric = headline(rows[0]) if rows else "macro_f1"
    what = "Macro-F1" if metric == "macro_f1" else "Accuracy of choices"
    note = f"{what} with its 95 % interval, by labeled examples per class."
    merit, cell = (lambda rows: rows[0][metric]), (lambda rows: with_interval(rows[0]))
    tables = _by_shots(results, dataset, note, rows, merit, cell, complete=False)
    rows = [row for row in rows if row["qwk"] is not None]
    note = "Quadratic weighted kappa (QWK) with its 95 % interval / mean absolute error (MAE) in classes."
    cell = lambda rows: f"{with_interval(rows[0], 'qwk')} / {rows[0]['mae']:.3f}"  # noqa: E731
    title = f"{dataset}, classes in order"
    return tables + _by_shots(results, title, note, rows, lambda rows: rows[0]["qwk"], cell, complete=False)


SECTIONS = (
    table3,
    ablation,
    means,
    average_ranks,
    rivals,
    wins,
    vocabulary,
    calibration,
    costs,
    sensitivity,
    study_tables,
)


def _in_context(spec: MethodSpec) -> bool:
    return spec.name.startswith("icl") or "+demos-" in spec.name


def _published(results: Results) -> list[MethodSpec]:
    return [
        s for s in results.specs if s.method == "paper_calibrator" and s.params.get("targets", "anchors") == "anchors"
    ]


def _mean_f1(rows: list[Row]) -> float:
    return fmean(row["macro_f1"] for row in rows)


def with_interval(row: Row, metric: str | None = None) -> str:
    """Return a metric with its interval, as in `0.850 [0.800, 0.900]`; by default the one that it is judged by."""
    metric = metric or headline(row)
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"


def _by_shots(
    results: Results,
    title: str,
    note: str,
    rows: Sequence[Row],
    merit: Callable[[list[Row]], float] | None,
    text: Callable[[list[Row]], str],
    complete: bool = True,
) -> Tables:
    """Tabulate by method and number of shots; `text` makes a cell of its rows, the highest `merit` is bold.

    `complete`: leave a cell empty where the method lacks a data set, as its mean would not be comparable.
    """
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["method"], row["shots"]), []).append(row)
    most = max(map(len, cells.values()), default=0)
    cells = {key: group for key, group in cells.items() if not complete or len(group) == most}
    shots = sort_shots({n for _, n in cells})
    best = {n: max(merit(group) for (_, m), group in cells.items() if m == n) for n in shots} if merit else {}

    def cell(method: str, n: str) -> str:
        group = cells.get((method, n))
        if not group:
            return ""
        return f"**{text(group)}**" if merit and merit(group) == best[n] else text(group)

    methods = [spec.name for spec in results.specs if any((spec.name, n) in cells for n in shots)]
    return _section(
        title, note, ["", *shots], [[f"`{method}`", *(cell(method, n) for n in shots)] for method in methods]
    )


def _best_in_bold(rows: Sequence[Row | None], metric: str) -> list[str]:
    best = max((row[metric] for row in rows if row), default=None)
    return ["" if row is None else _marked(row, metric, best) for row in rows]


def _marked(row: Row, metric: str, best: float | None) -> str:
    shots = "" if row["shots"] == "all" else f" ({row['shots']})"
    return f"**{row[metric]:.3f}**{shots}" if row[metric] == best else f"{row[metric]:.3f}{shots}"


def _names(specs: Sequence[MethodSpec]) -> list[str]:
    return [f"`{spec.name}`" for spec in specs]


def _section(title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Tables:
    return [Table(title, note, heads, rows)] if rows else []

"""Build the tables of a report, one function each; none where an experiment has no such rows."""

from collections.abc import Sequence
from statistics import fmean

import yaml

from flows.planning.contrasts import reference
from flows.planning.experiment import MethodSpec
from flows.reporting.by_shots import Tables, by_shots, section
from flows.reporting.effects import format_difference, sort_shots
from flows.reporting.results import Results, Row
from flows.reporting.studies import study_tables
from vocabsem.cards.folders import CARDS
from vocabsem.label_kinds import headline

PAPER = CARDS / "paper_table3.yaml"
INFORMED = "Each method at its highest number of labeled examples per class: all, or the number in brackets."
LEVEL = 0.05  # of p after Holm's correction


def table3(results: Results) -> Tables:
    """Tabulate what the paper's Table 3 compares: in-context learning, kNN Prompting, its calibrator; and
    `vocabulary_calibrator`."""
    paper = yaml.safe_load(PAPER.read_text(encoding="utf-8"))
    baselines = [
        s for s in results.specs if s.method == "knn_prompting" or (s.method == "zero_shot" and _in_context(s))
    ]
    baselines += _published(results)[:1]
    datasets = [name for name in results.datasets if name in paper["sets"]]
    ours = reference(results.specs)
    shown, rows = baselines + ([ours] if ours else []), []
    if not datasets or len(shown) < 2:
        return []
    for dataset in datasets:
        metric, theirs = paper["sets"][dataset]["metric"], paper["sets"][dataset]["figures"]
        cells = _best_in_bold(results.best_informed(shown, dataset), metric)
        rows.append([dataset, metric.replace("_f1", "-F1"), *cells, *(f"{value:.3f}" for value in theirs)])
    heads = ["", "metric", *_names(shown), *(f"{paper['model']}: {column}" for column in paper["columns"])]
    note = f"{INFORMED} {paper['model']}: {paper['citation']}."
    return section("The paper's Table 3", note, heads, rows)


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
    return section("The paper's ablation (Table 6)", note, ["", *_names(grid)], rows)


def means(results: Results) -> Tables:
    """Average macro-F1 over the data sets."""
    rows = [row for row in results.scores if headline(row) == "macro_f1"]  # choices have none
    if (sets := len({row["dataset"] for row in rows})) < 2:
        return []
    note = f"Mean macro-F1 over {sets} data sets, by labeled examples per class."
    return by_shots(results, "On average", note, rows, _mean_f1, lambda rows: f"{_mean_f1(rows):.3f}")


def average_ranks(results: Results) -> Tables:
    """Average the rank of each method over the data sets."""
    note = (
        "Rank by macro-F1 among the methods at the same number of labeled examples, averaged over data sets; 1 is best."
    )
    known = {row["shots"]: row["critical_difference"] for row in results.ranks if row["critical_difference"]}
    if known:
        each = ", ".join(f"{known[shots]:.1f} at {shots}" for shots in sort_shots(set(known)))
        note += f" Ranks that differ by less are not significantly different at 5 % (Nemenyi): {each}."
    return by_shots(
        results,
        "Average ranks",
        note,
        results.ranks,
        lambda rows: -float(rows[0]["average_rank"]),
        lambda rows: f"{rows[0]['average_rank']:.1f}",
    )


def baselines(results: Results) -> Tables:
    """Tabulate differences from the reference, and on how many data sets they are significant after correction."""

    def cell(rows: list[Row]) -> str:
        significant = [row["difference"] for row in rows if row["p_holm"] < LEVEL]
        worse, better = sum(value < 0 for value in significant), sum(value > 0 for value in significant)
        return f"{fmean(row['difference'] for row in rows):+.3f} ({worse}, {better})"

    rows = [row for row in results.contrasts if row["question"] == "baseline" and row["metric"] == "macro_f1"]
    ours = rows[0]["reference"] if rows else ""
    note = (
        f"Macro-F1 minus that of `{ours}`, mean over the data sets, and in brackets on how many of them it is"
        " significantly lower and higher: paired bootstrap over examples and seeds, 5 % after Holm's correction."
    )
    return by_shots(results, "Compared with the reference", note, rows, None, cell)


def scorings(results: Results) -> Tables:
    """Tabulate the differences of scorings of options from the first of the card."""
    rows = [row for row in results.contrasts if row["question"] == "baseline" and row["metric"] == "accuracy"]
    lines = [
        [row["dataset"], f"`{row['method']}`", f"`{row['reference']}`", format_difference(row), f"{row['p_holm']:.3f}"]
        for row in rows
    ]
    note = (
        "Accuracy of choices minus that of the first scoring of the card: paired bootstrap over rows, with p after"
        " Holm's correction over the scorings of a data set."
    )
    return section("Scorings of options", note, ["", "scoring", "minus", "difference [95 %]", "p"], lines)


def wins(results: Results) -> Tables:
    """Tabulate on how many data sets each method wins, ties and loses against the reference."""

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
    return by_shots(results, "Wins, ties and losses", note, results.wins, None, cell)


def vocabulary(results: Results) -> Tables:
    """Tabulate the differences of a method from its variants with other vectors in place of the anchors."""
    contrasts = [row for row in results.contrasts if row["question"] != "baseline"]
    shots = sort_shots({row["shots"] for row in contrasts})
    cells = {
        (row["dataset"], row["method"], row["reference"], row["shots"]): format_difference(row) for row in contrasts
    }
    rows = [
        [dataset, f"`{method}`", f"`{other}`", *(cells.get((dataset, method, other, n), "") for n in shots)]
        for dataset, method, other in sorted({key[:3] for key in cells})
    ]
    note = "Macro-F1 of a method minus that of its variant with other vectors in place of the anchors, by shots."
    return section("Gain over random anchors", note, ["", "method", "minus", *shots], rows)


def word_gaps(results: Results) -> Tables:
    """Tabulate exact and approximate scores of label words of several tokens, where they were diagnosed."""
    by_score: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in results.word_gaps:
        where = row["subject"].removeprefix("words."), row["states"] or ""
        by_score.setdefault((row["dataset"], *where), {})[row["metric"]] = row["value"]
    names = ("accuracy", "macro_f1", "spearman", "top1")
    lines = [[*key, *(f"{metrics[name]:.3f}" for name in names)] for key, metrics in by_score.items()]
    note = (
        "Zero-shot on validation rows by exact scores, and by head rows or anchors of a word's first token or the mean"
        " over all; rank correlation with the exact scores over the classes, and share of rows with the same class."
    )
    heads = ["", "scores", "states", "accuracy", "macro-F1", "rank correlation", "same class"]
    return section("Label words of several tokens", note, heads, lines)


def calibration(results: Results) -> Tables:
    """Tabulate how good the probabilities are."""
    note = "NLL / ECE / Brier score, means over the data sets, by labeled examples per class: lower is better."

    def cell(rows: list[Row]) -> str:
        return " / ".join(f"{fmean(row[metric] for row in rows):.3f}" for metric in ("nll", "ece", "brier"))

    rows = [row for row in results.scores if row["ece"] is not None]  # texts of one label
    return by_shots(results, "Probabilities", note, rows, None, cell)


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
    heads = ["", "shots", "macro-F1", "ms per text", "s per fit", "bytes per text", "bytes learned"]
    return section("Costs by method", note, heads, rows)


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
    return section("Sensitivity", note, ["varied", "method", "shots", *datasets], rows)


SECTIONS = (
    table3,
    ablation,
    means,
    average_ranks,
    baselines,
    scorings,
    wins,
    vocabulary,
    word_gaps,
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


def _best_in_bold(rows: Sequence[Row | None], metric: str) -> list[str]:
    best = max((row[metric] for row in rows if row), default=None)
    return ["" if row is None else _marked(row, metric, best) for row in rows]


def _marked(row: Row, metric: str, best: float | None) -> str:
    shots = "" if row["shots"] == "all" else f" ({row['shots']})"
    return f"**{row[metric]:.3f}**{shots}" if row[metric] == best else f"{row[metric]:.3f}{shots}"


def _names(specs: Sequence[MethodSpec]) -> list[str]:
    return [f"`{spec.name}`" for spec in specs]

"""Render a report as one page of HTML: its tables, and figures of what the lake holds of the run."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import yaml

from flows.planning.contrasts import reference
from flows.reporting.by_shots import with_interval
from flows.reporting.effects import NONE, RANDOM, format_difference, gains, sort_shots
from flows.reporting.figures import report_figures
from flows.reporting.glossary import GLOSSARY
from flows.reporting.of_dataset import of_dataset
from flows.reporting.results import Results
from flows.reporting.run_summary import Run, RunSummary
from flows.reporting.sections import SECTIONS
from flows.reporting.table import ReportTable
from flows.reporting.templating import render_template
from vocabsem.datasets.shots import shots_text
from vocabsem.label_kinds import HEADLINES, headline
from vocabsem.vocabulary.geometry import Projection
from warehouse.home import Home

QUESTIONS = {NONE: "both over none", RANDOM: "both over random"}  # whose differences the gains are
MARGIN = 0.02  # of macro-F1 or accuracy, on both sides of a leaderboard's bars


def html_page(home: Home, run: Run, every: Sequence[Results], projection: Projection) -> str:
    """Return the page, with every text of cards and data escaped."""
    summary, lines = RunSummary(home, run), gains(home, run.key)
    models = [
        {
            "name": results.model,
            "summary": _summary(results),
            "overview": _overview(results),
            "row_classes": _row_classes(results),
            "tables": [table for section in SECTIONS for table in section(results)],
            "parts": [_part(summary, results, dataset, lines, projection) for dataset in results.datasets],
        }
        for results in every
    ]
    return render_template(
        "report.html",
        title=run.experiment,
        description=run.card["description"],
        origin=run.origin("--output page.html"),
        models=models,
        notes=summary.data_notes(),
        costs=summary.costs(),
        glossary=GLOSSARY,
        keys=summary.keys(),
        provenance=summary.provenance(),
        commands=f"vocabsem run card.yaml  # the card below\nvocabsem report {run.experiment} --output page.html",
        card=yaml.safe_dump(run.card, sort_keys=False, allow_unicode=True),
    )


def _part(
    summary: RunSummary, results: Results, dataset: str, lines: dict[tuple[str, str], list[str]], projection: Projection
) -> dict[str, Any]:
    rows = [row for row in results.best_informed(results.specs, dataset) if row]
    metric = headline(rows[0])
    return {
        "dataset": dataset,
        "gains": lines.get((dataset, results.model), []),
        "metric": metric,
        "headline": HEADLINES[metric],
        "low": max(-1.0 if metric == "r2" else 0.0, min(row[f"{metric}_low"] for row in rows) - MARGIN),
        "high": min(1.0, max(row[f"{metric}_high"] for row in rows) + MARGIN),
        "of_kind": {
            head: name
            for head, name in (("micro-F1", "micro_f1"), ("QWK", "qwk"), ("Spearman", "spearman"), ("MAE", "mae"))
            if any(row[name] is not None for row in rows)
        },
        "board": sorted(rows, key=itemgetter("rank")),
        "tables": of_dataset(results, dataset),
        "figures": list(report_figures(summary, results, dataset, projection)),
    }


def _row_classes(results: Results) -> dict[str, str]:
    """Return {method: CSS class} of the rows that stand out."""
    ours = reference(results.specs)
    return {spec.name: "control" for spec in results.specs if spec.is_control} | ({ours.name: "ours"} if ours else {})


def _overview(results: Results) -> ReportTable:
    """Tabulate by data set the best scores and the gains over both controls, with the fewest and the most labels."""
    shots = sort_shots({row["shots"] for row in results.scores})
    ends = list(dict.fromkeys((shots[0], shots[-1])))
    rows = []
    for dataset in results.datasets:
        best = [_best(results, dataset, n) for n in ends]
        given = {
            (gain, row["shots"]): format_difference(row)
            for gain in QUESTIONS
            for row in _gains(results, gain)
            if row["dataset"] == dataset
        }
        rows.append([dataset, *best, *(given.get((gain, n), "") for gain in QUESTIONS for n in ends)])
    heads = ["", *(f"best at {shots_text(n)}" for n in ends), *(f"{gain} at {n}" for gain in QUESTIONS for n in ends)]
    used = [column for column, head in enumerate(heads) if column == 0 or any(row[column] for row in rows)]
    return ReportTable(
        "Summary",
        "Macro-F1, of choices accuracy, of continuous targets R², of the best method with the fewest and the most"
        " labels, and the gain of the"
        " reference method.",
        [heads[column] for column in used],
        [[row[column] for column in used] for row in rows],
    )


def _summary(results: Results) -> str:
    """Count the data sets on which the gains over both controls are significant, by number of shots."""
    sentences = []
    for gain in QUESTIONS:
        rows, counts = _gains(results, gain), []
        for n in sort_shots({row["shots"] for row in rows}):
            lows = [row["low"] for row in rows if row["shots"] == n]
            counts.append(f"{sum(low > 0 for low in lows)} of {len(lows)} at {n}")
        if counts:
            significant = f"{gain} is significant (95 % CI above 0)"
            sentences.append(f"Data sets on which the {significant}, by shots: {', '.join(counts)}.")
    return " ".join(sentences) or f"{len(results.datasets)} data sets, {len(results.specs)} methods."


def _gains(results: Results, gain: str) -> list[dict[str, Any]]:
    ours = reference(results.specs)
    of = QUESTIONS[gain]
    return [row for row in results.contrasts if ours and (row["question"], row["method"]) == (of, ours.name)]


def _best(results: Results, dataset: str, shots: str) -> str:
    rows = [row for row in results.of(dataset) if row["shots"] == shots]
    best = min(rows, key=itemgetter("rank"), default=None)
    return f"`{best['method']}` {with_interval(best)}" if best else ""

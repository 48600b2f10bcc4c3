"""The report as one page of HTML: its tables, and pictures of what the lake holds of the run."""

from collections.abc import Sequence
from typing import Any

import yaml

from flows.planning.contrasts import reference
from flows.reporting.effects import in_order, signed, worth
from flows.reporting.figures import report_figures
from flows.reporting.run_summary import Run, RunSummary
from flows.reporting.sections import SECTIONS, Results, of_dataset, with_interval
from flows.reporting.table import Table
from flows.reporting.templating import render
from vocabsem.geometry import Projection
from warehouse.home import Home

WORTH = "both over random"  # the question that `vocabulary helps` is
MARGIN = 0.02  # of macro-F1, on both sides of a leaderboard's bars


def html_page(home: Home, run: Run, every: Sequence[Results], projection: Projection) -> str:
    """The whole page, with every text of cards and data escaped."""
    summary, found = RunSummary(home, run), worth(home, run.key)
    models = [
        {
            "name": results.model,
            "summary": _verdict(results),
            "short": _short(results),
            "looks": _looks(results),
            "tables": [table for section in SECTIONS for table in section(results)],
            "parts": [_part(summary, results, dataset, found, projection) for dataset in results.datasets],
        }
        for results in every
    ]
    return render(
        "report.html",
        title=run.experiment,
        description=run.card["description"],
        origin=run.origin("--output page.html"),
        models=models,
        costs=summary.costs(),
        keys=summary.keys(),
        provenance=summary.provenance(),
        commands=f"vocabsem run card.yaml  # the card below\nvocabsem report {run.experiment} --output page.html",
        card=yaml.safe_dump(run.card, sort_keys=False, allow_unicode=True),
    )


def _part(
    summary: RunSummary, results: Results, dataset: str, found: dict[tuple[str, str], list[str]], projection: Projection
) -> dict[str, Any]:
    rows = [row for row in results.best_informed(results.specs, dataset) if row]
    return {
        "dataset": dataset,
        "worth": found.get((dataset, results.model), []),
        "low": max(0.0, min(row["macro_f1_low"] for row in rows) - MARGIN),
        "high": min(1.0, max(row["macro_f1_high"] for row in rows) + MARGIN),
        "board": sorted(rows, key=lambda row: -row["macro_f1"]),
        "tables": of_dataset(results, dataset),
        "figures": list(report_figures(summary, results, dataset, projection)),
    }


def _looks(results: Results) -> dict[str, str]:
    """{method: how its row looks}, where not like any other's."""
    ours = reference(results.specs)
    return {spec.name: "control" for spec in results.specs if spec.is_control} | ({ours.name: "ours"} if ours else {})


def _short(results: Results) -> Table:
    """A row a data set: the best with the fewest and the most labels, and what the vocabulary is worth there."""
    shots = in_order({row["shots"] for row in results.scores})
    ends = list(dict.fromkeys((shots[0], shots[-1])))
    rows = []
    for dataset in results.datasets:
        cells = [_best(results, dataset, n) for n in ends]
        helps = {row["shots"]: signed(row) for row in _helps(results) if row["dataset"] == dataset}
        rows.append([dataset, *cells, *(helps.get(n, "") for n in ends)])
    heads = ["", *(f"best at {n} shots" for n in ends), *(f"vocabulary helps at {n}" for n in ends)]
    used = [column for column, head in enumerate(heads) if column == 0 or any(row[column] for row in rows)]
    return Table(
        "In short",
        "The best method's macro-F1 with the fewest and the most labels, and what the vocabulary adds to ours there.",
        [heads[column] for column in used],
        [[row[column] for column in used] for row in rows],
    )


def _verdict(results: Results) -> str:
    """On how many data sets the vocabulary surely helps, at the fewest and the most labels."""
    helps = _helps(results)
    said = []
    for n in in_order({row["shots"] for row in helps}):
        rows = [row for row in helps if row["shots"] == n]
        said.append(f"{sum(row['low'] > 0 for row in rows)} of {len(rows)} at {n}")
    if not said:
        return f"{len(results.datasets)} data sets, {len(results.specs)} methods."
    return f"Data sets on which the vocabulary surely helps ours (95 % interval above zero): {', '.join(said)}."


def _helps(results: Results) -> list[dict[str, Any]]:
    ours = reference(results.specs)
    return [row for row in results.contrasts if ours and (row["question"], row["method"]) == (WORTH, ours.name)]


def _best(results: Results, dataset: str, shots: str) -> str:
    rows = [row for row in results.of(dataset) if row["shots"] == shots]
    best = max(rows, key=lambda row: row["macro_f1"], default=None)
    return f"`{best['method']}` {with_interval(best)}" if best else ""

"""The report as one page of HTML: its tables, and pictures of what the lake holds of the run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from flows import pictures
from flows.contrasts import reference
from flows.pages import page
from flows.report_tables import SECTIONS, Results, of_dataset
from flows.run_facts import Facts, Run
from flows.tables import Table
from flows.verdicts import in_order, signed, worth
from warehouse.home import Home

WORTH = "both over random"  # the question that `vocabulary helps` is
MARGIN = 0.02  # of macro-F1, on both sides of a leaderboard's bars


def html_page(home: Home, run: Run, every: Sequence[Results]) -> str:
    """The whole page, with every text of cards and data escaped."""
    facts, found = Facts(home, run), worth(home, run.key)
    models = [
        {
            "name": results.model,
            "summary": _verdict(results),
            "short": _short(results),
            "tables": [table for section in SECTIONS for table in section(results)],
            "parts": [_part(facts, results, dataset, found) for dataset in results.datasets],
        }
        for results in every
    ]
    return page(
        "report.html",
        title=run.experiment,
        description=run.card["description"],
        provenance=run.provenance("--output page.html"),
        models=models,
        costs=facts.costs(),
        keys=facts.keys(),
        facts=facts.summary(),
        commands=f"vocabsem run card.yaml  # the card below\nvocabsem report {run.experiment} --output page.html",
        card=yaml.safe_dump(run.card, sort_keys=False, allow_unicode=True),
    )


def _part(facts: Facts, results: Results, dataset: str, found: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    rows = [row for row in results.best_informed(results.specs, dataset) if row]
    low = max(0.0, min(row["macro_f1_low"] for row in rows) - MARGIN)
    high = min(1.0, max(row["macro_f1_high"] for row in rows) + MARGIN)
    drawn = pictures.of(facts, results, dataset)
    return {
        "dataset": dataset,
        "worth": found.get((dataset, results.model), []),
        "low": f"{low:.2f}",
        "high": f"{high:.2f}",
        "board": _board(results, rows, low, high),
        "tables": of_dataset(results, dataset),
        "figures": drawn.figures,
        "confusion": drawn.confusion,
    }


def _board(results: Results, rows: Sequence[dict[str, Any]], low: float, high: float) -> list[dict[str, Any]]:
    ours, controls = reference(results.specs), {spec.name for spec in results.specs if spec.is_control}

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.1f}"

    return [
        {
            "method": row["method"],
            "look": "ours" if ours and row["method"] == ours.name else "control" * (row["method"] in controls),
            "shots": row["shots"],
            "f1": f"{row['macro_f1']:.3f}",
            "interval": f"[{row['macro_f1_low']:.3f}, {row['macro_f1_high']:.3f}]",
            "low": at(row["macro_f1_low"]),
            "at": at(row["macro_f1"]),
            "high": at(row["macro_f1_high"]),
            "figures": [_figure(row[name]) for name in ("accuracy", "nll", "ece", "brier")] + [_seconds(row)],
        }
        for row in sorted(rows, key=lambda row: -row["macro_f1"])
    ]


def _short(results: Results) -> Table:
    """A row a data set: the best with the fewest and the most labels, and what the vocabulary is worth there."""
    shots = in_order({row["shots"] for row in results.scores})
    ends = list(dict.fromkeys((shots[0], shots[-1])))
    rows = []
    for dataset in results.datasets:
        cells = [f"{_best(results, dataset, n)}" for n in ends]
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
    rows = [row for row in results.scores if (row["dataset"], row["shots"]) == (dataset, shots)]
    if not rows:
        return ""
    best = max(rows, key=lambda row: row["macro_f1"])
    return f"`{best['method']}` {best['macro_f1']:.3f} [{best['macro_f1_low']:.3f}, {best['macro_f1_high']:.3f}]"


def _figure(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def _seconds(row: dict[str, Any]) -> str:
    return "" if row["fit_seconds"] is None else f"{row['fit_seconds']:.2f}"

"""What an experiment's scores amount to: what the vocabulary is worth at each number of shots, and average ranks."""

from itertools import groupby
from operator import itemgetter
from typing import Any

from flows.contrasts import REFERENCE
from warehouse import catalog
from warehouse.home import Home

WORTH = """
from lake.compared
where run = coalesce($run, run) and (latest or run = $run)
    and experiment = coalesce($experiment, experiment) and dataset = coalesce($dataset, dataset)
    and metric = 'macro_f1' and question like '% over %'
order by dataset, model, experiment, shots_order, not starts_with(method, $ours), method, question
"""
RANKS = "from lake.ranks where run = $run and datasets > 1 order by model, method, shots_order"
SAID = {
    "anchors over random": "vocabulary helps",
    "head over random": "head rows in their place",
    "anchors over head": "anchors over head rows",
}


def worth(
    home: Home, run: str | None = None, experiment: str | None = None, dataset: str | None = None
) -> dict[tuple[str, str], list[str]]:
    """{(data set, model): a line for each number of shots}, of one run or of the latest of each experiment.

    `vocabulary helps: +x.xx [lo, hi]` is macro-F1 with the anchors minus macro-F1 with random vectors in their place;
    then the same for head rows, and anchors minus head rows, with 95 % intervals over examples and seeds.
    """
    which = {"run": run, "experiment": experiment, "dataset": dataset, "ours": REFERENCE}
    rows = catalog.query(home, WORTH, which).to_pylist()
    lines: dict[tuple[str, str], list[str]] = {}
    for (*place, _, shots), group in groupby(rows, itemgetter("dataset", "model", "run", "shots")):
        lines.setdefault(tuple(place), []).append(f"{shots} shots, {_sentence(list(group))}")
    return lines


def _sentence(rows: list[dict[str, Any]]) -> str:
    """Of the first row's method and its variants: ours, where it is there."""
    first = rows[0]["method"]
    family = {first} | {row["reference"] for row in rows if row["method"] == first}
    found = {row["question"]: row for row in rows if {row["method"], row["reference"]} <= family}
    said = "; ".join(f"{words}: {signed(found[question])}" for question, words in SAID.items() if question in found)
    return said if first == REFERENCE else f"{first}, {said}"


def signed(row: dict[str, Any]) -> str:
    """`+0.31 [+0.28, +0.35]`"""
    return f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def ranks(home: Home, run: str) -> dict[str, dict[str, dict[str, float]]]:
    """{model: {method: {shots: average rank}}}, best first, where there is more than one data set to average over."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in catalog.query(home, RANKS, {"run": run}).to_pylist():
        table.setdefault(row["model"], {}).setdefault(row["method"], {})[row["shots"]] = row["average_rank"]
    return {model: dict(sorted(by.items(), key=lambda item: _mean(item[1]))) for model, by in table.items()}


def _mean(of_shots: dict[str, float]) -> float:
    return sum(of_shots.values()) / len(of_shots)


def in_order(shots: set[str]) -> list[str]:
    return sorted(shots, key=lambda n: (n == "all", int(n) if n != "all" else 0))

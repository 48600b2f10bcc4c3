"""Describe the champion of each data set: which fit it is, what chose it, and why it has its alias."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.tracking.outcome import CHAMPION, Registration, registered_name


def champion_lines(ranked: Iterable[Mapping[str, Any]], registered: Sequence[Registration]) -> list[str]:
    """Return a line for each data set with a registration.

    ranked: rows of `best_by_validation` of one run.
    """
    by_name = {registration.name: registration for registration in registered}
    candidates: dict[str, list[Mapping[str, Any]]] = {}
    for row in ranked:
        if row["champion_rank"] is not None:
            candidates.setdefault(row["dataset"], []).append(row)
    lines = []
    for dataset, rows in candidates.items():
        if registration := by_name.get(registered_name(dataset)):
            best = min(rows, key=lambda row: int(row["champion_rank"]))
            lines.append(_line(dataset, best, rows, registration))
    return lines


def _line(dataset: str, best: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], registration: Registration) -> str:
    fit = f"{best['method']} at {best['shots']} shots with {best['model']}"
    chosen = f"the highest macro-F1 on validation data, {best['validation_macro_f1']:.3f}, of {len(rows)} fits that"
    chosen += " are no controls"
    tied = sum(row["validation_macro_f1"] == best["validation_macro_f1"] for row in rows)
    if tied > 1:
        chosen += f"; {tied} have it, and of those the lowest NLL, {best['validation_nll']:.3f}, then the most shots"
    test = f"on test data {best['macro_f1']:.3f} [{best['macro_f1_low']:.3f}, {best['macro_f1_high']:.3f}]"
    if registration.alias == CHAMPION:
        return f"Champion of {dataset}: {fit}: {chosen}; {test}. {registration.name}@{CHAMPION}: {registration.why}."
    stays = f"{registration.name}@{CHAMPION} stays: {registration.why}"
    return f"{stays}. Best of this run on {dataset}: {fit}: {chosen}; {test}."

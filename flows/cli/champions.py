"""Describe the champion of each data set: which fit it is, what chose it, and why it has its alias."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.tracking.outcome import CHAMPION, Registration, registered_name
from vocabsem.datasets.shots import shots_text
from vocabsem.label_kinds import NAMES, headline


def champion_lines(
    ranked: Iterable[Mapping[str, Any]], registered: Sequence[Registration], wanted: bool = True
) -> list[str]:
    """Return a line for each data set with a registration, or where there was nothing to register.

    ranked: rows of `best_by_validation` of one run. wanted: whether its card has `champion: true`.
    """
    by_name = {registration.name: registration for registration in registered}
    candidates: dict[str, list[Mapping[str, Any]]] = {}
    for row in ranked:
        of_dataset = candidates.setdefault(row["dataset"], [])
        if row["champion_rank"] is not None:
            of_dataset.append(row)
    lines = []
    for dataset, rows in candidates.items():
        if not rows and wanted:
            lines.append(f"No champion of {dataset}: none of its fits can answer to new texts by itself.")
        elif registration := by_name.get(registered_name(dataset)):
            best = min(rows, key=lambda row: int(row["champion_rank"]))
            lines.append(_line(dataset, best, rows, registration))
    return lines


def _line(dataset: str, best: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], registration: Registration) -> str:
    fit = f"{best['method']} at {shots_text(best['shots'])} with {best['model']}"
    metric = headline(best)
    value = best[f"validation_{metric}"]
    chosen = f"the highest {NAMES[metric]} on validation data, {value:.3f}, of {len(rows)} fits that are no controls"
    tied = sum(row[f"validation_{metric}"] == value for row in rows)
    if tied > 1 and metric == "macro_f1":
        chosen += f"; {tied} have it, and of those the lowest NLL, {best['validation_nll']:.3f}, then the most shots"
    test = f"on test data {best[metric]:.3f} [{best[f'{metric}_low']:.3f}, {best[f'{metric}_high']:.3f}]"
    if registration.alias == CHAMPION:
        return f"Champion of {dataset}: {fit}: {chosen}; {test}. {registration.name}@{CHAMPION}: {registration.why}."
    stays = f"{registration.name}@{CHAMPION} stays: {registration.why}"
    return f"{stays}. Best of this run on {dataset}: {fit}: {chosen}; {test}."

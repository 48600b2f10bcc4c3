"""What the latest runs left out of their leaderboards and why, and the layers that layers: auto took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.reporting.data_notes import Notes, chosen_notes, left_out_notes
from tasks.steps.facts import ChosenLayer, RunFacts, facts_of
from tasks.views.recorded_run import latest_records
from warehouse.catalog import reads
from warehouse.catalog.export import plain_value
from warehouse.home import Home


@dataclass(frozen=True)
class BoardNotes:
    """Of the latest run of one experiment."""

    left_out: Sequence[tuple[str, str, str]] = ()
    """Model, data set or experiment, method, and reason of what was not run."""
    chosen: Sequence[ChosenLayer] = ()
    """Of each model and data set, where the card has layers: auto."""

    def sentences(self) -> Notes:
        """Return what they are about, and a sentence."""
        return left_out_notes(self.left_out) + chosen_notes(self.chosen)


def board_notes(home: Home, dataset: str | None = None) -> dict[str, BoardNotes]:
    """Return the notes by experiment. dataset: those that are of another data set alone are not wanted."""
    others = {name for _, name in reads.leaderboard_datasets(home)} - {dataset} if dataset else set()
    notes = {}
    for record in latest_records(home):
        facts = facts_of(record, RunFacts)
        left_out = [each for each in facts.left_out if each[0] not in others]
        notes[facts.experiment] = BoardNotes(left_out, [one for one in facts.chosen if one.dataset not in others])
    return notes


def board_page(rows: Sequence[dict[str, Any]], notes: dict[str, BoardNotes]) -> dict[str, Any]:
    """Return rows of the leaderboard with the notes on their experiments, as plain values."""
    shown = dict.fromkeys(row["experiment"] for row in rows)
    by_experiment = [(name, notes[name]) for name in shown if name in notes]
    return {
        "scores": plain_value(list(rows)),
        "left_out": [
            {"experiment": name, "what": what, "method": method, "reason": reason}
            for name, each in by_experiment
            for what, method, reason in each.left_out
        ],
        "layers": [{"experiment": name} | one.model_dump() for name, each in by_experiment for one in each.chosen],
    }

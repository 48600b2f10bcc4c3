"""The results of one model in a run, which the sections of a report are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.planning.experiment import MethodSpec

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """The results of one model in a run: the card's methods in order, and rows of the catalog."""

    model: str
    specs: list[MethodSpec]
    scores: list[Row]
    contrasts: list[Row]
    ranks: list[Row]
    sensitivity: list[Row]
    wins: list[Row]
    costs: list[Row]
    studies: list[Row]
    word_gaps: list[Row] = field(default_factory=list)

    @property
    def datasets(self) -> list[str]:
        """Names of the scored data sets."""
        return sorted({row["dataset"] for row in self.scores})

    def best_informed(self, specs: Sequence[MethodSpec], dataset: str) -> list[Row | None]:
        """Return the scores of each method at its highest number of labeled examples."""
        scores = {row["method"]: row for row in sorted(self.of(dataset), key=lambda row: row["shots_order"])}
        return [scores.get(spec.name) for spec in specs]

    def of(self, dataset: str) -> list[Row]:
        """Return the scores on one data set."""
        return [row for row in self.scores if row["dataset"] == dataset]

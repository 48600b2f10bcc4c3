"""What is known of a run besides its scores: its fits, what each step cost, the keys and versions behind it."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from flows.reporting.table import Table
from tasks.steps.specs import SPLITS
from warehouse.catalog import reads
from warehouse.home import Home

WHAT = {
    "examples": "texts read, split and capped",
    "anchors": "the head solved for the anchor of every token",
    "states": "prompts through the model",
    "predictions": "methods fitted; seconds are those of the fits",
    "calibrators": "weights of the fitted methods",
    "metrics": "scores and their intervals",
    "comparisons": "methods against each other",
}


@dataclass(frozen=True)
class Run:
    key: str
    experiment: str
    started: datetime
    seconds: float
    machine: str
    git_commit: str | None
    mlflow_run_id: str | None
    card: dict[str, Any]

    def origin(self, form: str) -> str:
        commit = f", commit {self.git_commit[:10]}" if self.git_commit else ""
        seeds = len(self.card["seeds"])
        means = f"means over {seeds} seeds where the seed matters" if seeds > 1 else "one seed"
        limits = self.card["limits"]
        caps = [f"{limits[split]:,} for {split}" for split in SPLITS if limits[split]]
        rows = f" At most so many rows of a data set: {', '.join(caps)}." if caps else ""
        return (
            f"Written by `vocabsem report {self.experiment} {form}` from run {self.key[:12]} of"
            f" {self.started:%Y-%m-%d}{commit}. Test data; {means};"
            f" 95 % intervals by bootstrap over examples and seeds. The best is in bold.{rows}"
        )


@dataclass(frozen=True)
class RunSummary:
    """Fits, costs and provenance of one run, from the catalog."""

    home: Home
    run: Run

    @cached_property
    def fits(self) -> list[dict[str, Any]]:
        """A row a fit, the best macro-F1 on validation data first, on test data where there is none."""
        return reads.run_fits(self.home, self.run.key)

    def fits_of(self, model: str, dataset: str) -> list[dict[str, Any]]:
        return [fit for fit in self.fits if (fit["model"], fit["dataset"]) == (model, dataset)]

    def costs(self) -> Table:
        heads = ["step", "what", "partitions", "rows", "tokens", "shortened", "MB", "seconds"]
        forms = dict.fromkeys(heads[2:6], "{:,}") | {"megabytes": "{:,.1f}", "seconds": "{:,.1f}"}
        found, rows = {row["kind"]: row for row in reads.run_costs(self.home, self.run.key)}, []
        for kind, what in WHAT.items():
            if of_kind := found.get(kind):
                figures = [(of_kind[name], form) for name, form in forms.items()]
                rows.append([kind, what, *("" if value is None else form.format(value) for value, form in figures)])
        note = (
            f"All that the run goes back to, also what an earlier run had computed. This run took"
            f" {self.run.seconds:,.0f} s on {self.run.machine}; a step without seconds is not timed on its own."
        )
        return Table("Costs by step", note, heads, rows)

    def keys(self) -> Table:
        rows = [
            [row["kind"], row["what"], f"`{row['key']}`", f"{row['created']:%Y-%m-%d}"]
            for row in self._used
            if row["kind"] in ("examples", "anchors", "states")
        ]
        note = "A key is the SHA-256 of all that determines the content. The table `lineage` has those of every fit."
        return Table("Keys", note, ["kind", "of", "key", "made"], rows)

    def provenance(self) -> dict[str, str]:
        """Names and values: run, machine, models and data sets with their sources and hashes, versions."""
        run, facts = self.run, {"run": self.run.key, "MLflow run": self.run.mlflow_run_id or "none"}
        facts["started"] = f"{run.started:%Y-%m-%d %H:%M} UTC on {run.machine}"
        facts["commit"] = run.git_commit or "not recorded"
        for row in self._used:
            known = row["facts"]
            if row["kind"] == "anchors":
                source = known.get("card", {}).get("source", "")
                facts[f"model {row['what']}"] = f"{source}, digest {row['payload'].get('model', '')}"
            if row["kind"] == "examples":
                hashes = row["payload"].get("hashes", {})
                sources = ", ".join(f"{s}: {source}" for s, source in known.get("sources", {}).items())
                facts[f"data set {row['what']}"] = f"{sources}; sha256 {', '.join(hashes.values())}"
            if row["kind"] == "runs":
                facts["versions"] = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        return facts

    @cached_property
    def _used(self) -> list[dict[str, Any]]:
        """The partitions that the run goes back to, and its own."""
        rows = reads.run_partitions(self.home, self.run.key)
        return [row | {name: json.loads(row[name]) for name in ("facts", "payload", "versions")} for row in rows]

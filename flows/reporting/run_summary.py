"""Summarize a run besides its scores: its fits, the cost of each step, its keys and versions."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from flows.reporting.data_notes import data_notes
from flows.reporting.table import ReportTable
from tasks.steps.facts import AnchorsFacts, ExamplesFacts, facts_of
from tasks.steps.result_specs import RunSpec
from tasks.steps.specs import SPLITS, AnchorsSpec, ExamplesSpec
from tasks.views.recorded_run import RecordedPartition, RecordedRun
from vocabsem.evaluation.protocol import card_summary
from warehouse.catalog import reads
from warehouse.home import Home

DESCRIPTIONS = {
    "examples": "texts read, split and limited",
    "anchors": "anchors of all tokens, solved from the head",
    "demonstrations": "examples chosen for prompts",
    "states": "prompts encoded by the model",
    "word_scores": "prompts whose label words were scored whole",
    "predictions": "methods fitted; seconds are of the fits",
    "calibrators": "weights of the fitted methods",
    "metrics": "scores with their intervals",
    "comparisons": "paired comparisons of methods",
}


@dataclass(frozen=True)
class Run:
    """The record of a run."""

    key: str
    experiment: str
    started: datetime
    seconds: float
    machine: str
    git_commit: str | None
    mlflow_run_id: str | None
    card: dict[str, Any]

    def origin(self, form: str) -> str:
        """Return the command that wrote the report, and what its numbers are."""
        commit = f", commit {self.git_commit[:10]}" if self.git_commit else ""
        seeds = len(self.card["seeds"])
        means = f"means over {seeds} seeds where the seed matters" if seeds > 1 else "one seed"
        limits = self.card["limits"]
        caps = [f"{limits[split]:,} for {split}" for split in SPLITS if limits[split]]
        rows = f" Row limits of a data set: {', '.join(caps)}." if caps else ""
        return (
            f"Written by `vocabsem report {self.experiment} {form}` from run {self.key[:12]} of"
            f" {self.started:%Y-%m-%d}{commit}. Test data; {means}; macro-F1"
            " over the classes that occur in labels or predictions; 95 % intervals by bootstrap over examples, class by"
            f" class, and over seeds. The best is in bold.{rows} By {card_summary(self.card)} (docs/protocol.md)."
        )


@dataclass(frozen=True)
class RunSummary:
    """Fits, costs and provenance of one run, from the catalog."""

    home: Home
    run: Run

    @cached_property
    def fits(self) -> list[dict[str, Any]]:
        """Return one row a fit: in each model and data set best on validation data first, controls last."""
        return reads.run_fits(self.home, self.run.key)

    def fits_of(self, model: str, dataset: str) -> list[dict[str, Any]]:
        """Return the fits of one model on one data set."""
        return [fit for fit in self.fits if (fit["model"], fit["dataset"]) == (model, dataset)]

    def costs(self) -> ReportTable:
        """Tabulate rows, bytes and seconds by kind of step."""
        heads = ["step", "what", "partitions", "rows", "tokens", "truncated", "MB", "seconds"]
        forms = dict.fromkeys(("partitions", "rows", "tokens", "truncated"), "{:,}")
        forms |= {"megabytes": "{:,.1f}", "seconds": "{:,.1f}"}
        costs, rows = {row["kind"]: row for row in reads.run_costs(self.home, self.run.key)}, []
        for kind, description in DESCRIPTIONS.items():
            if cost := costs.get(kind):
                cells = ["" if cost[name] is None else form.format(cost[name]) for name, form in forms.items()]
                rows.append([kind, description, *cells])
        note = (
            f"Everything the run is computed from, including partitions of earlier runs. This run took"
            f" {self.run.seconds:,.0f} s on {self.run.machine}; a step without seconds is not timed separately."
        )
        return ReportTable("Costs by step", note, heads, rows)

    def data_notes(self) -> list[str]:
        """Return what was changed in the data: rows left out, texts with several labels, texts cut."""
        return [f"{what}: {note}" for what, note in data_notes(self._used)]

    def keys(self) -> ReportTable:
        """Tabulate the keys of examples, anchors, states and word scores."""
        rows = [
            [row.kind, row.what, f"`{row.key}`", f"{row.created:%Y-%m-%d}"]
            for row in self._used
            if row.kind in ("examples", "anchors", "states", "word_scores")
        ]
        note = "A key is the SHA-256 of everything that determines the content. The table `lineage` has all keys."
        return ReportTable("Keys", note, ["kind", "of", "key", "made"], rows)

    def provenance(self) -> dict[str, str]:
        """Return names and values: run, machine, models and data sets with their sources and hashes, versions."""
        run, facts = self.run, {"run": self.run.key, "MLflow run": self.run.mlflow_run_id or "none"}
        facts["started"] = f"{run.started:%Y-%m-%d %H:%M} UTC on {run.machine}"
        facts["commit"] = run.git_commit or "not recorded"
        for row in self._used:
            if row.kind == AnchorsSpec.kind:
                source, digest = facts_of(row, AnchorsFacts).card["source"], AnchorsSpec.parse(row.payload).digest
                facts[f"model {row.what}"] = f"{source}, digest {digest}"
            if row.kind == ExamplesSpec.kind:
                hashes = ", ".join(ExamplesSpec.parse(row.payload).hashes.values())
                sources = ", ".join(f"{s}: {source}" for s, source in facts_of(row, ExamplesFacts).sources.items())
                facts[f"data set {row.what}"] = f"{sources}; sha256 {hashes}"
            if row.kind == RunSpec.kind:
                facts["versions"] = ", ".join(f"{name} {version}" for name, version in row.versions.items())
        return facts

    @cached_property
    def _used(self) -> list[RecordedPartition]:
        """Return the partitions that the run is computed from, and its own."""
        return list(RecordedRun(self.home, self.run.key).partitions.values())

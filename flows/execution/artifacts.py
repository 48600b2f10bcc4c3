"""A run in the Prefect UI: the leaderboard as a table, a page with the best of each set and its curves, data checks."""

from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.planning.plan import Plan
from flows.reporting.effects import worth
from flows.reporting.label_efficiency import label_efficiency
from flows.reporting.svg import data_uri
from flows.reporting.table import pipes
from tasks.tracking.runs import page_file
from warehouse.catalog import reads
from warehouse.errors import CheckFailed
from warehouse.lake.manifest import Check

COLUMNS = ("dataset", "model", "method", "shots", "macro_f1", "macro_f1_low", "macro_f1_high")
COLUMNS += ("accuracy", "nll", "ece", "brier")
BEST = 5  # rows a data set on the page


def show(plan: Plan) -> None:
    """Create both artifacts of the present flow run, from the warehouse."""
    rows = [{name: row[name] for name in COLUMNS} for row in reads.run_scores(plan.home, plan.run.key)]
    rounded = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    name = _key(plan)
    create_table_artifact(rounded, key=f"leaderboard-{name}", description=f"Test data of {plan.experiment.name}")
    create_markdown_artifact(_page(plan, rounded), key=f"summary-{name}", description="The best of each data set")


def _key(plan: Plan) -> str:
    return plan.experiment.name.replace("_", "-")


def show_checks(plan: Plan, refused: CheckFailed | None = None) -> None:
    """Create the table of the data's checks: one row a statement and kind of step, what failed with its place first."""
    found: dict[tuple[str, str], list[tuple[Check, str]]] = {}
    for step in plan.steps():
        partition = step.partition(plan.lake)
        manifest = partition.manifest()
        for check in manifest.checks if manifest else []:
            found.setdefault((step.kind, check["name"]), []).append((check, str(partition)))
    rows = [_checked(kind, name, each) for (kind, name), each in found.items()]
    rows.sort(key=lambda row: row["passed"] == row["partitions"])
    if refused:
        told = Check(name="", passed=False, detail=str(refused))
        rows.insert(0, _checked("refused", "not published", [(told, "")]))
    create_table_artifact(rows, key=f"checks-{_key(plan)}", description=f"Data checks of {plan.experiment.name}")


def _checked(kind: str, name: str, each: list[tuple[Check, str]]) -> dict[str, Any]:
    failed = [(check, partition) for check, partition in each if not check["passed"]]
    told, partition = (failed or each)[0]
    return {
        "step": kind,
        "check": name,
        "severity": told.get("severity", "fail"),
        "partitions": len(each),
        "passed": len(each) - len(failed),
        "found": told["detail"],
        "where": partition,
    }


def _page(plan: Plan, rows: list[dict[str, Any]]) -> str:
    lines = [f"# {plan.experiment.name}", "", plan.experiment.description, "", *_report(plan)]
    found = worth(plan.home, plan.run.key)
    for pair in plan.pairs:
        model, dataset = pair.model.name, pair.dataset.name
        mine = [row for row in rows if (row["model"], row["dataset"]) == (model, dataset)]
        best = []
        for row in mine[:BEST]:
            interval = f"{row['macro_f1_low']:.3f} to {row['macro_f1_high']:.3f}"
            best.append([row["method"], row["shots"], f"{row['macro_f1']:.3f}", interval, f"{row['accuracy']:.3f}"])
        lines += [f"## {dataset}, {model}", "", *pipes(["method", "shots", "macro-F1", "95 %", "accuracy"], best)]
        lines += ["", *(f"- {line}" for line in found.get((dataset, model), []))]
        picture = data_uri(label_efficiency(dataset, mine).picture(f"{dataset}, {model}"))
        lines += ["", f"![macro-F1 by labeled examples per class]({picture})", ""]
    return "\n".join(lines)


def _report(plan: Plan) -> list[str]:
    """Where the whole report is, if the run left one."""
    manifest = plan.run.partition(plan.lake).manifest()
    assert manifest is not None
    page = page_file(plan.home, plan.experiment.name, manifest.facts["mlflow_run_id"])
    said = f"The whole report: [{page.name}]({page.as_uri()}), in MLflow an artifact of the run."
    return [said, ""] if page.exists() else []

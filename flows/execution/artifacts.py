"""Show a run in the Prefect UI: the leaderboard, a summary with the best methods and their curves, data checks."""

from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.planning.plan import Plan
from flows.reporting.effects import gains
from flows.reporting.label_efficiency import label_efficiency
from flows.reporting.svg import data_uri
from tasks.tracking.markdown import cells, escape, inline_markdown, pipes
from tasks.tracking.outcome import finished_run
from tasks.tracking.runs import page_file
from vocabsem.label_kinds import HEADLINES, headline
from warehouse.catalog import reads
from warehouse.errors import CheckFailed
from warehouse.lake.manifest import Check

COLUMNS = (
    *("dataset", "model", "method", "shots", "macro_f1", "macro_f1_low", "macro_f1_high"),
    *("accuracy", "nll", "ece", "brier"),
)
ARTIFACTS = ("summary", "leaderboard", "checks")
BEST = 5  # rows a data set in the summary


def create_artifacts(plan: Plan) -> None:
    """Create the leaderboard and the summary of the current flow run, from the catalog, and log where they are."""
    scores = reads.run_scores(plan.home, plan.run.key)
    rows = [{name: row[name] for name in COLUMNS} for row in scores]
    rounded = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    described = f"Test data of {plan.experiment.name}. {_links(plan, 'summary', 'checks')}"
    create_table_artifact(cells(rounded), key=_key(plan, "leaderboard"), description=described)
    described = f"The best methods of each data set. {_links(plan, 'leaderboard', 'checks')}"
    create_markdown_artifact(_summary(plan, scores), key=_key(plan, "summary"), description=described)
    for kind in ARTIFACTS:
        get_run_logger().info(f"{kind}: {_page(plan, kind)}")


def _key(plan: Plan, kind: str) -> str:
    return f"{kind}-{plan.experiment.name.replace('_', '-')}"


def _page(plan: Plan, kind: str) -> str:
    """Return the path of an artifact on Prefect's pages, its latest version and those before."""
    return f"/artifacts/key/{_key(plan, kind)}"


def _links(plan: Plan, *kinds: str) -> str:
    return "See also: " + ", ".join(f"[{kind}]({_page(plan, kind)})" for kind in kinds)


def show_checks(plan: Plan, refused: CheckFailed | None = None) -> None:
    """Show the data checks as a table: one row a check and kind of step, failed ones first with their partition."""
    checks: dict[tuple[str, str], list[tuple[Check, str]]] = {}
    for step in plan.steps():
        partition = step.partition(plan.lake)
        manifest = partition.manifest()
        for check in manifest.checks if manifest else []:
            checks.setdefault((step.kind, check["name"]), []).append((check, str(partition)))
    rows = [_checked(kind, name, each) for (kind, name), each in checks.items()]
    rows.sort(key=lambda row: row["passed"] == row["partitions"])
    if refused:
        failed = Check(name="", passed=False, detail=str(refused))
        rows.insert(0, _checked("refused", "not published", [(failed, "")]))
    described = f"Data checks of {plan.experiment.name}. {_links(plan, 'summary', 'leaderboard')}"
    create_table_artifact(cells(rows), key=_key(plan, "checks"), description=described)


def _checked(kind: str, name: str, each: list[tuple[Check, str]]) -> dict[str, Any]:
    failed = [(check, partition) for check, partition in each if not check["passed"]]
    check, partition = (failed or each)[0]
    return {
        "step": kind,
        "check": name,
        "severity": check.get("severity", "fail"),
        "partitions": len(each),
        "passed": len(each) - len(failed),
        "detail": check["detail"],
        "partition": partition,
    }


def _summary(plan: Plan, rows: list[dict[str, Any]]) -> str:
    lines = [f"# {plan.experiment.name}", "", escape(plan.experiment.description), "", *_report(plan)]
    lines_of = gains(plan.home, plan.run.key)
    for pair in plan.pairs:
        model, dataset = pair.model.name, pair.dataset.name
        scores = [row for row in rows if (row["model"], row["dataset"]) == (model, dataset)]
        metric = headline(scores[0]) if scores else "macro_f1"
        best = [
            [
                *(row["method"], row["shots"], f"{row[metric]:.3f}"),
                f"{row[f'{metric}_low']:.3f} to {row[f'{metric}_high']:.3f}",
            ]
            for row in scores[:BEST]
        ]
        lines += [f"## {dataset}, {model}", "", *pipes(["method", "shots", HEADLINES[metric], "95 %"], best)]
        lines += ["", *(f"- {inline_markdown(line)}" for line in lines_of.get((dataset, model), []))]
        picture = data_uri(label_efficiency(dataset, scores).picture(f"{dataset}, {model}"))
        lines += ["", f"![{HEADLINES[metric]} by labeled examples per class]({picture})", ""]
    return "\n".join(lines)


def _report(plan: Plan) -> list[str]:
    """Link the report, if the run wrote one."""
    run_id = finished_run(plan.home, plan.run.key)
    page = page_file(plan.home, plan.experiment.name, run_id) if run_id else None
    if page is None or not page.exists():
        return []
    return [f"Full report: [{page.name}]({page.as_uri()}), also an artifact of the MLflow run.", ""]

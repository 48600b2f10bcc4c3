"""Print a plan: what is published, what would be computed, and what that costs."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from flows.cli.console import console, print_grid
from flows.execution.activity import activity
from flows.execution.terminal import error_console
from flows.planning.changes import changes
from flows.planning.cost import Lengths, estimate
from flows.planning.memory import GB
from flows.planning.plan import Plan
from flows.planning.variants import card_of
from flows.reporting.data_notes import plan_notes
from tasks.views.calibration import Calibration
from vocabsem.evaluation.protocol import card_deviations, protocol_of, summary
from vocabsem.runtime.devices import available_memory

KINDS = (
    *("examples", "anchors", "demonstrations", "states", "word_scores"),
    *("predictions", "metrics", "comparisons", "runs"),
)


def show_plan(plan: Plan, lengths: Lengths | None = None, unread: Sequence[str] = (), *, as_json: bool) -> None:
    """Print the partitions of each step, why some are recomputed, and the cost of those to compute.

    lengths: of what was read for the plan. unread: data sets that could not be read, with the reason.
    """
    with activity("estimating what is missing"):
        cost = estimate(plan, Calibration(plan.home), lengths)
    counts, anew, notes = _counts(plan), changes(plan), plan_notes(plan)
    card = plan.experiment.model_dump(mode="json")
    version, deviations = protocol_of(card), card_deviations(card)
    if as_json:
        page = {"steps": counts, "anew": [asdict(change) for change in anew], "to_fetch": plan.unfetched, "cost": cost}
        page["data"] = [f"{what}: {note}" for what, note in notes]
        page["unread"] = list(unread)
        page["protocol"] = {"version": version, "deviations": [each._asdict() for each in deviations]}
        print(json.dumps(page, indent=1))  # noqa: T201
        return
    out = console()
    rows = [[kind, *map(str, count.values())] for kind, count in counts.items()]
    print_grid(out, f"plan of {plan.experiment.name}", ("step",), ("partitions", "published", "to compute"), rows)
    out.print(summary(deviations, version), soft_wrap=True)
    for change in anew:
        out.print(f"computed anew: {change.partitions} {change.kind}: {change.reason}")
    for source in plan.unfetched:
        out.print(f"to fetch first, its steps are unknown until then: {source}")
    out.print(
        f"to extract: {cost['prompts']:,} prompts, {cost['tokens']:,} tokens, {cost['bytes'] / 1e6:,.0f} MB,"
        f" about {cost['seconds']:,.0f} s ({cost['basis']})"
    )
    if cost["fits"]:
        out.print(f"to fit: {cost['fits']} times a method, about {cost['fit_seconds']:,.0f} s ({cost['fit_basis']})")
    if cost["record_seconds"]:
        out.print(f"to score, compare and record: about {cost['record_seconds']:,.0f} s")
    if cost["total_seconds"]:
        out.print(f"in all about {_duration(cost['total_seconds'])}, downloads aside")
    if cost["unknown"]:
        out.print(f"not in these times, because not known: {', '.join(cost['unknown'])}", soft_wrap=True)
    if cost["memory"]:
        out.print(f"to fit: up to {cost['memory'] / GB:,.1f} GB of memory, {available_memory() / GB:,.1f} GB available")
    for what, note in notes:
        out.print(f"{what}: {note}", soft_wrap=True, markup=False)
    for reason in unread:
        out.print(f"cannot be read: {reason}", soft_wrap=True)
    if cost["unread"]:
        out.print(f"not counted, because never read: {', '.join(cost['unread'])}")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def print_start(plan: Plan) -> None:
    """Print on standard error how much there is to compute, and of which card the experiment is a variant."""
    out = error_console()
    if card := card_of(plan.experiment.name):
        champion = "" if plan.experiment.champion else " and registers no champion"
        out.print(
            f"{plan.experiment.name}: a variant of {card}, recorded apart{champion}; --name gives it another name"
        )
    if plan.done:
        out.print(f"{plan.experiment.name}: everything is published, nothing to do")
        return
    missing = {kind: count["missing"] for kind, count in _counts(plan).items() if count["missing"]}
    steps = ", ".join(f"{n} {kind}" for kind, n in missing.items())
    out.print(f"{plan.experiment.name}: to compute: {steps or 'known after fetching'}; home: {plan.home}")


def _counts(plan: Plan) -> dict[str, dict[str, int]]:
    total = Counter(step.kind for step in plan.steps())
    missing = Counter(step.kind for step in plan.missing())
    return {
        kind: {"all": total[kind], "published": total[kind] - missing[kind], "missing": missing[kind]} for kind in KINDS
    }

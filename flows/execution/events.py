"""The event of a champion that changed, on which automations act."""

from typing import Any

from prefect.events import emit_event

from flows.planning.plan import Plan
from warehouse.lake.partition import Lake

CHAMPION_CHANGED = "vocabsem.champion.changed"


def emit_champion_events(plan: Plan) -> None:
    """Emit an event for each champion of the plan's run that differs from that of the last run before it."""
    for champion in changed_champions(plan):
        name = champion["model"].partition("@")[0]
        resource = {"prefect.resource.id": f"vocabsem.champion.{name}", "prefect.resource.name": name}
        emit_event(CHAMPION_CHANGED, resource, payload=champion | {"experiment": plan.experiment.name})


def changed_champions(plan: Plan) -> list[dict[str, Any]]:
    """List model, version, method, shots, key, and `before`, the key of the former champion's predictions or None."""
    runs = sorted(Lake(plan.home).manifests("runs"), key=lambda run: run.created)
    own = next(index for index, run in enumerate(runs) if run.key == plan.run.key)
    before = {c["model"]: c["key"] for run in runs[:own] for c in run.facts.get("champions", [])}
    fits = {fit.predictions.key: fit for pair in plan.pairs for fit in pair.fits}
    return [
        {
            "model": champion["model"],
            "version": champion["version"],
            "method": fits[champion["key"]].name,
            "shots": fits[champion["key"]].shots,
            "key": champion["key"],
            "before": before.get(champion["model"]),
        }
        for champion in runs[own].facts.get("champions", [])
        if champion["key"] in fits and champion["key"] != before.get(champion["model"])
    ]

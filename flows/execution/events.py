"""The event of a champion that changed, on which automations act."""

from collections.abc import Sequence
from uuid import NAMESPACE_OID, uuid5

from prefect.events import emit_event
from prefect.events.worker import EventsWorker

from tasks.tracking.outcome import CHAMPION, Registration

CHAMPION_CHANGED = "vocabsem.champion.changed"


def emit_champion_events(experiment: str, run: str, registered: Sequence[Registration]) -> None:
    """Emit an event for each new champion that a run registered: one that another version was, or none, before.

    The events of the run of one key have the same ids at every try. They are sent when this returns.
    """
    for model in registered:
        if model.alias == CHAMPION and model.predictions != model.before:
            resource = {"prefect.resource.id": f"vocabsem.champion.{model.name}", "prefect.resource.name": model.name}
            payload = {"model": model.model, "experiment": experiment, "key": model.predictions}
            payload |= {name: getattr(model, name) for name in ("version", "method", "shots", "before")}
            emit_event(CHAMPION_CHANGED, resource, payload=payload, id=uuid5(NAMESPACE_OID, f"{run} {model.name}"))
    EventsWorker.drain_all()

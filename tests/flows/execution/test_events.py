"""Which champions an event is emitted for: those that another version was, or none, before."""

import pytest

from flows.execution import events
from flows.execution.events import CHAMPION_CHANGED, emit_champion_events
from tasks.tracking.outcome import Registration


@pytest.fixture
def emitted(monkeypatch):
    """The events that are emitted, as (name, resource, payload, id)."""
    calls = []

    def emit(event, resource, payload, id):
        calls.append((event, resource, payload, id))

    monkeypatch.setattr(events, "emit_event", emit)
    return calls


def champion(alias="champion", before=None, name="vocabsem-made"):
    return Registration(name, "2", alias, "ridge", "4", "a" * 64, "better", before)


def test_a_new_champion_is_reported_with_the_one_before(emitted):
    emit_champion_events("tiny", "r" * 64, [champion(), champion(before="b" * 64, name="vocabsem-other")])
    (event, resource, payload, _), (_, _, other, _) = emitted
    assert event == CHAMPION_CHANGED
    assert resource == {
        "prefect.resource.id": "vocabsem.champion.vocabsem-made",
        "prefect.resource.name": "vocabsem-made",
    }
    assert payload == {
        "model": "vocabsem-made@champion",
        "experiment": "tiny",
        "version": "2",
        "method": "ridge",
        "shots": "4",
        "key": "a" * 64,
        "before": None,
    }
    assert (other["model"], other["before"]) == ("vocabsem-other@champion", "b" * 64)


def test_the_same_champion_and_a_mere_challenger_are_no_change(emitted):
    emit_champion_events("tiny", "r" * 64, [champion(before="a" * 64), champion("challenger"), champion(None)])
    assert emitted == []


def test_the_events_of_one_run_have_the_same_ids_at_every_try(emitted):
    for run in ("r" * 64, "r" * 64, "s" * 64):
        emit_champion_events("tiny", run, [champion(), champion(name="vocabsem-other")])
    ids = [event[-1] for event in emitted]
    assert ids[:2] == ids[2:4]
    assert len(set(ids)) == 4

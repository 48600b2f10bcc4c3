"""Why published work would be computed anew."""

import pytest

from flows.planning.changes import Change, changes
from tests.tasks.worlds import World, compute


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One method at one number of shots, computed but for its run."""
    world = World(tmp_path_factory.mktemp("changes"), experiment={"methods": ["linear_probe"], "shots": [2]})
    compute(world.plan())
    return world


def test_what_is_published_has_no_reason(world):
    assert changes(world.plan()) == []


def test_what_was_never_computed_has_no_reason(world):
    assert changes(world.plan(methods=["centroid"])) == []


def test_a_setting_is_named_with_both_values_and_what_reads_it_follows(world):
    result = changes(world.plan(max_tokens=9))
    states = [change for change in result if change.kind == "states"]
    before = world.plan().pairs[0].states["test"].spec.max_tokens
    assert states == [Change("states", f"max_tokens {before} → 9", 3)]
    assert Change("predictions", "other states", 1) in result
    assert Change("metrics", "other predictions", 1) in result
    assert {change.kind for change in result} == {"states", "predictions", "metrics"}


def test_a_step_of_another_version(world, monkeypatch):
    from tasks.steps.specs import FitSpec

    version = FitSpec.version
    monkeypatch.setattr(FitSpec, "version", version + 1)
    assert Change("predictions", f"step version {version} → {version + 1}", 1) in changes(world.plan())


def test_other_bytes_of_a_source(world):
    path = world.folder / "train.jsonl"
    text = path.read_text()
    try:
        path.write_text(text + text.splitlines()[0] + "\n")
        assert Change("examples", "other bytes of the source of train", 1) in changes(world.plan())
    finally:
        path.write_text(text)

"""Anchors by blocks in a flow: the same bytes on every kind of workers, and what a killed run has finished is kept."""

import pytest
from prefect import flow

from flows.execution import solving
from flows.execution.solving import solve_model
from flows.execution.workers import EXTRAS, started
from flows.planning.memory import block_bytes, solving_bytes
from tasks.head_sums import sum_head_rows
from tasks.steps.decorator import step_task
from tasks.steps.shards import shard_name, shards
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from tests.tasks.worlds import World, model, snapshot
from vocabsem.cards.loader import load_card
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium
STEP = Step(AnchorsSpec(model=model().name, digest="0" * 64, gauge="centered"))
SUMMED, SOLVED = 100, 70


class Killed(Exception):
    """In place of a signal."""


@pytest.fixture
def solve(recorded, monkeypatch):
    """Solves the anchors of the tiny model, whose head is a large one; returns the files of the partition."""
    for name, value in {"WHOLE_HEAD": 0, "SUM_ROWS": SUMMED, "ANCHOR_ROWS": SOLVED}.items():
        monkeypatch.setattr(solving, name, value)

    @flow
    def work(world, runner):
        with started(world.plan(runner=runner)):
            solve_model(world.home, model(), STEP, "cpu")

    def run(world, runner="local"):
        with recorded(world.home):
            work(world, runner)
        return [(each.name, each.sha256) for each in STEP.partition(Lake(world.home)).manifest().files]

    return run


def world_in(folder):
    folder.mkdir()
    return World(folder)


@pytest.fixture
def local(solve, tmp_path):
    return solve(world_in(tmp_path / "local"))


def test_the_files_are_parts_of_equal_size(local):
    assert [name for name, _ in local] == [shard_name(*span) for span in shards(324, SOLVED)]


@pytest.mark.parametrize("runner", ["process:2", *(pytest.param(f"{e}:2", marks=pytest.mark.slow) for e in EXTRAS)])
def test_workers_solve_the_same_bytes(solve, local, tmp_path, runner):
    if package := EXTRAS.get(runner.removesuffix(":2")):
        pytest.importorskip(package, reason="is in an extra")
    assert solve(world_in(tmp_path / "workers"), runner) == local


def test_a_run_goes_on_with_the_blocks_that_are_done(solve, local, tmp_path, monkeypatch, capsys):
    """Killed among the sums, and then among the anchors."""
    world, spans = world_in(tmp_path / "killed"), shards(324, SUMMED)
    folder, of = STEP.partition(Lake(world.home)).path, (world.home, model(), STEP)
    for what, some in (("total", spans), ("gram", spans[2:3])):
        for span in some:
            sum_head_rows.fn(*of, what, span, spans, "cpu")
    sums = snapshot(folder)

    @step_task(task_run_name="killed")
    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(solving, "publish_anchor_blocks", killed)
        with pytest.raises(Killed):
            solve(world)
    there = snapshot(folder)
    assert sums.items() <= there.items(), "no sum is computed again"
    (folder / shard_name(70, 140)).unlink()
    capsys.readouterr()
    assert solve(world) == local
    after = snapshot(folder)
    kept = {path: stamp for path, stamp in there.items() if path.suffix == ".parquet" and "-00000140." not in path.name}
    assert kept
    assert kept.items() <= after.items(), "no other part is solved again"
    shown = capsys.readouterr().err
    assert "anchors of tiny-llama: 324 of 324" in shown
    assert "products of the head" not in shown


def test_a_small_head_is_solved_whole(solve, tmp_path, monkeypatch):
    monkeypatch.setattr(solving, "WHOLE_HEAD", 384 * 32)
    assert [name for name, _ in solve(world_in(tmp_path / "small"))] == [shard_name(0, 324)]


def test_what_a_task_of_blocks_claims_is_far_below_the_head():
    card = load_card("models", "llama-3-8b")
    assert block_bytes(card) < 2**31 < solving_bytes(card) / 10

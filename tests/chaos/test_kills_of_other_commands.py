"""SIGKILL before and after what other commands and methods publish: the same command ends as if it had not been."""

from functools import partial

import pytest

from tests.chaos.points import PARTITION, die
from tests.flows.command import command
from tests.flows.test_study import card as study_card
from tests.flows.test_study_tokens import card as tokens_card
from tests.tasks.worlds import World, replace_home, server, with_store
from warehouse.catalog import catalog
from warehouse.lake.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

METHODS = [{"method": "zero_shot", "demonstrations": 1}, {"method": "zero_shot", "scoring": "exact"}]
COMMANDS = {
    "run": ("demonstrations", "word_scores"),
    "diagnose": ("diagnostics",),
    "study": ("study_items", "study_values"),
    "study of tokens": ("token_states",),
}


def words(world, name):
    """The command, as it is typed."""
    if name.startswith("study"):
        return "study", (study_card if name == "study" else tokens_card)(world)
    return name, world.card


@pytest.fixture(scope="module", params=COMMANDS)
def uninterrupted(request, tmp_path_factory):
    """The name of a command, a world in which nothing ran, and what the lake and the catalog hold where it ended."""
    experiment = {"methods": METHODS, "shots": [0], "seeds": [0], "champion": False}
    world = with_store(World(tmp_path_factory.mktemp("whole"), experiment=experiment))
    empty = replace_home(world, tmp_path_factory.mktemp("empty"))
    done = command(world.home, *words(world, request.param), api=server())
    assert done.returncode == 0, done.stderr
    return request.param, empty, state(world)


def state(world):
    """What there is, of which nothing is damaged, and the rows of every table of values."""
    assert [fault for one in verify(world.home) for fault in one.faults] == []
    files = sorted(str(path.relative_to(world.home.lake)) for path in world.home.lake.rglob("*") if path.is_file())
    tables = ("leaderboard", "diagnostics", "study_values", "study_items")
    counted = {table: catalog.query(world.home, f"select count(*) as n from {table}").to_pylist() for table in tables}
    return files, counted


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_same_command_finishes_what_a_kill_left(uninterrupted, when, tmp_path, cases):
    name, empty, expected = uninterrupted
    for number, kind in enumerate(COMMANDS[name]):
        world = replace_home(empty, tmp_path / str(number))
        point = partial(die, f"{when} {PARTITION}.publish", kind=kind)
        killed = command(world.home, *words(world, name), api=server(), before=point)
        assert killed.returncode == -9, killed.stderr
        done = command(world.home, *words(world, name), api=server())
        assert done.returncode == 0, done.stderr
        assert state(world) == expected
    cases(len(COMMANDS[name]))

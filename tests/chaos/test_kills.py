"""SIGKILL at every named point of a run and of what follows its record: the same command ends as if it had not been."""

import random
import re
import shutil
import signal
import time
from functools import partial

import pytest

from tasks.tracking.active_run import PROCESS
from tasks.tracking.runs import KEY, PARENT
from tasks.tracking.store import store
from tests.chaos.points import COMPUTING, PREDICTING, RECORDING, die
from tests.flows.command import Command, command
from tests.flows.test_pipeline import ask
from tests.tasks.worlds import World, compute, replace_home, server, with_store
from warehouse.catalog import catalog
from warehouse.lake.verify import verify

pytestmark = pytest.mark.timeout(3600)  # each is two commands, on a machine that others use
SMALL = {"methods": ["zero_shot", "centroid", "vocabulary_calibrator"], "shots": [0, 4], "seeds": [0]}
POINTS = {**COMPUTING, **RECORDING, **PREDICTING}
FAST = "after the record"  # what follows it is done by the next command


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """A world with an empty MLflow store."""
    return with_store(World(tmp_path_factory.mktemp("fresh"), experiment=SMALL))


@pytest.fixture(scope="session")
def computed(fresh, tmp_path_factory):
    """The same with all partitions but the run's record."""
    world = replace_home(fresh, tmp_path_factory.mktemp("computed"))
    plan = world.plan()
    compute(plan)
    return world


@pytest.fixture(scope="session")
def whole(computed, tmp_path_factory):
    """A world in which an uninterrupted run ended, and what that printed."""
    world = replace_home(computed, tmp_path_factory.mktemp("whole"))
    done = run(world)
    assert done.returncode == 0, done.stderr
    return world, done.stdout


@pytest.fixture(scope="session")
def expected(whole):
    world, printed = whole
    return state(world), board(printed, world)


def run(world, *words, **options):
    return command(world.home, "run", world.card, *words, api=server(), **options)


def state(world, killed=()):
    """All that a run leaves, but for times and ids that are drawn. Flow runs of the killed processes may be crashed."""
    home = world.home
    assert [fault for one in verify(home) for fault in one.faults] == []
    lake = sorted(str(path.relative_to(home.lake)) for path in home.lake.rglob("*") if path.is_file())
    scores = catalog.query(home, "select method, shots, macro_f1, nll from leaderboard order by all").to_pylist()
    with store(home) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments)
        parents = [run for run in runs if PARENT not in run.data.tags]
        logged = [
            (run.info.status, run.data.params, sorted(run.data.metrics), sorted(run.data.tags))
            for run in runs
            if PARENT in run.data.tags
        ]
        top = [
            (run.info.status, run.data.params, sorted(run.data.tags), artifacts(client, run.info.run_id))
            for run in parents
        ]
        models = [(model.name, model.status) for model in client.search_logged_models(experiments)]
        versions = [(v.name, v.version, dict(v.tags)) for v in client.search_model_versions()]
        aliases = [(model.name, dict(model.aliases)) for model in client.search_registered_models()]
        processes = {run.data.tags[PROCESS] for run in parents if KEY in run.data.tags}
    assert not [*(home.prefect / "processes").iterdir(), *home.temporary.iterdir()]
    for process in processes:
        assert flow_runs(process) <= {"COMPLETED", *(["CRASHED"] if process in killed else [])}
    return {
        "lake": lake,
        "scores": scores,
        "parents": top,
        "children": sorted(logged, key=str),
        "models": models,
        "versions": versions,
        "aliases": aliases,
    }


def board(printed, world):
    """What a run prints, but for the path of the home and the seconds: only they have two decimals and no sign."""
    return re.sub(r" +\d+\.\d\d(?!\d)", "", printed).replace(str(world.home.root), "HOME")


def artifacts(client, run_id):
    return sorted(file.path for file in client.list_artifacts(run_id))


def flow_runs(process):
    """The states of the flow runs of a process."""
    return {run["state_type"] for run in ask("flow_runs", flow_runs={"tags": {"all_": [process]}})}


def kill(home, point, *words):
    """Run a command up to a point. Returns the process's name."""
    what, fields = POINTS[point]
    killed = command(home, *words, api=server(), before=partial(die, what, **fields))
    assert killed.returncode == -9, killed.stderr
    (ghost,) = (file.name for file in (home.prefect / "processes").iterdir())
    return ghost


def kill_and_resume(world, point, expected, *options):
    resume(world, kill(world.home, point, "run", world.card, *options), expected, *options)


def resume(world, ghost, expected, *options):
    """Run the command of the process `ghost` again: what is there then is what an uninterrupted run leaves."""
    done = run(world, *options)
    assert done.returncode == 0, done.stderr
    assert flow_runs(ghost) <= {"CRASHED", "COMPLETED"}
    assert (state(world, {ghost}), board(done.stdout, world)) == expected


@pytest.mark.slow
def test_killed_after_the_record(computed, expected, tmp_path):
    kill_and_resume(replace_home(computed, tmp_path), FAST, expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", [point for point in RECORDING if point != FAST])
def test_killed_while_recording(point, computed, expected, tmp_path):
    kill_and_resume(replace_home(computed, tmp_path), point, expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", COMPUTING)
def test_killed_while_computing(point, fresh, expected, tmp_path):
    kill_and_resume(replace_home(fresh, tmp_path), point, expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["after states", "after the record"])
def test_killed_while_going_on_after_errors(point, fresh, expected, tmp_path):
    kill_and_resume(replace_home(fresh, tmp_path), point, expected, "--keep-going")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("point", ["after a shard", "before predictions", "after MLflow's run", "after the report"])
def test_interrupted(point, number, fresh, expected, tmp_path):
    """In a task's thread and between tasks: the command ends in order, and the same command finishes the work."""
    world = replace_home(fresh, tmp_path)
    what, fields = POINTS[point]
    stopped = run(world, before=partial(die, what, by=number, **fields))
    assert stopped.returncode == 128 + number, stopped.stderr
    assert stopped.stderr.splitlines()[-1] == "interrupted: run the same command to resume"
    assert "Traceback" not in stopped.stderr + stopped.stdout
    (ghost,) = (file.name for file in (world.home.prefect / "processes").iterdir())
    resume(world, ghost, expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", PREDICTING)
def test_killed_while_predicting_a_file(point, whole, tmp_path):
    world, _ = whole
    source = tmp_path / "texts.csv"
    source.write_text("text\n" + "a good plot\na dull film\n" * 600)  # of two parts

    def words(name):
        model = ("--model", "vocabsem-made@champion")
        return ("predict", *model, "--input", str(source), "--output", str(tmp_path / name))

    assert command(world.home, *words("whole.csv"), api=server()).returncode == 0
    kill(world.home, point, *words("killed.csv"))
    done = command(world.home, *words("killed.csv"), api=server())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    names = ["killed.csv", "killed.csv.json", "texts.csv", "whole.csv", "whole.csv.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.fixture(scope="session")
def seconds(fresh, computed, tmp_path_factory):
    """How long a run of each world takes here."""

    def timed(world):
        copy, began = replace_home(world, tmp_path_factory.mktemp("timed")), time.monotonic()
        assert run(copy).returncode == 0
        return time.monotonic() - began

    return {world.home: timed(world) for world in (fresh, computed)}


@pytest.mark.slow
@pytest.mark.parametrize("part", [*range(5), *(pytest.param(part, marks=pytest.mark.hours) for part in range(5, 40))])
def test_killed_at_random_moments(part, fresh, computed, seconds, expected, tmp_path, cases):
    """Up to six kills in a row at any moment from its start to its end, 5 a part; half of the parts begin with all
    partitions, so that more kills meet what follows them."""
    first, generator, kills, trial = (computed if part % 2 else fresh), random.Random(part), 0, 0
    while kills < 5:
        world, trial, killed = replace_home(first, tmp_path / str(trial)), trial + 1, set()
        for _ in range(generator.randint(1, 6)):
            begun = Command(world.home, "run", world.card, api=server())
            begun.process.join(generator.uniform(0, seconds[first.home]))
            alive = begun.process.exitcode is None
            begun.process.kill()
            begun.wait()
            killed |= {file.name for file in (world.home.prefect / "processes").glob("*")}
            if not alive:
                break
            kills += 1
        done = run(world)
        assert done.returncode == 0, done.stderr
        assert (state(world, killed), board(done.stdout, world)) == expected, f"trial {trial}"
        shutil.rmtree(world.home.root)
    cases(kills)

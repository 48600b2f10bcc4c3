"""The whole job against a real Prefect server: its runs, its tasks, its artifacts; and nothing twice."""

import base64
import json
import re
import shutil
import time
from pathlib import Path
from urllib.parse import unquote

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from prefect import flow

from flows.pipeline import pipeline
from flows.reporting.effects import gains
from tasks.models.loaded import _loaded
from tasks.steps.decorator import step_task
from tests.flows.command import command
from tests.tasks.worlds import METHODS, World, compute, dataset_card, extract, login, server, snapshot, write_card
from vocabsem.errors import ComputationFailed, DownloadFailed
from warehouse.catalog import catalog
from warehouse.lake.vectors import matrix, vectors


def ask(what, **query):
    answer = httpx.post(f"{server()}/{what}/filter", json=query | {"limit": 200}, auth=login(), trust_env=False)
    answer.raise_for_status()
    return answer.json()


def task_runs(flow_run, needed=()):
    """The task runs of a flow run, once all have ended and those named in `needed` have reached the database: the
    server writes them by and by."""
    deadline = time.monotonic() + 30
    while True:
        tasks = ask("task_runs", task_runs={"flow_run_id": {"any_": [flow_run]}})
        ended = all(one["state_type"] in ("COMPLETED", "FAILED") for one in tasks)
        if ended and set(needed) <= {one["name"] for one in tasks}:
            return tasks
        assert time.monotonic() < deadline, f"only these ended: {[one['name'] for one in tasks]}"
        time.sleep(0.2)


def flow_run_of(world):
    """The flow run in which the world's experiment was recorded, as its manifest states."""
    plan = world.plan()
    return plan.run.partition(plan.lake).manifest().facts["prefect_flow_run_id"]


def test_the_flow_run_is_completed(ran):
    world, _ = ran
    (run,) = ask("flow_runs", flow_runs={"id": {"any_": [flow_run_of(world)]}})
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"]["experiment"] == world.card


def test_the_flow_run_is_named_by_card_and_time_and_tagged(ran):
    world, _ = ran
    (run,) = ask("flow_runs", flow_runs={"id": {"any_": [flow_run_of(world)]}})
    assert re.fullmatch(rf"{Path(world.card).stem} \d{{4}}-\d\d-\d\d \d\d:\d\d", run["name"])
    assert set(run["tags"]) >= {"tiny", "tiny-llama", "made"}, "experiment, model, data set"


def test_the_log_goes_from_stage_to_stage_and_ends_with_the_artifacts(ran):
    world, _ = ran
    logs = ask("logs", logs={"flow_run_id": {"any_": [flow_run_of(world)]}}, sort="TIMESTAMP_ASC")
    messages = [one["message"] for one in logs]
    stages = ("build_datasets", "extract_states", "solve_anchors", "fit_methods", "score_methods")
    begins = [next(i for i, line in enumerate(messages) if line.startswith(f"{stage}: ")) for stage in stages]
    assert begins == sorted(begins)
    assert "extract_states: 3 of 3 states to compute" in messages
    assert re.search(r"^score_methods: done in [\d.]+ s$", "\n".join(messages), re.MULTILINE)
    keys = {one["key"] for one in artifacts_of(world)}
    paths = [line.partition(": ")[2] for line in messages if "/artifacts/key/" in line]
    assert {path.removeprefix("/artifacts/key/") for path in paths} == keys - {None}


def test_each_artifact_links_the_others(ran):
    world, _ = ran
    named = {one["key"]: one["description"] for one in artifacts_of(world) if one["key"]}
    assert len(named) == 3
    for key, text in named.items():
        linked = set(re.findall(r"\]\(/artifacts/key/([^)]+)\)", text))
        assert linked == named.keys() - {key}


def test_there_is_a_task_run_for_every_shard_and_every_method(ran):
    world, _ = ran
    spans = {"train": ["0-16", "16-32", "32-48", "48-60"], "validation": ["0-16", "16-20"], "test": ["0-16", "16-24"]}
    expected = [f"states made {split} {span}" for split, each in spans.items() for span in each]
    methods = {fit.name for fit in world.plan().pairs[0].fits}
    expected += [f"{name} on made" for name in methods]
    expected += ["anchors tiny-llama", "examples made", "score made", "record the run"]
    tasks = task_runs(flow_run_of(world), expected)
    names = [one["name"] for one in tasks]
    assert {one["state_type"] for one in tasks} == {"COMPLETED"}
    assert all(names.count(name) == 1 for name in expected)
    assert {name for name in names if name.startswith("states ") or " on " in name} <= set(expected)


def artifacts_of(world):
    return ask("artifacts", artifacts={"flow_run_id": {"any_": [flow_run_of(world)]}})


def test_the_leaderboard_is_a_table_artifact(ran):
    world, _ = ran
    (table,) = (one for one in artifacts_of(world) if one["key"] == "leaderboard-tiny")
    assert table["type"] == "table"
    rows = json.loads(table["data"])
    stored = catalog.query(world.home, "select method, shots, macro_f1 from leaderboard").to_pylist()
    expected = {(row["method"], row["shots"]): row["macro_f1"] for row in stored}
    assert {(row["method"], row["shots"]): row["macro_f1"] for row in rows} == pytest.approx(expected, abs=5e-5)
    assert len(rows) == len(world.plan().pairs[0].fits)


def test_the_checks_are_a_table_artifact(ran):
    world, _ = ran
    (table,) = (one for one in artifacts_of(world) if one["key"] == "checks-tiny")
    rows = json.loads(table["data"])
    stored = catalog.query(
        world.home,
        "select kind, name, count(*) as n, count_if(passed) as passed from checks group by all order by all",
    ).to_pylist()
    messages = sorted((row["step"], row["check"], row["partitions"], row["passed"]) for row in rows)
    assert messages == [tuple(row.values()) for row in stored]
    assert {row["step"] for row in rows} == {"examples", "anchors", "states", "predictions", "metrics", "comparisons"}


@pytest.mark.slow
def test_broken_states_stop_what_reads_them_and_nothing_else(tmp_path):
    """A shard that another process left with a NaN: the run finds it finished, and must not believe it."""
    world = World(tmp_path)
    sound = str(write_card(tmp_path / "sound.yaml", dataset_card(tmp_path, name="sound")))
    world.write_experiment(name="broken", methods=METHODS[:2], datasets=[str(tmp_path / "dataset.yaml"), sound])
    plan = world.plan()
    compute(plan, ("examples",))
    step = plan.pairs[0].states["test"]
    extract(plan, plan.pairs[0], "test")
    partition = step.partition(plan.lake)
    name = "part-00000016-00000024.parquet"
    table = pq.read_table(partition.path / name)
    states = matrix(table["layer_3"]).copy()
    states[0, 0] = np.nan
    (partition.path / f"{name}.json").unlink()
    partition.write_table(name, table.set_column(4, "layer_3", vectors(states)))

    done = command(world.home, "run", world.card, api=server())
    assert done.returncode == 1
    assert f"error: {partition} fails 'finite' (1 of 24 norms of states are not)" in done.stderr
    assert f"look at {partition.path}, fix the cause, and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    steps = list(plan.steps())
    of_sound = {step.key for step in steps if step.coordinates.get("dataset") == "sound"}
    assert {s.key for s in steps if s.kind != "runs" and not plan.published(s)} == {
        s.key for s in steps if s.kind in ("predictions", "metrics", "comparisons") and s.key not in of_sound
    } | {step.key}
    assert not plan.published(plan.run)
    (check,) = catalog.query(world.home, "select * from checks where not passed and severity = 'fail'").to_pylist()
    assert (check["kind"], check["dataset"], check["name"], check["published"]) == ("states", "made", "finite", False)
    (shown,) = ask("artifacts", artifacts={"key": {"any_": ["checks-broken"]}})
    first, *others = json.loads(shown["data"])
    assert (first["step"], first["passed"]) == ("refused", 0)
    assert "'finite' (1 of 24" in first["detail"]
    assert len(others) == len({(c["name"], m.kind) for m in plan.lake.manifests() for c in m.checks})

    done = command(world.home, "run", world.card, api=server())
    assert done.returncode == 0, "the files count as never written: the same command computes them"
    assert all(map(plan.published, steps))
    assert catalog.query(world.home, "select * from checks where not published").num_rows == 0


def test_the_summary_is_a_page_with_the_best_and_a_picture(ran):
    world, _ = ran
    (page,) = (one for one in artifacts_of(world) if one["type"] == "markdown")
    assert page["key"] == "summary-tiny"
    text = page["data"]
    assert text.startswith("# tiny\n")
    best = catalog.query(world.home, "select method, shots, macro_f1 from leaderboard order by macro_f1 desc limit 5")
    shown = [
        line.strip("| ").split(" | ")[:3]
        for line in text.splitlines()
        if re.match(r"\| [a-z_]+.* \| (all|\d+) \|", line)
    ]
    expected = [[row["method"], row["shots"], f"{row['macro_f1']:.3f}"] for row in best.to_pylist()]
    assert shown == expected
    (address,) = re.findall(r"Full report: \[.+\]\(file://(.+)\)", text)
    assert "<h1>tiny</h1>" in Path(unquote(address)).read_text()
    (lines,) = gains(world.home).values()
    assert [line.removeprefix("- ") for line in text.splitlines() if "gain over random anchors" in line] == lines
    (picture,) = re.findall(r"!\[[^]]+\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", text)
    assert base64.b64decode(picture).startswith(b"<svg ")


def test_progress_is_shown_to_its_end(ran):
    world, _ = ran
    bars = {one["description"]: one["data"] for one in artifacts_of(world) if one["type"] == "progress"}
    expected = {f"states of made/{split}, tiny-llama" for split in ("train", "validation", "test")}
    assert bars == dict.fromkeys(expected | {"methods fitted"}, 100.0)


def test_a_second_run_loads_no_model_computes_nothing_and_shows_the_same(ran, recorded, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a model was loaded")

    _loaded.cache_clear()
    monkeypatch.setattr("vocabsem.models.language_model.from_folder", refuse)
    world, key = ran
    before = snapshot(world.home.lake)
    with recorded(world.home):
        assert pipeline(experiment=world.card, home=str(world.home.root)) == key
    assert snapshot(world.home.lake) == before
    (latest, *_) = ask("flow_runs", sort="START_TIME_DESC")
    assert not task_runs(latest["id"])
    shown = [one for one in artifacts_of(world) if one["type"] == "table"]
    again = ask("artifacts", artifacts={"flow_run_id": {"any_": [latest["id"]]}, "type": {"any_": ["table"]}})
    assert {one["key"]: one["data"] for one in again} == {one["key"]: one["data"] for one in shown}


@pytest.mark.medium
def test_what_was_computed_by_hand_is_the_same_as_by_flow(ran, tmp_path):
    world, _ = ran
    other = World(tmp_path).plan()
    compute(other)
    plan = world.plan()
    for step in other.steps():
        if step.kind != "runs":
            here, there = (step.partition(p.lake).manifest() for p in (plan, other))
            if step.kind != "states" and step.kind != "metrics":  # their files hold seconds
                assert here.files == there.files
            assert here.rows == there.rows


def test_only_what_is_lost_is_computed_again(ran, recorded, tmp_path):
    world, key = ran
    home = type(world.home)(tmp_path / "home")
    shutil.copytree(world.home.root, home.root)
    plan = world.plan()
    lost = next(fit for fit in plan.pairs[0].fits if (fit.name, fit.shots) == ("centroid", 4))
    shutil.rmtree(lost.predictions.partition(type(plan.lake)(home)).path)
    before = snapshot(home.lake)
    with recorded(home):
        assert pipeline(experiment=world.card, home=str(home.root)) == key
    now = snapshot(home.lake)
    assert before.items() <= now.items()
    assert {path.name for path in now.keys() - before.keys()} == {
        *("part-0.parquet", "training.parquet", "seed-0.safetensors", "manifest.json")
    }
    (latest, *_) = ask("flow_runs", flow_runs={"parent_task_run_id": {"is_null_": True}}, sort="START_TIME_DESC")
    tasks = task_runs(latest["id"], ["centroid on made"])
    names = {one["name"] for one in tasks if "-0" not in one["name"]}
    assert not {name for name in names if name.startswith(("states", "anchors", "score", "record"))}


@pytest.mark.medium
def test_back_at_earlier_settings_reports_show_them_again(ran, recorded, tmp_path):
    world, key = ran
    home = type(world.home)(tmp_path / "home")
    shutil.copytree(world.home.root, home.root)

    def shown():
        (row,) = catalog.query(home, "select key, mlflow_run_id from runs where latest").to_pylist()
        (board,) = catalog.query(home, "select list(distinct shots order by shots) as n from leaderboard").to_pylist()
        return row["key"], row["mlflow_run_id"], board["n"]

    first, with_fewer = shown(), {"shots": [0], "name": "tiny"}
    with recorded(home):
        other = pipeline(world.card, with_fewer, str(home.root))
        assert shown()[::2] == (other, ["0"])
        back = pipeline(world.card, home=str(home.root))
        again = shown()
        assert again[::2] == (back, first[2])
        assert len({key, other, back}) == 3, "a record is appended, none is written again"
        assert again[1] != first[1], "MLflow has it as a run of its own"
        assert pipeline(world.card, home=str(home.root)) == back
    assert shown() == again, "a further run changes nothing"


@pytest.mark.parametrize(("error", "calls"), [(DownloadFailed, 3), (ComputationFailed, 1)])
def test_a_failed_download_is_tried_again_and_nothing_else(world, recorded, error, calls):
    made = []

    def fetch():
        made.append(1)
        if len(made) < 3:
            raise error("the registry did not answer")

    tried = step_task(task_run_name="fetch", retry_on=(DownloadFailed,))(fetch).with_options(retry_delay_seconds=0)

    @flow
    def fetching():
        tried()

    with recorded(world.home):
        if calls == 3:
            fetching()
        else:
            with pytest.raises(error):
                fetching()
    assert len(made) == calls

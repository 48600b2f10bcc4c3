"""`vocabsem up`: real servers, a worker that runs what is scheduled, pages in a browser, and one Ctrl-C for all."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import yaml

from flows.services import servers
from flows.services.access import link, secret
from flows.services.process import HOST
from flows.services.servers import DEPLOYMENTS, live_api
from flows.services.up import up
from tests.conftest import ROOT
from tests.flows import chromium
from tests.flows.command import command
from tests.flows.services.test_automations import Hook
from tests.s3 import Store, credentials
from tests.tasks.worlds import LABELS, World, replace_home, with_store
from vocabsem.errors import BadInput
from warehouse.catalog import catalog
from warehouse.errors import StoreUnavailable
from warehouse.home import Home

COMPUTED = {  # by the scheduled run: other states, one method, and a record of them
    "name": "scheduled",
    "layers": [1],
    "methods": ["centroid"],
    "shots": [4],
    "champion": False,
}
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def wait_for(condition, seconds=240.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return result


def start(home, *words):
    """`vocabsem up` in a process of its own session, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli.main", "--home", str(home.root), "up", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


def gone(processes):
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture
def busy():
    """A listener on the port that Prefect would take, if nobody has it yet."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, servers.PREFECT_PORT))
            listener.listen()
        except OSError:
            pass
        yield servers.PREFECT_PORT


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.close()


class Api:
    """Prefect's, patient: right after a start its database may be locked for seconds."""

    def __init__(self, url, home):
        self.url = url
        self.auth = httpx.BasicAuth(*secret(home).split(":"))

    def ask(self, path, **body):
        def answer():
            response = httpx.post(f"{self.url}{path}", json=body, auth=self.auth, trust_env=False, timeout=60)
            return response if response.status_code != 503 else None

        return wait_for(answer, 60).raise_for_status().json()

    def deployment(self, name):
        """The id of a deployment, by the names of its flow and its own."""
        flow, deployment = name.split("/")
        named = {"deployments": {"name": {"any_": [deployment]}}, "flows": {"name": {"any_": [flow]}}}
        (result,) = self.ask("/deployments/filter", **named)
        return result["id"]

    def run(self, name, **parameters):
        """A run of the deployment, scheduled for now. Returns its id."""
        path, state = f"/deployments/{self.deployment(name)}/create_flow_run", {"type": "SCHEDULED"}
        return self.ask(path, state=state, parameters=parameters)["id"]

    def ended(self, run):
        """The run, once it has ended."""

        def find():
            (result,) = self.ask("/flow_runs/filter", flow_runs={"id": {"any_": [run]}})
            return result if result["state_type"] in ENDED else None

        return wait_for(find)


def deployments(world, folder):
    """The checkout's deployments, about the world's card instead of the quickstart."""
    text = DEPLOYMENTS.read_text()
    file = Path(folder) / "prefect.yaml"
    file.write_text(text.replace("experiment: quickstart", f"experiment: {world.card}"))
    assert yaml.safe_load(file.read_text())["deployments"][0]["schedules"][0]["parameters"] == {
        "experiment": world.card
    }
    return file


@pytest.mark.timeout(900)  # a minute on a quiet machine
@pytest.mark.slow
def test_up_serves_runs_what_is_scheduled_and_stops_it_all_at_one_signal(ran, tmp_path, busy, hook):
    world = replace_home(ran[0], tmp_path)
    home, words = world.home, ("--schedule", "--deployments", deployments(world, tmp_path), "--webhook", hook.url)
    running_up = start(home, *words)
    wait_for(lambda: live_api(home) or running_up.poll() is not None)
    try:
        assert running_up.poll() is None, running_up.stderr.read()
        record = json.loads((home.root / "servers.json").read_text())
        api, mlflow = record["prefect"], record["mlflow"]
        assert live_api(home) == api
        assert f":{busy}/" not in api, "a port in use is passed over"
        assert json.loads(get(f"{api}/health")) is True
        assert json.loads(get(api.removesuffix("/api") + "/ui-settings"))["api_url"] == api, (
            "the page finds its own API"
        )
        assert "<title>MLflow</title>" in httpx.get(mlflow, auth=Api(api, home).auth, trust_env=False).text

        scheduled_runs_are_run_in_the_same_home(world, Api(api, home), hook)
        the_pages_show_them_and_ask_nobody_else(Api(api, home), api, home)

        children = psutil.Process(running_up.pid).children(recursive=True)
        assert sum(p.cmdline()[1:5] == ["-m", "prefect", "worker", "start"] for p in children) == 1
        listening = [c for p in children for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip for connection in listening} == {HOST}, "nothing listens to the outside"

        second = command(home, "up")
        assert second.returncode == 1
        assert f"run already ({api}, {mlflow})" in second.stderr
        assert "Ctrl-C" in second.stderr
        assert live_api(home) == api, "the second did not disturb the first"
    finally:
        os.killpg(running_up.pid, signal.SIGINT)
        out, err = running_up.communicate(timeout=60)
    assert running_up.returncode == 0, err
    assert err == ""
    assert re.search(
        rf"Prefect: .* {api.removesuffix('/api')}/\?key=\w+\nMLflow: .* {mlflow}/\?key=\w+#/experiments", out
    )
    assert re.search(rf"  run-card-hourly {world.card}: next .*:10 UTC\n", out)
    wait_for(lambda: gone(children), 10)  # Python's own helper of the process aside ends a moment after its parent
    assert not (home.root / "servers.json").exists()
    assert live_api(home) is None
    the_second_start_is_stopped_by_the_end_of_one_server(home)


def scheduled_runs_are_run_in_the_same_home(world, api, hook):
    good = api.run("pipeline/run-card-hourly", experiment=world.card, overrides=COMPUTED)
    texts, scored = world.home.root / "texts.csv", world.home.root / "scored.csv"
    texts.write_text("id,text\n7,a tale\n9,good\n")
    scoring = api.run(
        "batch_predict/predict-file", model="vocabsem-made@champion", input=str(texts), output=str(scored)
    )
    bad = api.run("extract/extract-states", experiment="nowhere")
    run = api.ended(good)
    assert run["state_name"] == "Completed", run["state"]["message"]
    scores = catalog.query(world.home, "select distinct method, shots from leaderboard where experiment = 'scheduled'")
    assert scores.to_pylist() == [{"method": "centroid", "shots": "4"}]
    bars = api.ask("/artifacts/filter", artifacts={"type": {"any_": ["progress"]}})
    assert sum(bar["description"].startswith("states of made/") for bar in bars) == 3, "a bar for each split"
    assert {bar["data"] for bar in bars} == {100}
    assert beats(api, good), "a deployed run shows that it lives"

    run = api.ended(scoring)
    assert run["state_name"] == "Completed", run["state"]["message"]
    rows = list(csv.DictReader(scored.read_text().splitlines()))
    assert [row["id"] for row in rows] == ["7", "9"]
    assert {row["predicted"] for row in rows} <= {label["name"] for label in LABELS}

    failed = api.ended(bad)
    assert failed["state_name"] == "Failed"
    (call,) = hook.wait(lambda call: call.get("run") == failed["name"])
    assert call["deployment"] == "extract-states"
    assert "unknown experiment 'nowhere'" in call["text"]
    coming = api.ask("/flow_runs/filter", flow_runs={"tags": {"all_": ["auto-scheduled"]}})
    assert {one["state_name"] for one in coming} >= {"Scheduled"}, "and what is due later is planned"


def beats(api, run, seconds=30):
    requested = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    return wait_for(lambda: api.ask("/events/filter", filter=requested)["events"], seconds)


def the_pages_show_them_and_ask_nobody_else(api, url, home):
    """The run, the table it left and the form of the pipeline, in a browser; where there is none this is left out."""
    if not any(map(shutil.which, chromium.BROWSERS)):
        return
    (table,) = api.ask("/artifacts/filter", artifacts={"key": {"any_": ["leaderboard-scheduled"]}})
    older = url.removesuffix("/api")
    with chromium.browser() as page:
        page.open(link(home, older))
        page.wait("document.body.innerText.includes('Dashboard')", "what the link opens")
        page.open(f"{older}/runs/flow-run/{table['flow_run_id']}")
        page.wait("document.body.innerText.includes('Completed')", "the run")
        page.wait("document.body.innerText.includes('solve_anchors: ')", "its stages")
        page.open(f"{older}/artifacts/key/summary-scheduled")
        page.wait("document.querySelector('a[href$=\"/artifacts/key/leaderboard-scheduled\"]')", "a link to the others")
        page.open(f"{older}/artifacts/artifact/{table['id']}")
        page.wait("document.body.innerText.includes('centroid')", "the leaderboard")
        assert hosts(page) == {HOST}

        page.open(f"{older}/v2/runs/flow-run/{table['flow_run_id']}")
        page.wait("document.querySelector('canvas') && document.body.innerText.includes('Completed')", "the run")
        page.open(f"{older}/v2/deployments/deployment/{api.deployment('pipeline/run-card-hourly')}/run")
        page.wait("document.body.innerText.includes('Name of an experiment card, or its path')", "the form")
        assert hosts(page) == {HOST}
        assert page.errors == []


def hosts(page):
    return {urlsplit(address).hostname for address in page.requests if address.startswith(("http", "ws"))}


def the_second_start_is_stopped_by_the_end_of_one_server(home):
    again = start(home)
    wait_for(lambda: live_api(home) or again.poll() is not None)
    children = psutil.Process(again.pid).children(recursive=True)
    victim = next(p for p in children if p.cmdline()[1:4] == ["-m", "flows.services.apps", "mlflow"])
    victim.kill()
    _, err = again.communicate(timeout=60)
    assert again.returncode == 1
    assert err.startswith("error: the MLflow server ended by itself: ")
    assert err.count("\n") == 1
    assert str(home.root / "logs" / "mlflow.log") in err
    assert "`vocabsem up`" in err
    assert gone(children)
    assert not (home.root / "servers.json").exists()


@contextmanager
def started(home, *words):
    """Yields the API and the process of `vocabsem up`, which is killed with all its children if it is still there."""
    running_up = start(home, *words)
    try:
        url = wait_for(lambda: live_api(home) or running_up.poll() is not None)
        assert running_up.poll() is None, running_up.stderr.read()
        yield Api(url, home), running_up
    finally:
        if running_up.poll() is None:
            cut(running_up)


def cut(running_up):
    """As a power cut does it."""
    for process in [*psutil.Process(running_up.pid).children(recursive=True), running_up]:
        process.kill()
    running_up.communicate()


def process_of(run):
    """The process in which a flow run runs."""
    return next((p for p in psutil.process_iter() if environment_of(p).get("PREFECT__FLOW_RUN_ID") == run), None)


def environment_of(process):
    try:
        return process.environ()
    except psutil.Error:
        return {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_that_hangs_or_was_cut_off_is_crashed_reported_and_frees_its_place(tmp_path, hook):
    small = {"methods": ["centroid"], "shots": [4], "seeds": [0], "champion": False}
    world = with_store(World(tmp_path, experiment=small))
    words = ("--schedule", "--deployments", deployments(world, tmp_path), "--webhook", hook.url)
    with started(world.home, *words) as (api, running_up):
        hanging = api.run("pipeline/run-card-hourly", experiment=world.card)
        beats(api, hanging, seconds=480)
        process_of(hanging).suspend()
        run = api.ended(hanging)
        assert (run["state_name"], run["state"]["message"][:16]) == ("Crashed", "No heartbeat for")
        hook.wait(lambda call: call.get("run") == run["name"] and call["state"] == "Crashed")

        cut_off = api.run("pipeline/run-card-hourly", experiment=world.card)
        wait_for(lambda: process_of(cut_off))
        cut(running_up)
    with started(world.home, *words[:-2]) as (api, _):
        run = api.ended(cut_off)
        assert run["state"]["message"] == "Its worker was killed. Run it again: it resumes."
        assert api.ended(api.run("pipeline/run-card-hourly", experiment=world.card))["state_name"] == "Completed"


def test_bad_input_is_refused_before_anything_starts(tmp_path):
    home = Home(tmp_path / "home")
    with pytest.raises(BadInput, match="--webhook and --deployments are about scheduled runs: give --schedule"):
        up(home, webhook="http://127.0.0.1:9/")
    with pytest.raises(BadInput, match=r"gone.yaml cannot be read \(No such file or directory\)"):
        up(home, schedule=True, deployments=tmp_path / "gone.yaml")
    with pytest.raises(BadInput, match="--webhook 'nowhere' is no address and no block of this home's Prefect"):
        up(home, schedule=True, webhook="nowhere")
    assert not home.root.exists()


@pytest.mark.parametrize("schedule", [False, True])
def test_a_bucket_that_does_not_answer_is_refused_before_anything_starts(tmp_path, monkeypatch, schedule):
    pytest.importorskip("boto3", reason="pip install 'vocabsem[s3]'")
    for name, value in credentials(Store("http://127.0.0.1:9")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StoreUnavailable, match=r"^s3://our-bucket/x cannot be used: its store does not answer"):
        up(Home.find("s3://our-bucket/x"), schedule)
    assert not list(tmp_path.iterdir())

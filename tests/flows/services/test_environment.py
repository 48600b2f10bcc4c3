"""What a process of a home finds in its environment, and what it must not have imported by then."""

import json
import os
import subprocess
import sys

import pytest

from flows.services.environment import child_environment, set_environment, variables
from tests.conftest import ROOT
from warehouse.home import Home

pytestmark = pytest.mark.medium

KEEP = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def python(code, given=None, cwd=ROOT):
    """Run code in a process whose environment is empty but for `given`."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=KEEP | (given or {}), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """This process without any of our variables, in an empty folder."""
    for name in variables(Home.find()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_import_changes_the_environment():
    code = (
        "import json, os\nbefore = dict(os.environ)\n"
        "import flows, tasks, vocabsem, warehouse, flows.cli.main, flows.services.up, flows.services.prefect_api\n"
        "print(json.dumps(dict(os.environ) == before))"
    )
    assert python(code) is True


def test_the_environment_is_set_before_anything_heavy_is_imported(tmp_path):
    code = (
        "import json, os, sys\nfrom flows.services.environment import set_environment\nset_environment()\n"
        "heavy = [m for m in ('prefect', 'mlflow', 'torch', 'transformers', 'duckdb', 'pyarrow') if m in sys.modules]\n"
        "print(json.dumps([heavy, os.environ['VOCABSEM_HOME'], os.environ['PREFECT_HOME']]))"
    )
    heavy, home, prefect = python(code, {"PYTHONPATH": str(ROOT)}, tmp_path)
    assert heavy == []
    assert home == str(tmp_path / ".vocabsem")
    assert prefect == str(tmp_path / ".vocabsem" / "prefect")


def test_prefect_is_imported_without_a_word_where_there_is_no_home_yet(tmp_path):
    code = "from flows.services.environment import set_environment\nset_environment()\nimport prefect.flows"
    words = [sys.executable, "-c", code]
    done = subprocess.run(
        words, env=KEEP | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_prefect_and_mlflow_believe_it(tmp_path):
    code = (
        "import json\nfrom flows.services.environment import set_environment\nset_environment()\n"
        "from prefect.settings import get_current_settings\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "s = get_current_settings()\n"
        "print(json.dumps([str(s.home), s.server.analytics_enabled, s.server.ephemeral.startup_timeout_seconds,\n"
        "  s.server.services.task_run_recorder.batch_size, s.server.services.task_run_recorder.read_batch_size,\n"
        "  s.server.ui.show_promotional_content, is_telemetry_disabled()]))"
    )
    result = python(code, {"VOCABSEM_HOME": str(tmp_path), "DO_NOT_TRACK": "1"})
    assert result == [str(tmp_path / "prefect"), False, 120, 200, 200, False, True]


def test_mlflow_used_without_a_store_writes_into_the_home_not_into_the_working_directory(tmp_path):
    code = (
        "import json, os\nfrom flows.services.environment import set_environment\nset_environment()\n"
        "from mlflow import MlflowClient\nMlflowClient().search_experiments()\nprint(json.dumps(os.listdir()))"
    )
    (tmp_path / "empty").mkdir()
    given = {"VOCABSEM_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    assert python(code, given, tmp_path / "empty") == []
    assert (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(("given", "bars"), [({}, 0), ({"VOCABSEM_VERBOSE": "1"}, 1), ({"TQDM_DISABLE": ""}, 1)])
def test_bars_of_libraries_are_shown_to_whoever_asks_for_them(given, bars):
    code = (
        "import io, json\nfrom flows.services.environment import set_environment\nset_environment()\n"
        "from tqdm.auto import tqdm\nfrom transformers.utils.logging import tqdm as of_transformers\n"
        "shown = [io.StringIO(), io.StringIO()]\n"
        "for bar, text in zip((tqdm, of_transformers), shown): list(bar(range(3), file=text))\n"
        "print(json.dumps(['3/3' in text.getvalue() for text in shown]))"
    )
    assert python(code, given) == [bool(bars)] * 2


def test_what_the_user_set_is_kept(clean, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", "/somewhere/else")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    set_environment(clean / "one")
    set_environment(clean / "two")
    assert os.environ["PREFECT_HOME"] == "/somewhere/else"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["VOCABSEM_HOME"] == str(clean / "two")


def test_what_an_earlier_call_set_follows_the_new_home(clean):
    assert set_environment().root == clean / ".vocabsem"
    assert set_environment(clean / "one") == Home(clean / "one")
    assert os.environ["PREFECT_HOME"] == str(clean / "one" / "prefect")
    set_environment(clean / "two")
    assert os.environ["PREFECT_HOME"] == str(clean / "two" / "prefect")
    assert set_environment().root == clean / "two", "the home in the environment is the default from now on"


def test_a_child_process_with_another_home_does_not_inherit_its_parents(clean):
    set_environment(clean / "parents")
    code = (
        "import json, os, sys\nfrom flows.services.environment import set_environment\n"
        "set_environment(sys.argv[1] if sys.argv[1:] else 'other')\nprint(json.dumps(dict(os.environ)))"
    )
    inherited = {name: os.environ[name] for name in variables(Home.find())}
    child = python(code, inherited | {"PYTHONPATH": str(ROOT)}, clean)
    assert child["VOCABSEM_HOME"] == str(clean / "other")
    assert child["PREFECT_HOME"] == str(clean / "other" / "prefect")


def test_child_environment_changes_nothing_and_agrees_with_set_environment(clean):
    home = Home(clean / "home")
    before = dict(os.environ)
    wanted = child_environment(home)
    assert dict(os.environ) == before
    set_environment(home.root)
    assert dict(os.environ) == wanted


@pytest.mark.parametrize("given", ["", "mine", f"{ROOT}{os.pathsep}mine"])
def test_modules_of_ours_come_first_in_every_process_of_ours(clean, monkeypatch, given):
    """Before a package of the same name in the working directory, and in the user's own PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", given)
    for folder in (clean, clean / "mine"):
        (folder / "warehouse").mkdir(parents=True)
        (folder / "warehouse" / "__init__.py").write_text("raise ImportError('not ours')")
    set_environment(clean / "home")
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(ROOT), *(["mine"] if given else [])])
    done = subprocess.run([sys.executable, "-m", "warehouse.home"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_hub_is_not_cut_off(clean):
    set_environment(clean)
    assert "HF_HUB_OFFLINE" not in os.environ


IN_PROCESS = """
import json, os, sys
from flows.services.environment import set_environment
from flows.services.prefect_api import in_process
home = set_environment(sys.argv[1])
with in_process(home) as url:
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    @task
    def double(x): return 2 * x
    @flow
    def inner():
        from prefect.settings import get_current_settings
        assert get_current_settings().flows.heartbeat_frequency is None
        return sum(future.result() for future in double.map(list(range(30))))
    @flow
    def outer(): return [inner(), inner()]
    results = outer()
assert "PREFECT_API_URL" not in os.environ
print(json.dumps([url, results]))
"""


@pytest.mark.slow
def test_flows_in_process_are_recorded_whole_and_send_no_heartbeat(tmp_path):
    import sqlite3
    from contextlib import closing

    script = tmp_path / "script.py"
    script.write_text(IN_PROCESS)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "home")],
        env=KEEP | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    url, results = json.loads(done.stdout.splitlines()[-1])
    assert url.startswith("http://127.0.0.1:")
    assert results == [870, 870]
    with closing(sqlite3.connect(tmp_path / "home" / "prefect" / "prefect.db")) as database:
        count = "select state_type, count(*) from {} where {} group by 1"
        assert database.execute(count.format("flow_run", "true")).fetchall() == [("COMPLETED", 3)]
        # beside the tasks, each of the inner flows has a task run of its own in the outer flow
        inner = "flow_run_id is not null and task_key like 'double%'"
        assert database.execute(count.format("task_run", inner)).fetchall() == [("COMPLETED", 60)], "none is lost"
        sent = {event for (event,) in database.execute("select distinct event from events")}
        assert "prefect.flow-run.Completed" in sent
        assert "prefect.flow-run.heartbeat" not in sent


@pytest.mark.parametrize("given", [{}, {"no_proxy": "corp.example, localhost"}, {"NO_PROXY": "corp.example"}])
def test_a_proxy_is_never_used_for_this_machine(clean, monkeypatch, given):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"} | given).items():
        monkeypatch.setenv(name, value)
    set_environment(clean)
    set_environment(clean)
    code = (
        "import httpx, urllib.request; client = httpx.Client()\n"
        "for host in ('127.0.0.1:4200', 'localhost:1', '[::1]:1', 'example.com'):\n"
        "    proxied = client._transport_for_url(httpx.URL(f'http://{host}/')) is not client._transport\n"
        "    print(host, proxied, not urllib.request.proxy_bypass(host.rpartition(':')[0].strip('[]') or host))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = ["127.0.0.1:4200 False False", "localhost:1 False False", "[::1]:1 False False", "example.com True True"]
    assert done.stdout.splitlines() == lines
    kept = [each for each in os.environ["NO_PROXY"].split(",") if each == "corp.example"]
    assert len(kept) == bool(given)
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]


def test_a_user_without_a_home_directory_gets_the_home(clean, monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])  # a KeyError, as of a uid without an entry
    assert child_environment(Home(clean / "home"))["HOME"] == str(clean / "home")
    monkeypatch.setenv("HOME", "/nonexistent")
    assert child_environment(Home(clean / "home"))["HOME"] == "/nonexistent"


def test_without_a_proxy_nothing_is_set(clean, monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    set_environment(clean)
    assert "NO_PROXY" not in os.environ


def test_prefect_keeps_flow_runs_for_a_month_and_events_for_a_day(clean):
    set_environment(clean)
    code = (
        "from prefect.settings import get_current_settings\n"
        "server = get_current_settings().server\n"
        "vacuum = server.services.db_vacuum\n"
        "print(sorted(vacuum.enabled_vacuum_types), vacuum.retention_period.days, server.events.retention_period.days)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['events', 'flow_runs', 'orphans'] 30 1\n"

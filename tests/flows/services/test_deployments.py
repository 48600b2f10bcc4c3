"""prefect.yaml against the flows it deploys, and the forms that the UI makes of their parameters."""

import inspect
import re
from importlib import import_module

import pytest
import yaml
from prefect.utilities.callables import parameter_schema

from flows.planning.experiment import load_experiment
from flows.services.environment import variables
from flows.services.servers import POOL
from tests.conftest import ROOT
from warehouse.home import Home

PROJECT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {f"{d['entrypoint'].partition(':')[2]}/{d['name']}": d for d in PROJECT["deployments"]}
FLOWS = sorted(
    path for path in (ROOT / "flows").glob("*.py") if re.search("^@(flow|stage)", path.read_text(), re.MULTILINE)
)


def flow_of(entrypoint):
    module, name = entrypoint.split(":")
    return getattr(import_module(module), name)


def test_every_flow_is_deployed():
    assert {d["entrypoint"] for d in DEPLOYMENTS.values()} == {f"vocabsem.flows:{p.stem}" for p in FLOWS}
    assert len(DEPLOYMENTS) == len(PROJECT["deployments"]) == len(FLOWS)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_fits_its_flow(name):
    deployment = DEPLOYMENTS[name]
    flow = flow_of(deployment["entrypoint"])
    assert flow.name == name.partition("/")[0]
    assert deployment["parameters"].keys() == inspect.signature(flow.fn).parameters.keys()
    for parameters in [{}, *(schedule.get("parameters", {}) for schedule in deployment.get("schedules", []))]:
        whole = deployment["parameters"] | parameters
        flow.validate_parameters(whole)
        assert "experiment" not in whole or load_experiment(whole["experiment"]).name
    assert deployment["description"]
    assert deployment["tags"] == ["vocabsem"]
    assert deployment["work_pool"]["name"] == POOL
    assert deployment["concurrency_limit"]["limit"] == 1
    expected = "CANCEL_NEW" if "schedules" in deployment else "ENQUEUE"
    assert deployment["concurrency_limit"]["collision_strategy"] == expected


def test_what_is_scheduled_says_its_time_zone_and_its_name():
    scheduled = {name: d["schedules"] for name, d in DEPLOYMENTS.items() if "schedules" in d}
    assert list(scheduled) == ["pipeline/run-card-hourly", "maintenance/verify-and-clean-weekly"]
    for schedules in scheduled.values():
        assert all(schedule["cron"] and schedule["timezone"] for schedule in schedules)
        assert len({schedule["slug"] for schedule in schedules}) == len(schedules)


def test_runs_of_any_worker_send_no_telemetry_and_keep_freed_memory():
    ours = variables(Home.find())
    for deployment in DEPLOYMENTS.values():
        given = deployment["work_pool"]["job_variables"]["env"]
        assert {
            "DO_NOT_TRACK",
            "MLFLOW_DISABLE_TELEMETRY",
            "HF_HUB_DISABLE_TELEMETRY",
            "GOMP_SPINCOUNT",
        } <= given.keys()
        assert all(ours.get(name, value) == value for name, value in given.items())
        malloc = {name: int(value) for name, value in given.items() if name.startswith("MALLOC")}
        assert malloc == {"MALLOC_ARENA_MAX": 1, "MALLOC_TRIM_THRESHOLD_": 1 << 30, "MALLOC_MMAP_THRESHOLD_": 1 << 25}


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_the_form_says_of_every_parameter_what_it_is_and_of_which_type(path):
    schema = parameter_schema(flow_of(f"vocabsem.flows:{path.stem}"))
    for name, field in schema.properties.items():
        assert field.get("description"), name
        types = [field, *field.get("anyOf", [])]
        assert any(one.get("type") in ("string", "number", "boolean", "array", "object") for one in types), name
    assert not schema.required, "every field has a default"


def test_no_folder_is_written_down():
    assert "pull" not in PROJECT
    assert "directory" not in str(PROJECT["deployments"])

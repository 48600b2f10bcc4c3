"""prefect.yaml against the flows it deploys."""

import inspect
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule

from flows.experiment import load_experiment
from tests.conftest import ROOT

PROJECT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {deployment["entrypoint"]: deployment for deployment in PROJECT["deployments"]}


def flow_of(entrypoint):
    path, name = entrypoint.split(":")
    return getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_every_flow_is_deployed_once():
    flows = {path.stem for path in (ROOT / "flows").glob("*.py") if "@flow(" in path.read_text()}
    assert flows == {"pipeline", "extract", "anchors", "calibrate", "evaluate", "score"}
    assert sorted(DEPLOYMENTS) == sorted(f"flows/{name}.py:{name}" for name in flows)
    assert len(PROJECT["deployments"]) == len(flows)


@pytest.mark.parametrize("entrypoint", DEPLOYMENTS)
def test_a_deployment_fits_its_flow(entrypoint):
    deployment, flow = DEPLOYMENTS[entrypoint], flow_of(entrypoint)
    assert flow.name == entrypoint.partition(":")[2]
    assert deployment["parameters"].keys() == inspect.signature(flow.fn).parameters.keys()
    flow.validate_parameters(deployment["parameters"])
    if "experiment" in deployment["parameters"]:
        assert load_experiment(deployment["parameters"]["experiment"]).name
    assert deployment["description"]
    assert "vocabsem" in deployment["tags"]
    assert deployment["work_pool"]["name"] == "vocabsem"
    assert deployment["concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_limit"]["collision_strategy"] in {"ENQUEUE", "CANCEL_NEW"}


def test_only_the_pipeline_is_scheduled_and_in_a_time_zone():
    scheduled = {entrypoint: d["schedules"] for entrypoint, d in DEPLOYMENTS.items() if "schedules" in d}
    assert list(scheduled) == ["flows/pipeline.py:pipeline"]
    (schedule,) = scheduled["flows/pipeline.py:pipeline"]
    assert ZoneInfo(schedule["timezone"])
    assert CronSchedule(**schedule).cron == "30 5 * * 1"


def test_no_folder_is_written_down():
    assert "pull" not in PROJECT
    assert "directory" not in str(PROJECT["deployments"])

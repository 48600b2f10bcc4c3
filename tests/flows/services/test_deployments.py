"""prefect.yaml against the flows it deploys, and the forms that the UI makes of their parameters."""

import inspect
import re
from importlib import import_module

import pytest
import yaml
from prefect.events import DeploymentEventTrigger
from prefect.utilities.callables import parameter_schema

from flows.planning.experiment import load_experiment
from flows.services.deployments import COMPUTE
from flows.services.servers import POOL
from tests.conftest import ROOT

PROJECT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {f"{d['entrypoint'].partition(':')[2]}/{d['name']}": d for d in PROJECT["deployments"]}
FLOWS = sorted(
    path for path in (ROOT / "flows").glob("*.py") if re.search("^@(flow|stage)", path.read_text(), re.MULTILINE)
)


def flow_of(entrypoint):
    path, name = entrypoint.split(":")
    return getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_every_flow_is_deployed():
    assert {d["entrypoint"] for d in DEPLOYMENTS.values()} == {f"flows/{p.stem}.py:{p.stem}" for p in FLOWS}
    assert len(DEPLOYMENTS) == len(PROJECT["deployments"]) == len(FLOWS) + 1, "the pipeline twice"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_fits_its_flow(name):
    deployment = DEPLOYMENTS[name]
    flow = flow_of(deployment["entrypoint"])
    assert flow.name == name.partition("/")[0]
    assert deployment["parameters"].keys() == inspect.signature(flow.fn).parameters.keys()
    for parameters in [{}, *(schedule.get("parameters", {}) for schedule in deployment.get("schedules", []))]:
        asked = deployment["parameters"] | parameters
        flow.validate_parameters(asked)
        for card in [asked.get("experiment"), *asked.get("experiments", [])]:
            assert card is None or load_experiment(card).name
    assert deployment["description"]
    assert deployment["tags"] == ["vocabsem"]
    assert deployment["work_pool"]["name"] == POOL
    assert (deployment["work_pool"]["work_queue_name"] == COMPUTE) == (flow.name not in ("watch", "maintenance"))
    assert deployment["concurrency_limit"]["limit"] == 1
    expected = "CANCEL_NEW" if "schedules" in deployment else "ENQUEUE"
    assert deployment["concurrency_limit"]["collision_strategy"] == expected


def test_what_is_scheduled_says_its_time_zone_and_its_name():
    scheduled = {name: d["schedules"] for name, d in DEPLOYMENTS.items() if "schedules" in d}
    assert list(scheduled) == ["pipeline/nightly", "watch/watch", "maintenance/maintenance"]
    for schedules in scheduled.values():
        assert all(schedule["cron"] and schedule["timezone"] for schedule in schedules)
        assert len({schedule["slug"] for schedule in schedules}) == len(schedules)


def test_the_trigger_hands_on_all_parameters_of_the_pipeline():
    (trigger,) = DEPLOYMENTS["pipeline/on-new-data"]["triggers"]
    assert DeploymentEventTrigger(**trigger).expect == {"vocabsem.source.changed"}
    templates = {name: value["value"]["template"] for name, value in trigger["parameters"].items()}
    expected = DEPLOYMENTS["pipeline/on-new-data"]["parameters"]
    assert templates == {name: f"{{{{ event.payload.parameters.{name} | tojson }}}}" for name in expected}


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_the_form_says_of_every_parameter_what_it_is_and_of_which_type(path):
    schema = parameter_schema(flow_of(f"flows/{path.name}:{path.stem}"))
    for name, field in schema.properties.items():
        assert field.get("description"), name
        types = [field, *field.get("anyOf", [])]
        assert any(one.get("type") in ("string", "number", "array", "object") for one in types), name
    assert not schema.required, "every field has a default"


def test_the_form_of_a_backfill_knows_budgets_and_refuses_others():
    flow = flow_of("flows/backfill.py:backfill")
    one = parameter_schema(flow).properties["shots"]["anyOf"][0]
    assert one["type"] == "array"
    assert {"exclusiveMinimum": 0, "type": "integer"} in one["items"]["anyOf"]
    assert {"enum": [0, "all"]} in one["items"]["anyOf"]
    assert flow.validate_parameters({"shots": [4, "all", 0]})["shots"] == [4, "all", 0]


def test_no_folder_is_written_down():
    assert "pull" not in PROJECT
    assert "directory" not in str(PROJECT["deployments"])

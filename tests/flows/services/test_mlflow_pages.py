"""MLflow's pages of a finished experiment in a headless browser: they load, complain of nothing and ask nobody else."""

import json
import shutil
import threading
import time
from urllib.parse import urlsplit

import pytest

from flows.services.access import link
from flows.services.process import free_port, running
from flows.services.servers import mlflow_server
from tests.flows.chromium import BROWSERS, browser
from warehouse.lake.partition import Lake

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium is installed"),
]


@pytest.fixture(scope="module")
def site(ran):
    server = mlflow_server(ran[0].home, free_port(5400))
    with running(server):
        server.wait_until_healthy(threading.Event())
        yield server.address


@pytest.fixture
def page(site, ran):
    """A tab with MLflow's settings of somebody who was there before."""
    with browser() as page:
        page.open(link(ran[0].home, f"{site}/version"))
        page.wait("document.body.innerText.length", "MLflow's version")
        settings = {"mlflow.workflowType_v1": '"machine_learning"', "mlflow.assistant.panelOpen_v1": "false"}
        for key, value in settings.items():
            page.js(f"localStorage.setItem({json.dumps(key)}, {json.dumps(value)})")
        yield page
        page.js("1")  # what came meanwhile is received


def outside(page):
    return sorted({url for url in page.requests if urlsplit(url).hostname not in (None, "127.0.0.1")})


def settled(page):
    time.sleep(3)
    page.js("1")
    assert not page.errors, page.errors
    assert page.requests, "its requests are heard"
    assert not outside(page), outside(page)


def shows(page, *texts):
    for text in texts:
        page.wait(f"document.body.innerText.includes({json.dumps(text)})", text)


def test_the_table_of_runs(page, site, ran):
    page.open(f"{site}/#/experiments/1/runs")
    shows(page, "matching run", "tiny 20")
    settled(page)


def test_the_registered_model_shows_its_alias(page, site):
    page.open(f"{site}/#/models/vocabsem-made")
    shows(page, "vocabsem-made", "champion", "neg, pos, tale")
    settled(page)


def test_the_chart_view_has_a_chart_for_each_metric(page, site):
    page.open(f"{site}/#/experiments/1/runs?compareRunsMode=CHART")
    shows(page, "macro_f1", "accuracy", "nll")
    settled(page)


def test_the_version_is_described_and_has_its_figures(page, site):
    page.open(f"{site}/#/models/vocabsem-made/versions/1")
    shows(page, "labeled examples per class, on states of tiny-llama", "macro-F1", "Inputs (1)")
    page.js("[...document.querySelectorAll('span')].find(each => each.textContent == 'Inputs (1)').click()")
    shows(page, "text (required)")  # the page says nothing of a signature's params
    settled(page)


def test_the_run_is_described_and_shows_its_system_metrics(page, site, ran):
    world, key = ran
    (manifest,) = [result for result in Lake(world.home).manifests("runs") if result.key == key]
    run = f"{site}/#/experiments/1/runs/{manifest.facts['mlflow_run_id']}"
    page.open(run)
    shows(page, "best on validation data", "Child runs", "vocabsem-made", "best_macro_f1", "vocabsem run tiny")
    settled(page)
    page.open(f"{run}/system-metrics")
    shows(page, "cpu_utilization_percentage", "disk_usage_percentage")
    settled(page)

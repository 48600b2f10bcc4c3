"""The curves of a run against what the operating system and simple arithmetic say."""

import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from tasks.tracking import system_metrics
from tasks.tracking.runs import log_experiment
from tasks.tracking.store import store
from tasks.tracking.system_metrics import FIRST_SECONDS, Watch, watching
from tests.tasks.worlds import World, with_store

NAMES = {
    *("system/process_cpu_percentage", "system/process_memory_megabytes"),
    *("system/machine_cpu_percentage", "system/machine_memory_percentage"),
}


def test_a_run_of_two_seconds_has_a_curve_of_the_work_and_memory_it_took():
    before = psutil.Process().cpu_times()
    began = time.time()
    with watching() as watch:
        kept = np.ones(40_000_000)  # 320 MB
        while time.time() < began + 2:
            kept.sum()
    used = psutil.Process().cpu_times()
    assert 3 <= len(watch.samples) <= (time.time() - began) / FIRST_SECONDS + 1
    assert {name for _, figures in watch.samples for name in figures} == NAMES
    times = [at for at, _ in watch.samples]
    assert times == sorted(times)
    assert began < times[0]
    assert times[-1] <= time.time()
    spent = 100 * (used.user + used.system - before.user - before.system) / (time.time() - began)
    mean = np.mean([figures["system/process_cpu_percentage"] for _, figures in watch.samples])
    assert mean == pytest.approx(spent, rel=0.5), "of one core, by the system's own count"
    memory = [figures["system/process_memory_megabytes"] for _, figures in watch.samples]
    assert max(memory) > 320
    assert all(0 <= figures["system/machine_memory_percentage"] <= 100 for _, figures in watch.samples)


def test_children_are_counted():
    code = "held = bytearray(200_000_000)\nfor i in range(0, len(held), 4096): held[i] = 1\nprint(flush=True)\ninput()"
    alone = Watch()
    alone.sample()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        together = Watch()
        together.sample()
        child.communicate(b"\n")
    grown = [watch.samples[0][1]["system/process_memory_megabytes"] for watch in (alone, together)]
    assert grown[1] - grown[0] > 190


def test_a_long_run_keeps_few_samples_spread_over_all_of_it(monkeypatch):
    monkeypatch.setattr(system_metrics, "MOST", 16)
    watch = Watch()
    for _ in range(40):
        watch.sample()
        assert len(watch.samples) <= 16
    assert watch.interval >= 4 * FIRST_SECONDS


def test_nothing_goes_on_after_the_block():
    with pytest.raises(RuntimeError, match="stopped"), watching() as watch:
        raise RuntimeError("stopped")
    count = len(watch.samples)
    time.sleep(2 * FIRST_SECONDS)
    assert len(watch.samples) == count


def test_mlflow_holds_the_curves(tmp_path):
    home = with_store(World(tmp_path)).home
    system = [(1e9 + 0.25 * i, {"system/process_memory_megabytes": 100.0 + i, "system/x": i}) for i in range(450)]
    run = log_experiment(home, {"name": "watched", "description": ""}, [], [], {}, system)
    with store(home) as client:
        history = client.get_metric_history(run, "system/process_memory_megabytes")
    history = sorted(history, key=lambda metric: metric.step)
    assert [metric.value for metric in history] == [100.0 + i for i in range(450)]
    assert [metric.timestamp for metric in history] == [int((1e9 + 0.25 * i) * 1000) for i in range(450)]

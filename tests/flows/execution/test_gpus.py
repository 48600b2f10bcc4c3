"""Which GPU each process of the pool has. The names stand for GPUs: the assignment is an environment variable."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.execution import process_workers
from flows.execution.process_workers import VISIBLE, claim_number
from flows.planning.runner import Runner
from vocabsem.runtime import devices
from vocabsem.runtime.devices import visible_gpus
from warehouse.home import Home


@pytest.mark.parametrize("claims", [1, 2, 40])
def test_numbers_are_claimed_once_each_also_at_the_same_time(tmp_path, claims):
    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(lambda _: claim_number(tmp_path), range(claims))) == list(range(claims))


@pytest.mark.parametrize(
    ("variable", "there", "gpus"),
    [
        (None, 3, ["0", "1", "2"]),
        ("2,0", 2, ["2", "0"]),
        ("GPU-8932f937, GPU-1a2b3c4d", 2, ["GPU-8932f937", "GPU-1a2b3c4d"]),
        ("0,1,9", 2, ["0", "1"]),  # CUDA sees those before the first that is not there
        ("", 0, []),
    ],
)
def test_gpus_are_named_as_their_variable_names_them(monkeypatch, variable, there, gpus):
    monkeypatch.setattr(devices, "has_nvidia", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    monkeypatch.delenv(VISIBLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VISIBLE, variable)
    assert visible_gpus() == gpus


def _variable(seconds):
    time.sleep(seconds)
    return os.getpid(), os.environ.get(VISIBLE)


def variables(monkeypatch, folder, runner, gpus, device="cuda"):
    """The variable of each process of a pool, on a machine with these GPUs."""
    monkeypatch.setattr(process_workers, "visible_gpus", lambda: gpus)
    monkeypatch.delenv(VISIBLE, raising=False)
    with process_workers.workers(runner, Home(folder), device) as workers:
        executor = workers.runner._executor
        seen = dict(executor.map(_variable, [0.5] * (4 * workers.slots)))
        return workers.slots, Counter(seen.values())


@pytest.mark.medium
def test_each_process_has_a_gpu_of_its_own(tmp_path, monkeypatch):
    assert variables(monkeypatch, tmp_path, Runner("process"), ["7", "GPU-a"]) == (2, Counter(["7", "GPU-a"]))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("runner", "gpus", "device", "expected"),
    [
        (Runner("process", workers=4), ["0", "1"], "auto", ["0", "0", "1", "1"]),
        (Runner("process", workers=2), ["0", "1", "2"], "offload:8GB", ["0", "1"]),
        (Runner("process"), ["0", "1"], "cuda:1", [None, None]),
        (Runner("process"), ["0", "1", "2"], "cpu", [None, None]),
        (Runner("process"), [], "auto", [None, None]),
    ],
)
def test_processes_and_gpus_of_other_numbers(tmp_path, monkeypatch, runner, gpus, device, expected):
    assert variables(monkeypatch, tmp_path, runner, gpus, device) == (len(expected), Counter(expected))

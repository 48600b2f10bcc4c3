"""What computes nothing imports nothing heavy: a run with everything published, a plan on a machine that is timed."""

import json
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.tasks.worlds import World

HEAVY = ["torch", "transformers", "sklearn", "scipy", "prefect", "mlflow", "datasets", "pandas"]
SCRIPT = f"""
import atexit, json, sys
atexit.register(lambda: print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr))
from flows.cli.main import main
main()
"""


def imported(home, *words):
    """Exit code, what was printed, and which of the heavy modules the command imported."""
    command = [sys.executable, "-c", SCRIPT, "--home", str(home.root), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    return done, json.loads(done.stderr.splitlines()[-1])


def test_an_unchanged_run(ran):
    world, _ = ran
    began = time.monotonic()
    done, heavy = imported(world.home, "run", world.card)
    assert done.returncode == 0, done.stderr
    assert "everything is published, nothing to do" in done.stderr
    assert "vocabulary_calibrator" in done.stdout
    assert heavy == []
    assert time.monotonic() - began < 30  # two seconds; tests share the machine


@pytest.mark.slow
@pytest.mark.parametrize(
    "methods",
    [["linear_probe"], [{"method": "lora", "params": {"learning_rates": [0.001]}}, "vocabulary_calibrator"]],
)
def test_a_plan(tmp_path, methods):
    world = World(tmp_path, experiment={"methods": methods, "champion": False})
    for _ in range(2):  # the first times this machine
        done, heavy = imported(world.home, "plan", world.card)
        assert done.returncode == 0, done.stderr
    assert "predictions" in done.stdout
    assert set(heavy) <= {"pandas"}  # which pyarrow imports when it makes an array

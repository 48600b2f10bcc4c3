"""From an empty folder: installed with its requirements from the registry, then the quickstart; nothing is borrowed."""

import json
import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT
from tests.install.environments import Environment, uv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Of the quickstart: its model and one of its data sets, few rows.
SMALLER = ["datasets=[rotten_tomatoes]", "methods=[zero_shot,vocabulary_calibrator,ridge]", "shots=[0,4]", "seeds=[0]"]
SMALLER += ["limits={train: 60, validation: 20, test: 40}"]


def test_a_wheel_in_a_fresh_environment(wheel, tmp_path):
    fresh = Environment(tmp_path).install_with_requirements(f"{wheel}[pipeline]")
    assert fresh.code("from importlib import metadata; print(metadata.version('vocabsem'))") == "0.1.0"
    done = fresh.vocabsem("init", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "next:    cd mine && vocabsem run mine"
    fresh.here /= "mine"
    checked = json.loads(fresh.vocabsem("doctor", "--json").stdout)
    assert {one["name"] for one in checked if not one["ok"]} <= {"memory", "disk"}
    assert fresh.vocabsem("plan", "quickstart").returncode == 0
    settings = [word for setting in SMALLER for word in ("--set", setting)]
    done = fresh.vocabsem("run", "quickstart", "--name", "smaller", *settings, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert "vocabulary_calibrator" in done.stdout
    assert fresh.vocabsem("report", "smaller", "--output", "report.html").returncode == 0
    assert (fresh.here / "report.html").stat().st_size > 10_000
    fresh.stop(fresh.start("up"))


@pytest.mark.parametrize("how", ["uv tool", "git"])
def test_other_ways_to_install(how, tmp_path):
    """`uv tool install`, and from a repository; requirements aside, which are those of the wheel."""
    if how == "git":
        clone = tmp_path / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        there = Environment(tmp_path).borrow_packages().install("--no-deps", f"git+file://{clone}")
        assert "quickstart" in there.vocabsem("plan", "quickstart").stdout
        return
    folders = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "docs"))
    subprocess.run(
        [uv(), "tool", "install", "--quiet", str(source), "--constraint", str(ROOT / "constraints.txt")],
        env=os.environ | folders | {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")},
        check=True,
    )
    done = subprocess.run([tmp_path / "bin" / "vocabsem"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, MISSING), "the library alone"


MISSING = (
    "error: the command line needs prefect, mlflow, duckdb, which the library alone does not:"
    " pip install 'vocabsem[pipeline]'\n"
)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_pins_resolve_on_every_supported_python(python, tmp_path):
    command = [uv(), "pip", "compile", "--quiet", "pyproject.toml", "--extra", "pipeline", "--extra", "dev"]
    command += ["--constraint", "constraints.txt", "--python-version", python, "--output-file", str(tmp_path / "pins")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "prefect==" in (tmp_path / "pins").read_text()

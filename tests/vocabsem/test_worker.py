"""What a worker process has in common with the command whose tasks it computes."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version

from tests.conftest import ROOT
from vocabsem.worker import PACKAGES, code_digest, facts

PACKAGES_OF_CODE = ("vocabsem", "flows", "tasks", "warehouse")


def test_the_facts_name_versions_and_what_the_home_holds(tmp_path):
    (tmp_path / "shared").write_text("42")
    known = facts(str(tmp_path / "shared"))
    assert known["home"] == "42"
    assert known["Python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert {name: known[name] for name in PACKAGES} == {name: version(name) for name in PACKAGES}
    assert facts(str(tmp_path / "elsewhere")) == known | {"home": ""}


def digest_of(folder, command="from vocabsem.worker import code_digest; print(code_digest())"):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd="/", env=environment
    )
    return done.stdout.strip()


def copy_code(folder):
    """A copy of the four packages in the folder, as a checkout has them."""
    for package in PACKAGES_OF_CODE:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_digest_is_that_of_the_code_wherever_it_lies(tmp_path):
    copy = copy_code(tmp_path / "copy")
    assert digest_of(copy) == code_digest()
    installed = tmp_path / "installed"
    shutil.copytree(copy / "vocabsem", installed / "vocabsem")
    for package in PACKAGES_OF_CODE[1:]:
        shutil.copytree(copy / package, installed / "vocabsem" / "_project" / package)
    assert digest_of(installed) == code_digest(), "a wheel has the other packages inside its one"
    (copy / "tasks" / "fits.py").write_text("changed = True\n")
    assert digest_of(copy) != code_digest()


def test_a_prepared_process_finds_the_packages_and_has_the_environment_of_the_home(tmp_path):
    printed = "import os, flows, tasks; print(os.environ['MLFLOW_TRACKING_URI'])"
    command = f"from vocabsem.worker import prepare; prepare({str(tmp_path / 'home')!r}); {printed}"
    installed = tmp_path / "installed"
    shutil.copytree(ROOT / "vocabsem", installed / "vocabsem", ignore=shutil.ignore_patterns("__pycache__"))
    for package in PACKAGES_OF_CODE[1:]:
        shutil.copytree(ROOT / package, installed / "vocabsem" / "_project" / package)
    assert digest_of(installed, command) == f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}"

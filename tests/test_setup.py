"""The set-up, with other programs standing in for the interpreters and installers of a strange machine."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

INSTALL = ROOT / "scripts" / "install.sh"


@pytest.fixture
def machine(tmp_path):
    """A folder for programs that is the whole PATH, but for the shell's own tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "touch", "mkdir", "sed", "cat", "sleep"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def install(machine, venv, **variables):
    environment = {"PATH": str(machine), "HOME": str(machine)} | variables
    return subprocess.run(
        ["bash", str(INSTALL), str(venv)], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def interpreter(log, supported=True):
    """Prints its arguments; makes itself a virtual environment where `-m venv` is among them."""
    check = "exit 0" if supported else "exit 1"
    return (
        f'echo "python $*" >> {log}\n'
        f'case "$*" in *version_info*) {check};; --version) echo "Python 3.9.1";;\n'
        '*" --clear "*) mkdir -p "${@: -1}/bin"; cat "$0" > "${@: -1}/bin/python"; '
        f'{sys.executable} -c "import os, sys; os.chmod(sys.argv[1], 0o755)" "${{@: -1}}/bin/python";; esac'
    )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    path.touch()
    return path


def test_a_machine_without_a_python_that_fits_is_reported_which_do(machine, tmp_path):
    program(machine / "python3", 'case "$1" in --version) echo "Python 3.9.1";; *) exit 1;; esac')
    done = install(machine, tmp_path / "venv")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "vocabsem needs Python 3.11, 3.12 or 3.13 with its venv module; python3 is Python 3.9.1"
    )
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_named_python_that_is_not_there(machine, tmp_path):
    done = install(machine, tmp_path / "venv", PYTHON="python4")
    assert done.returncode == 1
    assert "python4 is not there" in done.stderr


def test_uv_installs_with_pins_and_compiled_modules(machine, tmp_path, log):
    program(machine / "python3.12", interpreter(log))
    program(machine / "python3", interpreter(log, supported=False))
    program(machine / "uv", f'echo "uv $* $UV_FIND_LINKS $UV_TORCH_BACKEND" >> {log}')
    done = install(machine, tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert "creating" in done.stdout
    (call,) = [line for line in log.read_text().splitlines() if line.startswith("uv")]
    assert "--compile-bytecode" in call
    assert "--constraint constraints.txt" in call
    assert ".[pipeline,dev]" in call
    assert call.endswith(" auto"), "uv picks the build of torch for this machine"
    assert not [line for line in log.read_text().splitlines() if "-m pip install" in line]


def test_a_folder_of_wheels_is_handed_to_uv_and_a_missing_one_is_not(machine, tmp_path, log):
    program(machine / "python3", interpreter(log))
    program(machine / "uv", f'echo "uv find=$UV_FIND_LINKS backend=$UV_TORCH_BACKEND" >> {log}')
    for folder, expected in ((tmp_path, f"uv find={tmp_path} backend="), (tmp_path / "no", "uv find= backend=auto")):
        log.write_text("")
        assert install(machine, tmp_path / "venv", PIP_FIND_LINKS=str(folder)).returncode == 0
        assert expected in log.read_text().splitlines()


@pytest.mark.parametrize("uv", ["fails", "is absent"])
def test_pip_installs_where_uv_cannot(machine, tmp_path, log, uv):
    program(machine / "python3", interpreter(log) + '\ncase "$*" in *" uv") exit 1;; esac')
    if uv == "fails":
        program(machine / "uv", "exit 2")
    done = install(machine, tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert "trying pip" in done.stderr
    call = "python -m pip install --editable .[pipeline,dev] --constraint constraints.txt"
    assert log.read_text().splitlines()[-1] == call


def test_an_installer_prints_its_output_only_where_it_fails(machine, tmp_path, log):
    program(machine / "python3", interpreter(log) + '\ncase "$*" in *"-m pip install --editable"*) exit 7;; esac')
    program(machine / "uv", "for n in 1 2 3; do echo Downloading package $n; done; sleep 4")
    done = install(machine, tmp_path / "venv")
    assert done.returncode == 0
    assert "Downloading" not in done.stdout + done.stderr
    assert "installing the packages" in done.stdout, "and never silent for long"
    program(machine / "uv", "echo the wheel of torch is broken >&2; exit 2")
    failed = install(machine, tmp_path / "venv")
    assert failed.returncode != 0
    assert "the wheel of torch is broken" in failed.stderr


def make(*words):
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "-n", *words], cwd=ROOT, env=outer, capture_output=True, text=True, check=True
    ).stdout


def test_a_second_make_installs_nothing_and_a_changed_pin_does(tmp_path):
    stamp = tmp_path / "venv"
    stamp.mkdir()
    assert "install.sh" in make("run", f"VENV={stamp}")
    (stamp / ".ready").touch()
    again = make("run", f"VENV={stamp}")
    assert "install.sh" not in again
    assert again.split() == [f"{stamp}/bin/vocabsem", "run", "data/experiments/quickstart.yaml"]
    assert "install.sh" in make("run", f"VENV={stamp}", "--what-if=constraints.txt")


def test_make_test_ends_with_the_closing_line_of_pytest(tmp_path):
    (tmp_path / ".ready").touch()
    assert "bin/pytest --numprocesses" in make("test", f"VENV={tmp_path}")


def test_what_continuous_integration_runs():
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert {"make test", "make test-medium", "make lint"} <= set(script.splitlines())
    assert os.access(ROOT / ".ci" / "run", os.X_OK)

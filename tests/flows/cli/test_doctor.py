"""The doctor, on the machine as it is and on machines made worse."""

import os
import platform
from importlib.metadata import requires, version

import psutil
import pytest
from packaging.requirements import Requirement

from flows.cli import doctor
from flows.cli.doctor import examine, package, print_findings
from warehouse.home import Home


def by_name(home):
    return {finding.name: finding for finding in examine(home)}


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def test_this_machine(home):
    result = by_name(home)
    assert result["python"].value.startswith(platform.python_version())
    assert result["torch"].value == version("torch")
    assert "bfloat16" in result["processor"].value
    usable = len(os.sched_getaffinity(0))
    assert result["threads"].value.startswith(f"{usable} of ")
    total = psutil.virtual_memory().total / 1e9
    assert result["memory"].value.endswith(f"of {total:.1f} GB available")
    assert result["home"].value == f"{home.root}, created at the first run"
    assert result["warehouse"].value.startswith("none yet")
    assert result["servers"].value == "not running: vocabsem up"
    assert not home.root.exists(), "checks change nothing"


def test_every_direct_dependency_is_looked_at_and_no_extra_one(home):
    known = [Requirement(line) for line in requires("vocabsem")]
    wanted = {one.name for one in known if one.marker is None or one.marker.evaluate({"extra": "pipeline"})}
    assert {"torch", "prefect"} <= wanted
    result = by_name(home)
    assert wanted <= result.keys()
    assert "pytest" not in result
    assert len(result) == len(examine(home)), "each name once"


def test_a_failed_check_has_a_fix_and_only_that(home):
    for finding in examine(home):
        assert finding.value
        assert finding.ok == (not finding.fix)


def test_a_missing_package_and_a_wrong_version():
    missing = package(Requirement("no-such-package>=3"))
    assert (missing.ok, missing.value) == (False, "missing, >=3 is needed")
    old = package(Requirement("numpy<1"))
    assert (old.ok, old.value) == (False, version("numpy"))
    assert old.fix.startswith("<1 is needed: make install")
    assert package(Requirement("numpy>=1")).ok


def test_a_full_disk_and_little_memory(home, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_DISK", 1e9)
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e6)
    result = by_name(home)
    assert not result["disk"].ok
    assert "1e+09 GB are needed" in result["disk"].fix
    assert not result["memory"].ok


def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    finding = by_name(Home(tmp_path / "file" / "home"))["home"]
    assert not finding.ok
    assert f"cannot write to {tmp_path / 'file'}" in finding.value
    assert "--home" in finding.fix


def test_a_long_home_is_printed_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    deep = tmp_path / "/".join(f"folder-{n}" for n in range(12))
    print_findings(Home(deep), as_json=False)
    printed = "".join(capsys.readouterr().out.partition(" home ")[2].split())
    assert printed.startswith(str(deep))


def test_without_pip(home, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert doctor._pip().fix == "python -m ensurepip"


def test_a_driver_that_torch_cannot_use(monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine's torch uses its GPU")
    monkeypatch.setattr(doctor, "has_nvidia", lambda: True)
    finding = doctor._gpu()
    assert not finding.ok
    assert "UV_TORCH_BACKEND" in finding.fix


@pytest.mark.gpu
def test_a_gpu_is_named_with_its_memory(home):
    assert "GB" in by_name(home)["gpu"].value

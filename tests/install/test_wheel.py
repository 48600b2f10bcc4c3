"""What the wheel holds: the pipeline, cards and deployments within one package; nothing of the checkout besides."""

import base64
import hashlib
import subprocess
import tomllib
import zipfile
from email import message_from_bytes

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

pytestmark = pytest.mark.medium

INSIDE = "vocabsem/_project/"
INFO = "vocabsem-0.1.0.dist-info/"


@pytest.fixture(scope="module")
def members(wheel):
    """The files of the wheel by name."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_it_holds_every_file_of_the_repository_that_runs_and_no_other(members):
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    shipped = ["flows", "tasks", "warehouse", "data", "prefect.yaml"]
    run = lambda *names: subprocess.run([*listed, *names], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: E731
    there = lambda *names: [name for name in run(*names).stdout.split() if (ROOT / name).is_file()]  # noqa: E731
    expected = {*there("vocabsem"), *(INSIDE + name for name in there(*shipped))}
    assert {name for name in members if not name.startswith(INFO)} == expected
    for name in expected:
        assert members[name] == (ROOT / name.removeprefix(INSIDE)).read_bytes()


def test_one_name_is_all_that_it_adds_to_an_environment(members):
    assert {name.split("/")[0] for name in members} == {"vocabsem", INFO.rstrip("/")}


def test_the_record_has_every_file_with_its_checksum(members):
    lines = [line.rsplit(",", 2) for line in members[f"{INFO}RECORD"].decode().splitlines()]
    assert {name for name, _, _ in lines} == set(members)
    for name, digest, size in lines:
        if name != f"{INFO}RECORD":
            hashed = base64.urlsafe_b64encode(hashlib.sha256(members[name]).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={hashed}", len(members[name])), name


def test_its_metadata(members):
    metadata = message_from_bytes(members[f"{INFO}METADATA"])
    assert metadata["Name"] == "vocabsem"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(metadata.get_all("Provides-Extra")) == set(extras) >= {"pipeline"}
    assert f"{INFO}licenses/LICENSE" in members
    assert members[f"{INFO}entry_points.txt"].decode().split() == [
        *("[console_scripts]", "vocabsem", "=", "vocabsem.__main__:main"),
    ]


def test_the_library_requires_nothing_of_the_pipeline(members):
    requirements = map(Requirement, message_from_bytes(members[f"{INFO}METADATA"]).get_all("Requires-Dist"))
    library = {one.name for one in requirements if one.marker is None}
    assert {"torch", "transformers", "numpy"} <= library
    assert not library & {"prefect", "mlflow", "duckdb", "pyarrow", "datasets", "typer", "fastapi"}

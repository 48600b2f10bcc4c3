"""What all tests share: an environment that asks nothing of the outside, and a cache for the one real model."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from flows.services.environment import set_environment
from tests.s3 import BUCKET, Store, credentials, s3_store
from warehouse.home import Home

ROOT = Path(__file__).parent.parent
settings.register_profile("suite", deadline=None)  # on machines that others use
settings.load_profile("suite")
settings.register_profile("chaos", deadline=None, max_examples=300)  # make chaos
settings.register_profile("long", deadline=None, max_examples=5000)  # make chaos LONG=1
for variable in (
    *("VOCABSEM_HOME", "VOCABSEM_DATA_DIR", "VOCABSEM_RUNNER"),
    *("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI", "PREFECT_SERVER_DATABASE_CONNECTION_URL"),
    *("PREFECT_HOME", "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"),
    *("COLUMNS", "VOCABSEM_QUIET", "VOCABSEM_VERBOSE"),
):
    os.environ.pop(variable, None)
# Prefect makes its own folder when it is imported, but not the home above it: a fresh checkout has none yet.
_home = tempfile.TemporaryDirectory(prefix="vocabsem-tests-")
set_environment(_home.name)  # before Prefect, MLflow and torch are imported


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_of_mlflow() -> Iterator[None]:
    """Fail where a test has made MLflow write into the working directory."""
    yield
    strays = [path for name in ("mlflow.db", "mlruns", "mlartifacts") if (path := Path.cwd() / name).exists()]
    assert not strays, "MLflow was used without the store of a home"


@pytest.fixture(scope="session")
def cache() -> Path:
    """Downloads and the converted model, kept between runs in the checkout's default home."""
    folder = ROOT / ".vocabsem" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_home(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Callable[..., Path]:
    """Makes empty homes that share the session's cache."""

    def make(name: str = "home") -> Path:
        home = tmp_path_factory.mktemp(name)
        (home / "cache").symlink_to(cache)
        return home

    return make


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Store]:
    with s3_store() as store:
        yield store


@pytest.fixture
def s3(s3_server: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    """A store of S3 that refuses nothing, its requests counted from here on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))  # of processes that a test starts
    for name, value in credentials(s3_server).items():
        monkeypatch.setenv(name, value)
    s3_server.reset()
    yield s3_server
    s3_server.reset()


@pytest.fixture
def machine(s3: Store, tmp_path: Path) -> Callable[..., Home]:
    """Returns the same empty home in a bucket as machines of these names have it."""
    url = f"s3://{BUCKET}/{uuid4().hex}"
    return lambda name="one": Home(tmp_path / name, url)


def vocabsem(home: Path, *words: object, timeout: float = 280, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "flows.cli.main", "--home", str(home), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False, **options)

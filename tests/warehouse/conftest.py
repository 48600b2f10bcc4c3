import shutil
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.s3 import BUCKET, credentials, s3_store
from tests.warehouse.lakes import fill
from warehouse.catalog.catalog import rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake

settings.register_profile("patient", deadline=None)  # timings on a shared machine say nothing
settings.load_profile("patient")


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def lake(home):
    return Lake(home)


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A filled lake with its catalog, in a folder whose name asks for quotes. Only to be read."""
    home = Home(tmp_path_factory.mktemp("lake") / 'it\'s [a] "home", 100% *')
    fill(home)
    rebuild(home)
    return home


@pytest.fixture
def full(home, filled):
    """A home of one's own with the filled lake, and no catalog yet."""
    shutil.copytree(filled.lake, home.lake)
    return home


@pytest.fixture(scope="session")
def s3_server():
    with s3_store() as store:
        yield store


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A store of S3 that refuses nothing, its requests counted from here on."""
    for name, value in credentials(s3_server).items():
        monkeypatch.setenv(name, value)
    s3_server.reset()
    yield s3_server
    s3_server.reset()


@pytest.fixture
def machine(s3, tmp_path):
    """Returns the same empty home in a bucket as machines of these names have it."""
    url = f"s3://{BUCKET}/{uuid4().hex}"
    return lambda name="one": Home(tmp_path / name, url)

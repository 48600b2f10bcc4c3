import shutil

import pytest
from hypothesis import settings

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

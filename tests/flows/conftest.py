from contextlib import contextmanager

import pytest

from flows.services.prefect_api import in_process
from tests.tasks.worlds import World, server, with_store


@contextmanager
def recorded_by_the_server(home):
    """Flows in this block run in this process, recorded by the server of all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", server())
        with in_process(home) as url:
            yield url


@pytest.fixture
def recorded():
    return recorded_by_the_server


@pytest.fixture
def world(tmp_path):
    """A world of the test's own, nothing computed."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """A world in which the whole pipeline ran, and what it returned. Only to be read."""
    from flows.pipeline import pipeline

    world = with_store(World(tmp_path_factory.mktemp("ran")))
    with recorded_by_the_server(world.home):
        key = pipeline(experiment=world.card, home=str(world.home.root))
    return world, key

import pytest

from tests.tasks.worlds import World, compute


@pytest.fixture
def world(tmp_path):
    """A world of the test's own, nothing computed."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """The plan of a world whose partitions are all published. Only to be read."""
    plan = World(tmp_path_factory.mktemp("world")).plan()
    compute(plan)
    return plan

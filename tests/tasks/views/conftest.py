import pytest

from tests.tasks.views.recorded import record


@pytest.fixture(scope="package")
def recorded(tmp_path_factory):
    """A recorded run: its plan and key. Only to be read."""
    return record(tmp_path_factory.mktemp("recorded"))

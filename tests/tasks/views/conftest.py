import pytest

from tests.tasks.views.recorded import record


@pytest.fixture(scope="package")
def recorded(tmp_path_factory):
    """A recorded run: its plan and key. Only to be read."""
    return record(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="package")
def shown(tmp_path_factory):
    """A recorded run of prompts with and without demonstrations, of rows that a limit has cut. Only to be read."""
    methods = ["zero_shot", {"method": "zero_shot", "demonstrations": 1, "label": "icl"}]
    limits = {"train": 30, "validation": None, "test": 12}
    return record(tmp_path_factory.mktemp("shown"), methods=methods, shots=[0], limits=limits, temperature=True)

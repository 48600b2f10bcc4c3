"""What tests of kills, damage and full disks share."""

import pytest


@pytest.fixture
def cases(record_property):
    """Records how many cases a test has tried; `make chaos` adds them up."""
    return lambda number: record_property("cases", number)

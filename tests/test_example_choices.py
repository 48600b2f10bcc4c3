"""The sets of choices of `examples/choices` that are made from the calendar, against another calendar."""

import importlib.util
import re
from datetime import datetime

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "examples" / "choices"
MONTHS = [f"{datetime(2000, month, 1):%B}" for month in range(1, 13)]


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.calendar_rows()


def test_the_right_option_is_the_day_that_strptime_finds(made):
    assert len(made["weekdays"]) == 1000
    for row in made["weekdays"]:
        date = datetime.strptime(row["query"], "%d %B %Y")
        assert row["choices"][row["gold"]] == f"{date:%A}"


def test_the_right_option_is_the_month_counted_from_the_first(made):
    assert len({row["query"] for row in made["months"]}) == len(made["months"]) == 12 * 11
    for row in made["months"]:
        after, first = re.fullmatch(r"(\d+) months? after (\w+)", row["query"]).groups()
        assert row["choices"][row["gold"]] == (MONTHS + MONTHS)[MONTHS.index(first) + int(after)]
        assert first not in row["choices"]


@pytest.mark.parametrize("name", ["weekdays", "months"])
def test_options_are_four_and_the_right_one_stands_anywhere(made, name):
    rows = made[name]
    assert all(len(set(row["choices"])) == 4 for row in rows)
    shares = [sum(row["gold"] == index for row in rows) / len(rows) for index in range(4)]
    assert shares == pytest.approx([0.25] * 4, abs=4 * (0.25 * 0.75 / len(rows)) ** 0.5)


def test_the_same_rows_each_time(made):
    spec = importlib.util.spec_from_file_location("again", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.calendar_rows() == made

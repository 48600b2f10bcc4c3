"""A long CSV file through `init-dataset` and `predict`: memory that does not grow with it."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(1800)  # on a machine that others use


def peaks(*sizes):
    """{(command, rows): MB}, as `python -m tests.load.files` prints them."""
    command = [sys.executable, "-m", "tests.load.files", *map(str, sizes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip().replace(",", "") for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    return {(name, int(count)): float(peak) for name, count, peak, _ in rows}


def check(measured, few, many, growth):
    assert measured["predict", many] < measured["predict", few] + growth
    per_row = 200 * (many - few) / 1e6  # MB: number, class, hash and rank of a row, not its text
    assert measured["init-dataset", many] < measured["init-dataset", few] + growth + per_row


@pytest.mark.slow
def test_more_rows_take_no_more_memory():
    check(peaks(1500, 6000), 1500, 6000, 30)


@pytest.mark.slow
@pytest.mark.hours
@pytest.mark.timeout(2 * 3600)
def test_three_hundred_thousand_rows_take_no_more_memory(cases):
    check(peaks(30_000, 300_000), 30_000, 300_000, 60)
    cases(2)

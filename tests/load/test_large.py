"""Every method over more rows than fit: memory as it was stated before the fits, and no more with more rows."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.load.large import METHODS, large_world

pytestmark = pytest.mark.timeout(1800)  # on a machine that others use
PROCESS = 150  # MB that any command takes: what it imports as it starts
FAST = ("ridge", "centroid")


def measured(*words):
    """What `python -m tests.load.large` prints, by the first column: peak and statement in MB."""
    command = [sys.executable, "-m", "tests.load.large", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip().replace(",", "") for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    return {name: (float(peak), float(limit or "inf")) for name, peak, limit, _ in rows}


def check(peaks, methods):
    assert set(methods) <= peaks.keys()
    assert [name for name, (peak, limit) in peaks.items() if peak > limit + PROCESS] == []


def test_the_card_has_every_method_of_stored_states(tmp_path):
    (pair,) = large_world(tmp_path, 64).plan().pairs
    assert {fit.name for fit in pair.fits} == set(METHODS)


@pytest.mark.slow
def test_fits_hold_what_they_stated():
    peaks = measured("--test", 10_000, "--train", 1_000, "--methods", *FAST)
    check(peaks, FAST)
    assert max(peak for peak, _ in peaks.values()) < 600


@pytest.mark.slow
@pytest.mark.hours
@pytest.mark.timeout(4 * 3600)
def test_a_million_test_rows_pass_through_every_method_and_the_catalog(cases):
    peaks = measured("--test", 1_000_000)
    check(peaks, METHODS)
    assert max(peak for peak, _ in peaks.values()) < 3000
    cases(len(peaks))


@pytest.mark.slow
@pytest.mark.hours
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_thousand_training_rows_are_fitted_in_what_was_stated(cases):
    methods = [name for name in METHODS if name != "paper_calibrator"]  # a hundred epochs are hours, not gigabytes
    peaks = measured("--test", 20_000, "--train", 200_000, "--shots", "all", "--methods", *methods)
    check(peaks, methods)
    cases(len(peaks))

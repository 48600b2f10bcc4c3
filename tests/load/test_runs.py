"""Many runs in one process: nothing stays open, and memory and databases grow by as much with each run."""

import pytest

from tests.load.runs import after_retention, sampled, small_world

pytestmark = pytest.mark.timeout(1800)  # on a machine that others use
GROW = ("memory", "server", "catalog", "prefect", "mlflow")
STEP = 8  # MB: a database grows by its log, which is written back when it has 4 MB, and memory by arenas


def check(samples):
    """The second half of the runs leaves no more open, and no more MB for each run, than the first did."""
    first, middle, last = samples[0], samples[len(samples) // 2], samples[-1]
    assert last.files <= first.files + 4
    assert last.threads <= first.threads + 4
    for name in GROW:
        sizes = [getattr(each, name) for each in (first, middle, last)]
        early, late = sizes[1] - sizes[0], sizes[2] - sizes[1]
        most = 1.2 * max(early, 0.0) * (last.runs - middle.runs) / (middle.runs - first.runs) + STEP
        assert late <= most, f"{name}: {early:.1f} MB in {middle.runs} runs, then {late:.1f}"


@pytest.mark.slow
def test_a_few_runs_leave_nothing_open():
    with small_world() as world:
        samples = list(sampled(world, runs=3, every=1))
    assert [each.runs for each in samples] == [1, 2, 3]
    check(samples)


@pytest.mark.slow
@pytest.mark.hours
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_runs_leave_nothing_open_and_grow_in_line(cases):
    with small_world() as world:
        samples = list(sampled(world, runs=200, every=20))
        kept = after_retention(world.home)
    check(samples)
    assert kept < 2 + 200 * 0.1, "MB in Prefect's database: 100 KB a run at most, for a month"
    assert samples[-1].memory - samples[len(samples) // 2].memory < 5 * 100, "5 MB a run: Prefect's clients"
    cases(200)

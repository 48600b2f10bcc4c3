"""The plan on paper: its figures grow as they must, and are those of a computation by hand; the page shows them."""

from dataclasses import replace

import pytest

from scripts.large_plan import MEASURED, Assumptions, Work, figures, table
from tests.conftest import ROOT

SMALL = Work(prompts=4096, tokens=10, parameters=1e9, width=1024, layers=2, gpus=2)
GIVEN = Assumptions(peak=1e12, utilization=0.5, gpu_hour=3.0, put_thousand=1.0, gigabyte_month=2.0)
UNITS = replace(MEASURED, bytes_a_number=1.0, block=2**20, upload=1e6, bootstrap=0.5, answer=100)


def test_the_figures_are_those_by_hand():
    values = {name: value for name, (value, _) in figures(SMALL, UNITS, GIVEN).items()}
    # 2 · 1e9 · 10 · 4096 FLOP at 2 · 0.5e12 a second; 4096 · 2048 bytes, two parts of 4 MiB, four blocks each
    seconds, stored = 81.92, 8388608
    assert list(values.values()) == pytest.approx(
        [
            seconds / 3600,
            stored / 2e6 / 3600,
            seconds / 3600 * 2 * 3,
            stored / 1e12,
            2 * stored / 1e9,
            2,
            2 * (1 + 4 + 2) + 2,
            16 / 1000,
            4096 * 100 / 1e9,
            2048 / 3600,
        ]
    )


def test_twice_the_gpus_halve_the_hours_and_not_the_metrics():
    one, two = (figures(Work(gpus=gpus)) for gpus in (64, 128))
    ratios = {name: two[name][0] / one[name][0] for name in one}
    hours = [name for name, ratio in ratios.items() if ratio == pytest.approx(0.5)]
    assert hours == ["forward passes", "encoding and upload, a process a GPU, at the same time"]
    assert all(ratio == pytest.approx(1) for name, ratio in ratios.items() if name not in hours)


def test_the_page_shows_it():
    assert table(Work()) in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")

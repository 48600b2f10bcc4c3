"""Run every test of `tests/chaos` and `tests/hostile`, the slow ones too, and print how many cases survived.

`python scripts/chaos.py [PYTEST OPTIONS]`. A case is one kill, one damaged file, one full disk: a test counts those it
tried by the fixture `cases`. A test of random inputs, fifty times as many as in the suite, is one case.
Exits with 1 if any was lost.
"""

import sys
from pathlib import Path

import pytest

TESTS = [str(Path(__file__).parents[1] / "tests" / name) for name in ("chaos", "hostile")]
LONG = ["-m", "slow or not slow", "--timeout=3600", "--hypothesis-profile=chaos"]


class Tally:
    """Counts cases as pytest reports them: those a test recorded, else itself as one; a test that fails loses one."""

    def __init__(self) -> None:
        self.cases = self.lost = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.cases += dict(report.user_properties).get("cases", 1)
            self.lost += report.failed


def main(options: list[str]) -> int:
    tally = Tally()
    code = pytest.main([*LONG, *TESTS, *options], plugins=[tally])
    sys.stdout.write(f"{tally.cases} cases, {tally.cases - tally.lost} survived, {tally.lost} lost\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

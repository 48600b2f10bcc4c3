"""Run the tests of kills, damage, full disks, hostile files, load and processes at once, the slow ones too, with many
more examples of the fuzzers, and print how many cases survived.

`python scripts/chaos.py [PYTEST OPTIONS]`. A case is one kill, one damaged file, one full disk, one method over a
million rows: a test counts those it tried by the fixture `cases`, a skipped one none. Exits with 1 if any was lost.
"""

import sys
from pathlib import Path

import pytest

TESTS = [
    Path(__file__).parents[1] / "tests" / name for name in ("chaos", "hostile", "load", "flows/test_concurrent_runs.py")
]


class Tally:
    """Counts cases as pytest reports them: those a test recorded, else itself as one; a test that fails loses one."""

    def __init__(self) -> None:
        self.cases = self.lost = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (report.when == "call" and not report.skipped) or report.failed:
            self.cases += dict(report.user_properties).get("cases", 1)
            self.lost += report.failed


def main(options: list[str]) -> int:
    tally = Tally()
    selected = ["-m", "slow or not slow", "--timeout=36000", "--hypothesis-profile=chaos", *map(str, TESTS)]
    code = pytest.main([*selected, *options], plugins=[tally])
    sys.stdout.write(f"{tally.cases} cases, {tally.cases - tally.lost} survived, {tally.lost} lost\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

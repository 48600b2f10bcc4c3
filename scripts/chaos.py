"""Run the tests of kills, damage, full disks, hostile files and pages, load and processes at once, the slow ones too,
with more examples of the fuzzers, and print how many cases survived.

`python scripts/chaos.py [--long] [PYTEST OPTIONS]`. Without --long it leaves out what takes hours: most of the kills at
random moments, a million rows, two hundred runs, thousands of examples a fuzzer.
A case is one kill, one damaged file, one full disk, one method over a million rows: a test counts those it tried by the
fixture `cases`, any other as one, a fuzzer too, and a skipped one none. Exits with 1 if any was lost.
"""

import sys
from pathlib import Path

import pytest

OF_LOAD = ("tasks/test_reproducible.py", "tasks/tracking/test_scoring_app.py", "flows/services/test_model_server.py")
OF_SERVERS = ("flows/services/test_gate.py", "flows/services/test_drive_by.py")
OF_DAMAGE = ("warehouse/catalog/test_verified.py", "warehouse/catalog/test_full_disk.py")
FILES = ("chaos", "hostile", "load", "flows/test_concurrent_runs.py", *OF_DAMAGE, *OF_SERVERS, *OF_LOAD)
TESTS = [Path(__file__).parents[1] / "tests" / name for name in FILES]
SHORT = ["-m", "not hours and not gpu", "--hypothesis-profile=chaos"]
LONG = ["-m", "not gpu", "--hypothesis-profile=long"]
PROCESSES = ["--numprocesses=logical", "--maxprocesses=4", "--dist=worksteal"]


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
    chosen = LONG if "--long" in options else SHORT
    rest = [option for option in options if option != "--long"]
    code = pytest.main([*chosen, *PROCESSES, "--timeout=36000", *map(str, TESTS), *rest], plugins=[tally])
    sys.stdout.write(f"{tally.cases:,} cases, {tally.cases - tally.lost:,} survived, {tally.lost} lost\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Standard streams that are closed, full or left by their reader: no traceback, and no file takes their numbers."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

COMMAND = f"'{sys.executable}' -m flows.cli.main query"
NUMBERS = "import os; from flows.cli.streams import keep_streams; keep_streams(); print(os.open('/dev/null', 0)); "


def shell(line):
    return subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{COMMAND} | head -1; exit ${{PIPESTATUS[0]}}", 0),
        (f"{COMMAND} | true; exit ${{PIPESTATUS[0]}}", 0),
        (f"{COMMAND} <&- >&- 2>&-", 0),
        (f"{COMMAND} nonsense 2>&-", 2),
    ],
)
def test_a_closed_stream_is_no_failure_and_no_traceback(line, code):
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, "")


def test_output_to_a_full_disk_is_one_error():
    done = shell(f"{COMMAND} >/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device: ")
    assert done.stderr.count("\n") == 1


def test_no_file_takes_the_number_of_a_closed_stream():
    check = "import sys; sys.stdout.flush(); sys.exit(0 if os.open('/dev/null', 0) > 3 else 1)"
    assert shell(f"'{sys.executable}' -c \"{NUMBERS}{check}\" <&- >&- 2>&-").returncode == 0


def test_after_its_reader_left_a_command_goes_on():
    work = "import sys; [print('x' * 100_000, flush=True) for _ in range(9)]; sys.stderr.write('done')"
    done = shell(f"'{sys.executable}' -c \"{NUMBERS}{work}\" | head -c 5; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "done")

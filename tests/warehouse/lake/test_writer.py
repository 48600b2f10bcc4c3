import subprocess
import sys
import textwrap
import time

import pytest

from tests.warehouse.lakes import put_examples
from warehouse.catalog.catalog import LEASE, query, rebuild
from warehouse.errors import WriterBusy
from warehouse.lake.lease import lease

pytestmark = pytest.mark.medium

HOLDER = """
    import sys, time
    from pathlib import Path
    from warehouse.home import Home
    from warehouse.catalog.catalog import LEASE
    from warehouse.lake.lease import lease
    with lease(Home(Path(sys.argv[1])).root / LEASE, timeout=10):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def holder(home, seconds):
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(home.root), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_given_the_first_ones_process(home):
    first = holder(home, 60)
    began = time.monotonic()
    with pytest.raises(WriterBusy) as refused:
        rebuild(home, timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 10
    message = str(refused.value)
    assert f"is held by pid {first.pid} on " in message
    assert "try again" in message
    assert not home.catalog.exists()
    first.kill()
    first.communicate()
    rebuild(home, timeout=10)
    assert home.catalog.exists()


def test_a_second_writer_waits_its_turn(home):
    first = holder(home, 0.5)
    rebuild(home, timeout=30)
    first.communicate()
    assert first.returncode == 0


def test_the_lock_holds_between_threads_and_is_freed_by_errors(home):
    def fail():
        with lease(home.root / LEASE, timeout=1):
            with pytest.raises(WriterBusy):
                rebuild(home, timeout=0)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    rebuild(home, timeout=0)


REBUILDER = """
    import sys
    from pathlib import Path
    from warehouse.catalog.catalog import rebuild
    from warehouse.home import Home
    rebuild(Home(Path(sys.argv[1])))
"""


def test_five_rebuilds_at_once_leave_one_whole_catalog(home, lake):
    put_examples(lake, "mr")
    command = [sys.executable, "-c", textwrap.dedent(REBUILDER), str(home.root)]
    writers = [subprocess.Popen(command) for _ in range(5)]
    assert [writer.wait(120) for writer in writers] == [0] * 5
    assert len(query(home, "from examples")) == 10
    assert sorted(path.name for path in home.root.iterdir()) == ["lake", "warehouse.duckdb"]

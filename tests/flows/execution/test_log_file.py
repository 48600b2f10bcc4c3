"""The log that a command leaves in its home."""

import logging
import re

from flows.execution.log_file import MAX_LOGS, log_file
from warehouse.home import Home


def test_what_flows_and_tasks_log_is_there_with_its_time(tmp_path):
    with log_file(Home(tmp_path), "pipeline") as path:
        logging.getLogger("prefect.made.flows").warning("a class has few rows")
        logging.getLogger("prefect.made.tasks").error("a shard failed")
        logging.getLogger("other").error("not ours")
    logging.getLogger("prefect.made.flows").warning("later")
    lines = path.read_text().splitlines()
    assert [re.sub(r"^[\d-]{10} [\d:,]{12} ", "", line) for line in lines] == [
        "WARNING prefect.made.flows: a class has few rows",
        "ERROR   prefect.made.tasks: a shard failed",
    ]


def test_commands_of_one_second_have_a_log_each(tmp_path):
    with log_file(Home(tmp_path), "run") as first, log_file(Home(tmp_path), "run") as second:
        assert first != second


def test_the_oldest_logs_are_removed_and_no_other_file(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for day in range(MAX_LOGS + 5):
        (logs / f"20200101T{day:06}-run.log").touch()
    (logs / "prefect.log").touch()
    with log_file(Home(tmp_path), "run") as path:
        pass
    names = sorted(file.name for file in logs.iterdir())
    assert len(names) == MAX_LOGS + 1
    assert {path.name, "prefect.log"} < set(names)
    assert "20200101T000005-run.log" not in names

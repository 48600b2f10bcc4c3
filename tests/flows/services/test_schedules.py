"""A file of deployments is looked at before anything starts: what would never run is refused with its fix."""

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from flows.services.deployments import ScheduleError, check_deployments, next_run
from flows.services.servers import DEPLOYMENTS


@pytest.fixture
def write(tmp_path):
    """A file with one deployment, `nightly`, changed."""

    def write(**changes):
        file = tmp_path / "prefect.yaml"
        one = {
            "name": "nightly",
            "entrypoint": "vocabsem.flows:pipeline",
            "parameters": {"experiment": "quickstart"},
        }
        file.write_text(yaml.safe_dump({"deployments": [one | changes]}))
        return file

    return write


def test_the_checkouts_own_file_says_what_comes():
    lines = check_deployments(DEPLOYMENTS)
    assert [line.split()[0].rstrip(":") for line in lines] == ["run-card-hourly", "verify-and-clean-weekly"]
    assert lines[0].startswith("  run-card-hourly quickstart: next 20")
    assert lines[0].endswith(":10 UTC")


def test_the_next_time_is_that_of_the_time_zone():
    result = next_run("here", {"cron": "15 7 * * *", "timezone": "Asia/Kolkata"})
    assert (result.hour, result.minute) == (7, 15)
    assert result.utcoffset() == timedelta(hours=5, minutes=30)
    assert timedelta(0) < result - datetime.now(UTC) <= timedelta(days=1)


def test_an_interval_counts_from_its_anchor():
    anchor = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    result = next_run("here", {"interval": 3600, "anchor_date": anchor.isoformat(), "parameters": {"hours": 1}})
    assert result == anchor


NEVER = {
    "a day that no month has": ({"cron": "0 0 31 2 *"}, "never fires: no day is like that; fix the schedule"),
    "a rule that has ended": ({"rrule": "DTSTART:20200101T000000\nRRULE:FREQ=DAILY;COUNT=3"}, "never fires"),
    "no cron": ({"cron": "61 * * * *"}, "is no schedule: Invalid cron"),
    "a zone of another planet": ({"cron": "0 5 * * *", "timezone": "Mars/Olympus"}, "is no schedule: Invalid timezone"),
    "no time": ({"slug": "empty"}, "is no schedule: give cron, interval or rrule"),
    "a word": ("nightly", "'nightly' is no schedule: give cron, interval or rrule"),
    "no pause": ({"interval": 0}, "is no schedule"),
}


@pytest.mark.parametrize("what", NEVER)
def test_a_schedule_that_never_fires_is_refused(write, what):
    schedule, output = NEVER[what]
    with pytest.raises(ScheduleError, match=f"deployment 'nightly' of .*prefect.yaml: .*{output}"):
        check_deployments(write(schedules=[schedule]))


@pytest.mark.parametrize(
    ("changes", "output"),
    [
        ({"parameters": {"experiment": "quikstart"}}, "unknown experiment 'quikstart' .*did you mean 'quickstart'"),
        ({"parameters": {"experiment": "quickstart", "overrides": {"shotz": [1]}}}, "shotz"),
        ({"schedules": [{"cron": "0 5 * * *", "parameters": {"experiment": "gone.yaml"}}]}, "gone.yaml"),
    ],
)
def test_a_card_that_is_not_there_is_refused(write, changes, output):
    with pytest.raises(ScheduleError, match=f"deployment 'nightly' of .*: .*{output}"):
        check_deployments(write(**changes))


def test_a_schedule_names_its_own_card_and_whether_it_is_paused(write):
    schedules = [{"cron": "0 5 * * *", "active": False, "parameters": {"experiment": "paper"}}]
    (line,) = check_deployments(write(schedules=schedules))
    assert line.startswith("  nightly paper: next ")
    assert line.endswith("05:00 UTC, paused")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        (None, "cannot be read .*No such file"),
        ("deployments: [", "is not YAML"),
        ("[]", "has no deployments"),
        ("deployments: []", "has no deployments"),
        ("deployments: [{name: nightly}]", "has no deployments with a name and an entrypoint"),
    ],
)
def test_a_file_without_deployments_is_refused(tmp_path, text, output):
    file = tmp_path / "prefect.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ScheduleError, match=output):
        check_deployments(file)
    assert ScheduleError.exit_code == 2

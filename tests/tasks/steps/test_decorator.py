"""Options of our tasks: which errors are tried again, and that nothing is cached."""

import pytest
from prefect.states import Failed

from tasks.fetch import fetch_card
from tasks.steps.decorator import step_task
from vocabsem.errors import ComputationFailed, DownloadFailed, SourceError


def work(): ...


@pytest.mark.parametrize(
    ("error", "again"),
    [(DownloadFailed("x"), True), (ComputationFailed("x"), False), (SourceError("x"), False), (OSError("x"), False)],
)
def test_only_a_transient_error_is_tried_again(error, again):
    tried = step_task(task_run_name="try", retry_on=(DownloadFailed,))(work)
    assert tried.retry_condition_fn(None, None, Failed(data=error)) is again
    assert tried.retries == len(tried.retry_delay_seconds) == 3
    assert tried.retry_delay_seconds == sorted(tried.retry_delay_seconds)


def test_a_task_is_tried_once_unless_it_names_errors():
    assert step_task(task_run_name="try")(work).retries == 0
    assert fetch_card.retries == 3

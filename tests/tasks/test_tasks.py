"""Tasks run in any process: each can be sent there."""

from importlib import import_module

import pytest
from prefect import Task
from prefect.utilities.callables import cloudpickle_wrapped_call

from tests.conftest import ROOT

FILES = sorted(path.stem for path in (ROOT / "tasks").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", FILES)
def test_a_task_can_be_sent_to_another_process(name):
    (task,) = (value for value in vars(import_module(f"tasks.{name}")).values() if isinstance(value, Task))
    assert cloudpickle_wrapped_call(task, task.fn)

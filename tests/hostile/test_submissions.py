"""Hostile submissions: whatever stands in the file, it is refused in one line or its differences are named."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.views.submission import make_submission
from tasks.views.submission_check import mismatches
from tasks.views.submission_examples import check_examples
from tasks.views.submission_schema import read_submission
from tests.flows.command import command
from tests.tasks.views.recorded import record
from vocabsem.errors import BadInput
from warehouse.home import Home
from warehouse.lake.keys import partition_key

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    plan, key = record(tmp_path_factory.mktemp("hostile"), methods=["zero_shot"], shots=[0], seeds=[0])
    return make_submission(plan.home, key)


def nodes(value, path=()):
    """Every path to a value of a JSON, objects and lists included."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes(inner, (*path, key))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_value_anywhere_is_refused_or_named(made, tmp_path_factory, data):
    """Also where whoever changed it has made the hash of the whole anew."""
    content = copy.deepcopy(made)
    path = data.draw(st.sampled_from(sorted(nodes(made), key=str)))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = data.draw(VALUES)
    if data.draw(st.booleans()):
        content.pop("sha256", None)
        content["sha256"] = partition_key(content)
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(content))
    try:
        read = read_submission(file)
    except BadInput as refusal:
        message = str(refusal)
        assert "\n" not in message
        assert len(message) < 1000
        return
    for mismatch in mismatches(read):
        assert str(mismatch)
    list(check_examples(Home(tmp_path_factory.getbasetemp() / "nothing"), read.submission, None))


def test_what_is_printed_controls_no_terminal(made, tmp_path):
    forged = copy.deepcopy(made)
    forged["record"]["experiment"] = "\x1b[2Jgone\n" + "x" * 5000
    forged["fits"][0]["metrics"]["nll"]["value"] = 9.0
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    done = command(Home(tmp_path / "home"), "verify-submission", tmp_path / "forged.json")
    assert done.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stdout) < 5000
    assert "nll: value: stated 9.0" in done.stdout

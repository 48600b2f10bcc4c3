"""Roles as text in a manifest, and back."""

import pytest

from warehouse.roles import Role, by_role, keys_of

ROLES = {
    "anchors": Role("anchors"),
    "metrics:0": Role("metrics", "0"),
    "states:test@1": Role("states", "test@1"),
    "states:mr@bare/train": Role("states", "mr@bare/train"),
}


@pytest.mark.parametrize("text", ROLES)
def test_a_role_is_read_as_it_is_written(text):
    assert Role.parse(text) == ROLES[text]
    assert str(ROLES[text]) == text


def test_the_keys_of_a_kind_keep_their_order():
    inputs = by_role({"metrics:1": "b", "states:train": "s", "metrics:0": "a", "anchors": "x"})
    assert list(keys_of(inputs, "metrics").items()) == [("1", "b"), ("0", "a")]
    assert keys_of(inputs, "anchors") == {"": "x"}
    assert keys_of(inputs, "runs") == {}

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import InvalidName
from warehouse.lake.keys import canonical, checked_key, checked_name, partition_key, short

TEXT = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


def shuffled(value, random):
    """`value` with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, random)) for key, inner in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(inner, random) for inner in value] if isinstance(value, list) else value


def test_the_key_is_the_sha256_of_sorted_json_without_spaces():
    text = '{"a":{"b":null,"c":[1,2.5,true]},"z":"é\\n"}'
    assert canonical({"z": "é\n", "a": {"c": (1, 2.5, True), "b": None}}) == text
    assert (
        partition_key({"z": "é\n", "a": {"c": [1, 2.5, True], "b": None}}) == hashlib.sha256(text.encode()).hexdigest()
    )


@given(JSON)
def test_nothing_is_lost(value):
    assert json.loads(canonical(value)) == value


@pytest.mark.medium
@given(st.dictionaries(TEXT, JSON), st.randoms(use_true_random=False))
def test_order_does_not_matter(payload, random):
    assert partition_key(shuffled(payload, random)) == partition_key(payload)


@given(JSON, JSON)
def test_different_values_differ(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) == same


@pytest.mark.parametrize(
    ("payload", "index"),
    [
        ({"a": [1.0, float("nan")]}, "payload.a[1] is nan"),
        ({"a": {"b": float("inf")}}, "payload.a.b is inf"),
        ({"a": {1: "x"}}, "payload.a has the key 1"),
        ({"a": Path("/x")}, "payload.a holds a PosixPath"),
        ({"a": np.int64(3)}, "payload.a holds a int64"),
        ({"a": b"x"}, "payload.a holds a bytes"),
        ({"a": {"x"}}, "payload.a holds a set"),
        ({"a": "\ud800"}, "no valid Unicode"),
        ({"\udfff": 1}, "no valid Unicode"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(payload, index):
    with pytest.raises(InvalidName) as refused:
        partition_key(payload)
    assert index in str(refused.value)


@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "a", "0", "A.b_c-d+e@f", "x" * 120])
def test_plain_names_pass(name):
    assert checked_name(name, "model") == name


NO_NAMES = [".", "..", "a/b", "../a", "a/../b", "/etc", "a=b", "-rf", ".hidden", "a..b", "ü", "~", "$HOME"]
NO_NAMES += ["a'b", 'a"b', "a*", "a?", "[a]", "%41", "a\\b", "", "a b", "a\n", "\na", "a\0", "x" * 121]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_could_be_anything_but_a_name_are_refused(name):
    with pytest.raises(InvalidName, match="cannot be a model"):
        checked_name(name, "model")


@given(st.text())
def test_a_name_that_passes_stays_one_harmless_part_of_a_path(name):
    try:
        checked_name(name, "model")
    except InvalidName:
        return
    path = Path("/lake") / f"model={name}"
    assert path.name == f"model={name}"
    assert path.resolve() == path
    assert not set(name) & set("*?[]{}'\"\\%$ =;\n\t")


def test_short_keys_are_the_first_twelve_digits():
    key = partition_key({})
    assert short(key) == key[:12]
    assert checked_key(key) == key
    for wrong in (key[:-1], key.upper() + "", key + "0", "../" + key[3:], key[:-1] + "\n"):
        with pytest.raises(InvalidName, match="no partition key"):
            checked_key(wrong)

"""Layers by number, from the end or as a share of the depth, each with its pooling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.errors import DataError
from vocabsem.states.layers import column_of, layer_and_pooling, resolve_layers

DEPTH = 12
POOLINGS = st.sampled_from(["last", "mean", "weighted_mean", "echo"])
PLAIN = st.integers(-DEPTH - 1, DEPTH) | st.floats(0.01, 1).map(lambda x: round(x, 2)) | st.just("last")
GIVEN = st.one_of(PLAIN, st.builds("{}:{}".format, PLAIN, POOLINGS))


@pytest.mark.parametrize(
    ("layers", "pooling", "expected"),
    [
        (["last", 0, -2, 3], "last", [0, 3, 11, 12]),
        ([0.5, 0.75, "last", 1.0], "last", [6, 9, 12]),
        (["last", "last:mean", "0.5:mean", 6], "last", ["6:mean", "12:mean", 6, 12]),
        (["-1:mean", 12], "mean", [12]),
        (["-1:last", 3], "mean", [3, "12:last"]),
    ],
)
def test_layers_are_named_in_several_ways(layers, pooling, expected):
    assert resolve_layers(layers, DEPTH, pooling) == expected


@given(st.lists(GIVEN, min_size=1), POOLINGS)
def test_resolved_layers_stay_as_they_are_and_the_vocabularys_state_is_last(layers, pooling):
    resolved = resolve_layers(layers, DEPTH, pooling)
    assert resolve_layers(resolved, DEPTH, pooling) == resolved
    both = [layer_and_pooling(layer, pooling) for layer in resolved]
    assert len(set(both)) == len(both) == len({column_of(layer) for layer in resolved})
    assert both == sorted(both, key=lambda each: (each[1] == "last", *each))


@pytest.mark.parametrize("wrong", [[13], [-14], ["13:mean"], []])
def test_a_layer_that_the_model_lacks_is_refused(wrong):
    with pytest.raises(DataError, match=r"0 \(embedding\) to 12"):
        resolve_layers(wrong, DEPTH)


@pytest.mark.parametrize(
    "wrong", ["last", 3, ["first"], [None], [True], ["6:max"], ["6:"], [1.5], [float("nan")], [-0.5]]
)
def test_what_is_no_layer_is_refused(wrong):
    with pytest.raises(DataError, match="give a list of numbers"):
        resolve_layers(wrong, DEPTH)

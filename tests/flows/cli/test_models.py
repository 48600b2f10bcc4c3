"""Nearest tokens against the anchors in the lake."""

import numpy as np
import pytest

from flows.cli.models import nearest_tokens
from vocabsem.errors import BadInput
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium


def test_neighbors_are_nearest_by_the_cosine_of_anchors(ran):
    world, _ = ran
    plan = world.plan()
    table = plan.pairs[0].anchors.partition(Lake(world.home)).table()
    anchors = matrix(table["anchor"]).astype(np.float64)
    tokens = table["token"].to_pylist()
    position = tokens.index("Ġbad")
    units = anchors / np.linalg.norm(anchors, axis=1, keepdims=True)
    cosines = units @ units[position]
    nearest = [i for i in np.argsort(-cosines) if i != position][:5]
    result = nearest_tokens(world.home, "tiny-llama", "Ġbad", 5).to_pylist()
    assert [row["token"] for row in result] == [tokens[i] for i in nearest]
    assert [row["cosine"] for row in result] == pytest.approx(cosines[nearest], abs=1e-6)


def test_a_token_in_another_spelling_is_suggested(ran):
    with pytest.raises(BadInput, match="'ĠBAD' is no single token of 'tiny-llama': it has 'Ġbad'"):
        nearest_tokens(ran[0].home, "tiny-llama", "ĠBAD", 5)


def test_an_empty_token_is_refused(ran):
    with pytest.raises(BadInput, match="the token is empty: give one"):
        nearest_tokens(ran[0].home, "tiny-llama", "", 5)

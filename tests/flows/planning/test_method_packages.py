"""A method that needs another package, from the card: refused before anything is computed, never a champion."""

from importlib.util import find_spec

import numpy as np
import pytest

from flows.execution.workers import started
from tests.tasks.worlds import World, compute, fit_of
from tests.vocabsem.methods.test_tabicl import checkpoint  # noqa: F401  # a fixture
from vocabsem.errors import DataError

METHODS = ["centroid", "tabicl"]


def test_a_run_is_refused_before_its_first_step_where_weights_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("vocabsem.methods.tabicl.find_spec", lambda _: find_spec("torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    plan = World(tmp_path).plan(methods=METHODS, shots=[4], champion=False)
    with pytest.raises(DataError, match=f"method tabicl: its weights .* are not in {tmp_path}"), started(plan):
        pass
    assert not plan.home.lake.exists()


def test_it_is_never_a_champion(tmp_path):
    plan = World(tmp_path).plan(methods=METHODS, shots=[4])
    assert {fit.method: fit.servable for fit in plan.fits} == {"centroid": True, "tabicl": False}


@pytest.mark.medium
@pytest.mark.filterwarnings("ignore")  # of another package
def test_a_plan_is_computed_with_the_checkpoint_of_its_card(tmp_path, checkpoint):  # noqa: F811
    params = checkpoint | {"n_estimators": 2, "n_components": 4}
    plan = World(tmp_path).plan(methods=[{"method": "tabicl", "params": params}], shots=[4], champion=False)
    with started(plan):
        compute(plan)
    table = fit_of(plan, plan.fits[0].name, 4).predictions.partition(plan.lake).table(["probabilities"])
    np.testing.assert_allclose(np.stack(table["probabilities"].to_numpy()).sum(axis=1), 1, atol=1e-6)

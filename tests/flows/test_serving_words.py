"""A champion that scores label words of several tokens exactly: registered, loaded, and predicting as in the lake."""

import numpy as np
import pandas as pd
import pytest

from tasks.models.loaded import word_ids
from tasks.steps.lake_reads import split_rows
from tasks.tracking.packaging import load_classifier
from tasks.tracking.registered import find_classifier
from tests.flows.champions import recorded_champion
from tests.tasks.test_word_scores import EXPERIMENT, PHRASES
from tests.tasks.worlds import World
from warehouse.catalog import reads
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium
NAMES = [label["name"] for label in PHRASES]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recorded run of exact scores alone, its champion registered: plan, registration."""
    settings = EXPERIMENT | {"champion": True, "shots": [0]}
    world = World(tmp_path_factory.mktemp("words"), dataset={"labels": PHRASES}, experiment=settings)
    return recorded_champion(world, "examples", "states", "predictions", "metrics")


def test_every_fit_of_exact_scores_competes_and_the_best_is_champion(made):
    plan, registered = made
    rows = reads.best_by_validation(plan.home, plan.run.key)
    assert len(rows) == len(plan.fits)
    assert all(row["servable"] for row in rows)
    (best,) = (row for row in rows if row["champion_rank"] == 1)
    assert best["validation_macro_f1"] == max(row["validation_macro_f1"] for row in rows)
    assert (registered.alias, registered.method) == ("champion", best["method"])


def test_it_loads_the_model_and_scores_words(made):
    plan, registered = made
    (fit,) = (fit for fit in plan.fits if fit.predictions.key == registered.predictions)
    config = find_classifier(plan.home, registered.name).config
    (pair,) = plan.pairs
    assert config["settings"]["words"] == word_ids(pair.model, pair.word_scores["test"].spec, plan.home)
    assert "layers" not in config["settings"]
    table = split_rows(plan.home, "made", fit.examples.key, "test", ["id", "text"])
    stored = fit.predictions.partition(Lake(plan.home)).table().to_pandas()
    stored = stored[stored.split == "test"].set_index("id").loc[table["id"].to_pylist()]
    frame = load_classifier(plan.home, registered.name).predict(pd.DataFrame({"text": table["text"].to_pylist()}))
    np.testing.assert_allclose(frame[NAMES], np.stack(stored.probabilities.to_numpy()), atol=1e-6)
    assert frame["label"].tolist() == [NAMES[index] for index in stored.predicted]

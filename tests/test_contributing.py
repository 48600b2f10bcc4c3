"""The examples of CONTRIBUTING.md, each used as the page says."""

import re

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT
from tests.vocabsem.method_data import make_space, make_states
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.instruments.base import Sampling
from vocabsem.methods.extensions import resolve
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.registry import build_method, method_info
from warehouse.catalog import catalog
from warehouse.home import Home


def example(heading, language):
    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


def defined(code):
    namespace = {}
    exec(code, namespace)
    return namespace


def test_the_method_is_an_estimator():
    states, labels = make_states()
    median = defined(example("Add a method", "python"))["Median"]().fit(states, labels)
    expected = [
        min(range(3), key=lambda c: np.abs(state - np.median(states[labels == c], axis=0)).sum()) for state in states
    ]
    assert median.predict(states).tolist() == expected
    assert set(vars(median)) == {"space", "classes_", "n_features_in_", "temperature_", "medians_"}


def test_the_method_is_named_by_its_file(tmp_path):
    (tmp_path / "median.py").write_text(example("Add a method", "python"))
    first, _ = yaml.safe_load(example("Add a method", "yaml"))["methods"]
    name = resolve(first["method"], tmp_path)
    assert method_info(name).needs_labels
    space = make_space()
    states, labels = make_states()
    median = build_method(name, {}, space, random_state=0).fit(states, labels)
    arrays, metadata = to_arrays(median)
    assert arrays["learned.medians_"].shape == (3, states.shape[1])
    stored = from_arrays(arrays, metadata, tmp_path / "median.py")
    assert (stored.predict(states) == median.predict(states)).all()


@pytest.mark.parametrize(("heading", "card"), [("Add a data set", DatasetCard), ("Add a model", ModelCard)])
def test_the_cards_are_valid(heading, card):
    card.model_validate(yaml.safe_load(example(heading, "yaml")))


def test_the_query_runs(tmp_path):
    home = Home(tmp_path)
    catalog.rebuild(home)
    sql = example("Add a query", "sql")
    answer = catalog.query(home, sql, {"dataset": "trec"})
    assert answer.column_names == ["dataset", "split", "label_name", "examples"]
    assert re.fullmatch(r"-- \$\w+ = null: .+", sql.split("\n")[1])


def test_the_study_finds_a_planted_signal_and_none_in_noise():
    separation_study = defined(example("Add a study", "python"))["separation_study"]
    generator, labels = np.random.default_rng(0), np.arange(60) % 2
    noise = generator.standard_normal((60, 4))
    result = separation_study("made", {0: noise, 1: noise + 3 * labels[:, None]}, labels, Sampling(100, 100, 0))
    nothing, planted = result.values
    assert nothing.null[0] <= nothing.value <= nothing.null[1]
    assert planted.null[1] < planted.interval[0] <= planted.value <= planted.interval[1]


def test_the_instrument_measures():
    assert defined(example("Add an instrument", "python"))["margin"]([[1, 4, 2], [0, 0, 0]]) == {"margin": 1.0}

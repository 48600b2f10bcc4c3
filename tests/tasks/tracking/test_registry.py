"""Champion and challenger: who is replaced, and what is stated when two cannot be compared."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import f1_score

from tasks.steps.facts import ExamplesFacts, SeedFacts
from tasks.steps.predictions import prediction_rows, publish_predictions
from tasks.steps.result_specs import MetricsSpec
from tasks.steps.specs import ExamplesSpec, MethodSettings, StatesFitSpec, StatesRef
from tasks.steps.step import PlannedFit, Step
from tasks.tracking.active_run import open_run
from tasks.tracking.registry import compare_with_champion, register
from tasks.tracking.store import store
from tests.tasks.worlds import World, dataset_card, model, with_store
from tests.vocabsem.evaluation.test_resampling import draws_by_class
from vocabsem.cards.schema import DatasetCard
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

N = 120


def publish_examples(home, dataset, of="first", texts="text"):
    """Validation rows of three classes; `texts` and `of` make other rows and other keys."""
    hashes = {"train": "0" * 64, "of": of}
    step = Step(ExamplesSpec(dataset=dataset.name, card=dataset.content(), hashes=hashes, limits={}))
    rows = [{"id": f"all-{i}", "split": "validation", "label": i % 3, "text": f"{texts} {i}"} for i in range(N)]
    table = pa.Table.from_pylist([row | {"label_name": dataset.label_names[row["label"]]} for row in rows])
    facts = ExamplesFacts(
        rows_read={"all": N},
        rows_of_other_sources=0,
        empty_dropped=0,
        duplicates_removed={},
        split_rule="made",
        counts={"validation": dict.fromkeys(dataset.label_names, N // 3)},
        majority_share={"validation": 1 / 3},
        rows={"validation": N},
        description=dataset.description,
        license=dataset.license,
        citation=dataset.citation,
        template=dataset.template,
        sources=dataset.files,
        classes=[],
    )
    step.publish(Lake(home), table, facts)
    return step


def contender(home, examples, right, *, seeds=(0, 1, 2), shots=4, method="ridge"):
    """A method that answers the share `right` of the rows, drawn at random, as their labels say."""
    dataset = DatasetCard.model_validate(dataset_card(home.root))
    spec = StatesFitSpec(
        model="tiny",
        dataset=dataset.name,
        name=method,
        shots=shots,
        method=MethodSettings(name=method, params={"right": right}),
        words=dataset.label_words,
        word_tokens=dataset.word_tokens,
        seeds=seeds,
        states=[StatesRef(split="test", key=examples.key)],
        anchors="a" * 64,
    )
    step = Step(spec)
    labels = np.arange(N) % 3
    tables = []
    for seed in seeds:
        order = np.random.default_rng([seed, round(right * 1000)]).permutation(N)
        answers = np.where(order < right * N, labels, (labels + 1) % 3)
        tables.append(prediction_rows("validation", seed, [str(i) for i in range(N)], labels, np.eye(3)[answers]))
    publish_predictions(home, step, tables, [], b"weights", [SeedFacts(seed=seed, fit_seconds=0) for seed in seeds])
    return PlannedFit(
        model=model().model_copy(update={"name": "tiny"}),
        dataset=dataset,
        name=method,
        method=method,
        shots=shots,
        control=False,
        servable=True,
        examples=examples,
        predictions=step,
        metrics=Step(MetricsSpec(**step.coordinates, predictions=step.key)),
    )


def f1_of(home, fit):
    table = fit.predictions.partition(Lake(home)).table().to_pandas()
    each = [f1_score(rows["label"], rows["predicted"], average="macro") for _, rows in table.groupby("seed")]
    return np.mean(each)


def champion(fit, version="7", **tags):
    """What MLflow knows of a registered champion."""
    known = {"predictions": fit.predictions.key, "examples": fit.examples.key, "model": "tiny"}
    return SimpleNamespace(
        name="contest", version=version, tags=known | {"method": fit.name, "shots": str(fit.shots)} | tags
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return with_store(World(tmp_path_factory.mktemp("registry"))).home


@pytest.fixture(scope="module")
def examples(home):
    return publish_examples(home, DatasetCard.model_validate(dataset_card(home.root)))


@pytest.mark.parametrize(("right", "alias"), [(0.9, "champion"), (0.62, "challenger"), (0.58, None), (0.2, None)])
def test_only_a_difference_beyond_chance_replaces_the_champion(home, examples, right, alias):
    holder, other = (contender(home, examples, share) for share in (0.6, right))
    decision = compare_with_champion(home, other, champion(holder))
    assert decision.alias == alias
    assert decision.difference.value == pytest.approx(f1_of(home, other) - f1_of(home, holder), abs=1e-12)
    assert (decision.difference.low > 0) == (alias == "champion")
    assert f"{decision.difference.value:+.3f} [{decision.difference.low:+.3f}" in decision.why
    assert "against version 7" in decision.why
    assert ("stays champion" in decision.why) == (alias != "champion")


def test_the_interval_is_that_of_examples_and_seeds_drawn_anew(home, examples):
    """By a plain loop: seeds and, class by class, examples drawn with replacement, macro-F1 as it is defined."""
    holder, other = contender(home, examples, 0.6), contender(home, examples, 0.7)
    tables = [fit.predictions.partition(Lake(home)).table().to_pandas() for fit in (other, holder)]
    first, second = ([rows["predicted"].to_numpy() for _, rows in table.groupby("seed")] for table in tables)
    labels, rng, draws = np.arange(N) % 3, np.random.default_rng(5), 4000

    def macro_f1(y, p):
        return np.mean([2 * ((y == c) & (p == c)).sum() / ((y == c).sum() + (p == c).sum()) for c in range(3)])

    assert macro_f1(labels, first[0]) == pytest.approx(f1_score(labels, first[0], average="macro"))
    sampled = []
    for _ in range(draws):
        rows, seeds = draws_by_class(labels, 1, rng)[0], rng.integers(3, size=3)
        each = [macro_f1(labels[rows], first[s][rows]) - macro_f1(labels[rows], second[s][rows]) for s in seeds]
        sampled.append(np.mean(each))
    result = compare_with_champion(home, other, champion(holder)).difference
    # a 2.5 % quantile of n normal draws has the deviation 2.67 σ/√n; here n is 4000 and 2000 of our own
    noise = 2.67 * np.std(sampled) * (1 / draws + 1 / 2000) ** 0.5
    assert (result.low, result.high) == pytest.approx(np.quantile(sampled, (0.025, 0.975)), abs=4 * noise)


def test_the_first_comer_and_the_champion_itself_are_champion(home, examples):
    fit = contender(home, examples, 0.5)
    assert compare_with_champion(home, fit, None).alias == "champion"
    decision = compare_with_champion(home, fit, champion(fit))
    assert (decision.alias, decision.difference) == ("champion", None)


def test_one_seed_stands_beside_every_seed_and_others_must_meet(home, examples):
    holder = contender(home, examples, 0.6)
    single = contender(home, examples, 0.95, seeds=(4,), shots="all")
    assert compare_with_champion(home, single, champion(holder)).difference.low > 0
    meeting = contender(home, examples, 0.95, seeds=(2, 3))
    assert compare_with_champion(home, meeting, champion(holder)).difference.low > 0
    strange = contender(home, examples, 0.95, seeds=(3, 4))
    assert compare_with_champion(home, strange, champion(holder)).alias == "challenger"
    assert "no seed in common" in compare_with_champion(home, strange, champion(holder)).why


def test_who_cannot_be_compared_is_challenger_and_it_is_stated_why(home, examples):
    fit, dataset = contender(home, examples, 0.95), DatasetCard.model_validate(dataset_card(home.root))
    elsewhere = contender(home, publish_examples(home, dataset, of="other", texts="other"), 0.5, method="centroid")
    again = contender(home, publish_examples(home, dataset, of="more training rows"), 0.5, method="centroid")
    assert compare_with_champion(home, fit, champion(again)).alias == "champion", (
        "the same validation rows under another key"
    )
    for holder, why in (
        (champion(elsewhere), "it was validated on other examples"),
        (champion(again, predictions="f" * 64), "what it predicted is no longer in the lake"),
        (champion(again, examples="f" * 64), "what it predicted is no longer in the lake"),
        (
            SimpleNamespace(name="contest", version="7", tags={"predictions": "f" * 64}),
            "it was registered without its examples' key",
        ),
    ):
        decision = compare_with_champion(home, fit, holder)
        assert (decision.alias, decision.difference) == ("challenger", None)
        assert f"version 7 stays champion, for it cannot be compared: {why}" in decision.why
        assert decision.why.endswith("move the alias by hand")


def test_aliases_and_tags_follow_in_the_registry(home, examples, tmp_path):
    run = open_run(home, {"name": "aliases", "description": ""}, {})
    (tmp_path / "config.json").write_text("{}")
    aliases, results = [], []
    shares = (0.5, 0.52, 0.5, 0.4, 0.9, 0.9)
    for right in shares:
        results.append(register(home, run, "contest", tmp_path, contender(home, examples, right)))
        with store(home) as client:
            aliases.append(client.get_registered_model("contest").aliases)
            tags = client.get_model_version("contest", results[-1].version).tags
            assert tags["decision"] == results[-1].why
            assert client.get_run(run).data.tags["contest"].endswith(results[-1].why)
    second = {"champion": 1, "challenger": 2}
    assert aliases == [{"champion": 1}, second, second, second, {"champion": 4}, {"champion": 4}]
    assert [each.alias for each in results] == ["champion", "challenger", "champion", None, "champion", "champion"]
    keys = [each.predictions for each in results]
    assert [each.before for each in results[:5]] == [None, *[keys[0]] * 4]
    assert results[5] == results[4], "what this run decided before stands"
    names = ["contest@champion", "contest@challenger", "contest@champion", "contest/3"]
    assert [each.model for each in results[:4]] == names
    with store(home) as client:  # the champion's version is removed, and its alias with it
        client.delete_model_version("contest", "4")
    assert register(home, run, "contest", tmp_path, contender(home, examples, 0.3)).alias == "champion"


def test_the_step_of_another_data_set_is_not_mistaken(home, examples):
    fit = contender(home, examples, 0.95)
    step = Step(fit.predictions.spec.model_copy(update={"dataset": "else"}))
    assert step.key != fit.predictions.key
    assert compare_with_champion(home, fit, champion(replace(fit, predictions=step))).alias == "challenger"

"""Texts longer than a prompt, from the card to the registered model: read in several prompts, and averaged."""

import json

import numpy as np
import pytest

from flows.pipeline import pipeline
from flows.planning.experiment import load_experiment
from flows.reporting.data_notes import plan_notes
from tasks.models.prompts import make_prompts
from tasks.steps.facts import StatesFacts, facts_of
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.progress import ProgressFile, in_texts
from tasks.tracking.outcome import registrations
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import SPLITS, World, compute, with_store
from vocabsem.errors import CardError
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium

LONG = {
    "methods": ["zero_shot", "vocabulary_calibrator", "ridge"],
    "shots": [0, 4],
    "seeds": [0],
    "max_tokens": 16,
    "max_chunks": 3,
    "layers": ["1:mean", "last"],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    world = with_store(World(tmp_path_factory.mktemp("long"), experiment=LONG))
    with recorded_by_the_server(world.home):
        return world, pipeline(experiment=world.card, home=str(world.home.root))


def test_the_registered_model_gives_the_stored_probabilities(ran):
    world, key = ran
    (champion,) = registrations(world.home, key)
    query = (
        "select e.text, p.probabilities from predictions p join examples e on e.key = p.examples_key and e.id = p.id"
        f" where p.split = 'test' and p.key = '{champion.predictions}' and p.seed = 0 order by p.row"
    )
    stored = json.loads(command(world.home, "sql", query, "--format", "json").stdout)
    assert len(stored) == SPLITS["test"]
    given = [row["text"] for row in stored]
    answers = json.loads(command(world.home, "predict", "--model", champion.model, "--json", *given).stdout)
    for answer, row in zip(answers, stored, strict=True):
        assert [answer[name] for name in ("neg", "pos", "tale")] == pytest.approx(row["probabilities"], abs=1e-5)


def test_few_texts_lose_their_end_and_all_are_counted(ran):
    world, _ = ran
    of = lambda plan: sum(  # noqa: E731
        facts_of(step.partition(plan.lake).manifest(), StatesFacts).truncated for step in plan.pairs[0].states.values()
    )
    plan, cut = world.plan(), _extracted(world, max_chunks=1)
    assert of(plan) < of(cut) / 20
    ((_, note),) = plan_notes(cut)
    assert note.startswith(f"{of(cut)} of {sum(SPLITS.values())} texts")
    assert "cut to 16 tokens" in note
    assert not of(plan) or "cut to 3 × 16 tokens" in plan_notes(plan)[0][1]


def test_states_of_texts_that_fit_do_not_depend_on_it(ran):
    world, _ = ran
    chunked, plain = world.plan().pairs[0], _extracted(world, max_chunks=1).pairs[0]
    long, cut = (
        pair.states["test"].partition(Lake(world.home)).table(["truncated", "layer_1_mean", "layer_3"])
        for pair in (chunked, plain)
    )
    fits = ~np.array(cut["truncated"].to_pylist())
    assert 0 < fits.sum() < len(fits)
    for layer in ("layer_1_mean", "layer_3"):
        same = np.isclose(matrix(long[layer]), matrix(cut[layer]), rtol=1e-4, atol=1e-5).all(axis=1)
        assert same.tolist() == fits.tolist()


def test_a_single_chunk_changes_no_key(ran):
    of = lambda **settings: ran[0].plan(**settings).pairs[0].states["test"].spec.canonical()  # noqa: E731
    assert "max_chunks" not in of(max_chunks=1)
    assert of()["max_chunks"] == 3


def test_each_chunk_follows_the_demonstrations(ran):
    world, _ = ran
    shown = {"methods": [{"method": "zero_shot", "demonstrations": 1}], "shots": [0], "max_tokens": 16}
    plan = world.plan(**shown)
    compute(plan, ("examples", "states"))
    (pair,) = plan.pairs
    step = pair.states["test+demos-1@0"]
    rows = [dict(fields) for fields in prompt_rows(world.home, step.spec)["fields"].to_pylist()]
    chunked = make_prompts(world.home, pair.model, step.spec, rows)
    assert chunked.sizes.max() > 1
    beginnings = {tuple(ids[:12]) for ids in chunked.prompts.token_ids}
    assert len(beginnings) == 1, "the demonstrations"
    table = step.partition(Lake(world.home)).table()
    assert table["tokens"].to_pylist() == chunked.tokens.tolist()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many"])
def test_a_number_of_chunks_that_is_none_is_one_error(ran, wrong):
    with pytest.raises(CardError, match="max_chunks"):
        load_experiment(ran[0].card, {"max_chunks": wrong})


@pytest.mark.parametrize(("batches", "texts"), [([3, 3, 1], 4), ([1, 1], 2), ([9], 5), ([2, 2, 2, 2], 3)])
def test_progress_counts_texts_and_ends_with_all_of_them(tmp_path, batches, texts):
    file = ProgressFile(tmp_path / "progress")
    file.path.touch()
    advance = in_texts(file, texts, sum(batches))
    reached = []
    for count in batches:
        advance(count, 10 * count)
        reached.append(file.totals()[0])
    assert reached == sorted(reached)
    assert file.totals() == (texts, 10 * sum(batches))


def _extracted(world, **overrides):
    plan = world.plan(**overrides)
    compute(plan, ("examples", "states"))
    return plan

"""Tasks of several machines whose home is one bucket: each reads what the others wrote, as in a local home."""

from dataclasses import replace

import pyarrow.compute as pc
import pytest

from flows.planning.study import make_study_plan
from flows.planning.study_card import load_study
from tasks.models.extensions import keep_method, method_source
from tasks.publish_states import publish_states
from tasks.publish_token_states import publish_token_states
from tasks.publish_word_scores import publish_word_scores
from tasks.states import extract_shard
from tasks.steps.shards import resumed_shards, shards
from tasks.steps.specs import MethodSettings
from tasks.token_states import extract_token_shard
from tasks.views.lens import inspect_prompt
from tasks.word_scores import score_shard
from tests.tasks.worlds import SPLITS, World, compute
from warehouse.errors import CorruptPartition, StoreUnavailable
from warehouse.lake.bucket import open_bucket
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

ROWS, SIZE = SPLITS["test"], 16  # of a shard
METHODS = ["centroid", {"method": "zero_shot", "scoring": "exact"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Examples in a local home; states, word scores and a study of tokens to be computed."""
    methods = {"methods": METHODS, "shots": [0, 4], "seeds": [0], "champion": False}
    world = World(tmp_path_factory.mktemp("world"), experiment=methods)
    world.write_study("dictionary", layers=[1, "last"])
    compute(world.plan(), ["examples"])
    return world


def work_of(world, home, kind):
    """The step of a kind on the test split, as planned for a home; its shards' task and the task that publishes it."""
    (pair,) = replace(world.plan(), home=home).pairs
    model, dataset = pair.model, pair.dataset
    if kind == "states":
        step = pair.states["test"]
        return (
            step,
            lambda span: extract_shard.fn(home, model, dataset, step, *span, "cpu"),
            lambda: publish_states.fn(home, step, ROWS, SIZE),
        )
    if kind == "word_scores":
        step = pair.word_scores["test"]
        return (
            step,
            lambda span: score_shard.fn(home, model, step, *span, "cpu"),
            lambda: publish_word_scores.fn(home, model, step, ROWS, SIZE),
        )
    study = make_study_plan(load_study(str(world.folder / "study.yaml")), world.home)
    step = study.data.pairs[0].studied["test"]
    return (
        step,
        lambda span: extract_token_shard.fn(home, model, dataset, step, *span, "cpu"),
        lambda: publish_token_states.fn(home, step, ROWS, SIZE),
    )


@pytest.mark.parametrize("kind", ["states", "word_scores", "token_states"])
def test_shards_of_two_machines_are_published_by_a_third_as_in_a_local_home(world, machine, kind):
    first, second = shards(ROWS, SIZE)
    compute(replace(world.plan(), home=machine("maker")), ["examples"])
    for home, spans in ((machine("one"), [first]), (machine("two"), [second]), (world.home, [first, second])):
        step, shard, _ = work_of(world, home, kind)
        for span in spans:
            shard(span)
    there = resumed_shards(machine("three"), step, ROWS, SIZE)
    assert list(there) == [first, second]
    assert all(there.values())
    published = []
    for home in (machine("three"), world.home):
        step, _, publish = work_of(world, home, kind)
        publish()
        partition = step.partition(Lake(home))
        published.append((partition.table(), partition.require()))
    (ours, manifest), (theirs, expected) = published
    assert ours == theirs
    assert (manifest.key, manifest.payload, manifest.checks) == (expected.key, expected.payload, expected.checks)
    assert dict(manifest.facts, seconds=0) == dict(expected.facts, seconds=0)


def test_a_fit_reads_what_another_machine_made_and_predicts_as_in_a_local_home(world, machine):
    tables = []
    for one, two in ((machine("one"), machine("two")), (world.home, world.home)):
        compute(replace(world.plan(), home=one), ["examples", "anchors", "states"])
        plan = replace(world.plan(), home=two)
        compute(plan, ["predictions", "metrics"])
        steps = [step for fit in plan.pairs[0].fits for step in (fit.predictions, fit.metrics)]
        tables.append([step.partition(plan.lake).table() for step in steps])
        assert all(map(replace(plan, home=one).published, steps))
    assert len(tables[0]) == 4
    for ours, theirs in zip(*tables, strict=True):
        if "metric" in ours.column_names:
            ours, theirs = (table.filter(pc.field("metric") != "fit_seconds") for table in (ours, theirs))
        assert ours == theirs


def test_a_methods_file_is_read_on_every_machine_and_refused_where_it_was_changed(machine, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("ours = 1\n")
    keep_method(machine("one"), f"{file}:Mine")
    (key,) = [each.key for each in open_bucket(machine().url).list("methods/")]
    settings = MethodSettings(method="mine:Mine", params={}, sha256=key.removeprefix("methods/").removesuffix(".py"))
    assert method_source(machine("two"), settings).read_text() == "ours = 1\n"
    open_bucket(machine().url).put(key, b"theirs = 1\n")
    assert method_source(machine("two"), settings).read_text() == "ours = 1\n"  # a checked copy stays
    with pytest.raises(CorruptPartition, match="its sha256 is"):
        method_source(machine("three"), settings)
    assert not (machine("three").methods / f"{settings.sha256}.py").exists()


def test_a_lens_computes_nothing_for_a_bucket_that_cannot_be_used(world, machine, s3):
    home, (pair,) = machine("lens"), world.plan().pairs
    s3.refuse("HEAD", "", 403, "")
    s3.refuse("GET", "", 400, "ExpiredToken")
    with pytest.raises(StoreUnavailable, match="credentials expired"):
        inspect_prompt(home, pair.model, "good film", None, None, k=3, center=False)
    assert not home.root.exists()

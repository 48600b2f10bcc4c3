"""Diagnostics from the card to the table, against a direct computation from the lake's own rows."""

import json
import re

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy, spearmanr
from sklearn.metrics import f1_score

from flows.cli.diagnostics_view import print_diagnostics
from flows.diagnose import GAUGES, PROMPTS, READERS, diagnose
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import SPLITS, World, server, snapshot
from vocabsem.errors import CardError
from vocabsem.prompts.content_free import CONTENT_FREE, DOMAIN_TEXTS
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium

VARIED = {"templates": {"bare": "film : {text} is"}, "words": {"plain": ["was", "review", "film"]}}
WORDS = {"made": ["bad", "positive", "story"], "made@bare": ["bad", "positive", "story"]}
COLUMNS = ("subject", "states", "similarity", "metric")
WORDS["made@words-plain"] = VARIED["words"]["plain"]


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory):
    """A world and the keys of its diagnostics. Only to be read."""
    folder = tmp_path_factory.mktemp("diagnosed")
    datasets = [f"{folder / 'dataset.yaml'}{variant}" for variant in ("", "@bare", "@words-plain")]
    world = World(folder, dataset=VARIED, experiment={"datasets": datasets})
    with recorded_by_the_server(world.home):
        keys = diagnose(experiment=world.card, home=str(world.home.root))
    return world, keys


def metrics_of(world, dataset):
    """{(subject, states, similarity, metric): value}"""
    rows = catalog.query(world.home, "from diagnostics where dataset = $dataset", {"dataset": dataset}).to_pylist()
    result = {tuple(row[name] for name in COLUMNS): row["value"] for row in rows}
    assert len(result) == len(rows), "each metric once"
    return result


def states_of(world, dataset, split):
    manifests = [m for m in Lake(world.home).manifests("states") if m.coordinates["dataset"] == dataset]
    (manifest,) = [m for m in manifests if m.coordinates["split"] == split]
    return matrix(Lake(world.home).of(manifest).table()["layer_3"]).astype(np.float64)


def labels_of(world, dataset, split):
    (manifest,) = [m for m in Lake(world.home).manifests("examples") if m.coordinates["dataset"] == dataset]
    return np.array([r["label"] for r in Lake(world.home).of(manifest).table().to_pylist() if r["split"] == split])


def vocabulary_of(world, gauge):
    """Tokens, head and anchors (V, d)."""
    (manifest,) = [m for m in Lake(world.home).manifests("anchors") if m.facts["gauge"] == gauge]
    table = Lake(world.home).of(manifest).table()
    return table["token"].to_pylist(), *(matrix(table[name]).astype(np.float64) for name in ("head", "anchor"))


def test_one_partition_a_data_set_that_names_all_it_was_made_from(diagnosed):
    world, keys = diagnosed
    manifests = {m.key: m for m in Lake(world.home).manifests("diagnostics")}
    assert sorted(manifests) == sorted(keys)
    assert sorted(m.coordinates["dataset"] for m in manifests.values()) == sorted(WORDS)
    roles = {f"states:{split}" for split in (*PROMPTS, "test")} | {f"anchors:{gauge}" for gauge in GAUGES}
    for manifest in manifests.values():
        assert set(manifest.inputs) == roles
        assert all(check["passed"] for check in manifest.checks)
    rows = {m.coordinates["split"]: m.rows for m in Lake(world.home).manifests("states")}
    assert rows == {
        "train": SPLITS["train"],
        "test": SPLITS["test"],
        "content_free": len(CONTENT_FREE),
        "domain_words": DOMAIN_TEXTS,
    }, "no validation rows: nothing reads them"


@pytest.mark.parametrize("dataset", WORDS)
@pytest.mark.parametrize("prompts", PROMPTS)
def test_bias_is_that_of_the_models_mean_answer(diagnosed, dataset, prompts):
    world, _ = diagnosed
    tokens, head, _ = vocabulary_of(world, "raw")
    rows = head[[tokens.index(f"Ġ{word}") for word in WORDS[dataset]]]
    mean = softmax(states_of(world, dataset, prompts) @ rows.T, axis=1).mean(axis=0)
    result = metrics_of(world, dataset)
    assert result[prompts, None, None, "deficit"] == pytest.approx(np.log(3) - entropy(mean), abs=1e-5)
    assert result[prompts, None, None, "largest_share"] == pytest.approx(mean.max(), abs=1e-5)


def test_the_labels_own_imbalance_stands_beside_it(diagnosed):
    world, _ = diagnosed
    counts = np.bincount(labels_of(world, "made", "train"))
    result = metrics_of(world, "made")
    assert result["labels", None, None, "deficit"] == pytest.approx(np.log(3) - entropy(counts / counts.sum()))


@pytest.mark.parametrize(("subject", "gauge"), [("anchors", "raw"), ("anchors.centered", "centered")])
@pytest.mark.parametrize("states", ["raw", "centered"])
def test_agreement_and_zero_label_scores_are_those_of_the_stored_rows(diagnosed, subject, gauge, states):
    world, _ = diagnosed
    tokens, head, anchors = vocabulary_of(world, gauge)
    rows = states_of(world, "made", "test")
    seen = rows - states_of(world, "made", "train").mean(axis=0) * (states == "centered")
    similar = (
        seen @ (anchors / np.linalg.norm(anchors, axis=1, keepdims=True)).T / np.linalg.norm(seen, axis=1)[:, None]
    )
    own = rows @ head.T
    result = metrics_of(world, "made")
    expected = np.mean([spearmanr(a, b).statistic for a, b in zip(own, similar, strict=True)])
    # float32 sums of 32 terms order near-equal pairs of 350 tokens anew, here and there
    assert result[subject, states, "cosine", "spearman"] == pytest.approx(expected, abs=1e-4)
    first = np.mean(own.argmax(axis=1) == similar.argmax(axis=1))
    assert result[subject, states, "cosine", "top1"] == pytest.approx(first)
    output = similar[:, [tokens.index(f"Ġ{word}") for word in WORDS["made"]]].argmax(axis=1)
    f1 = f1_score(labels_of(world, "made", "test"), output, labels=[0, 1, 2], average="macro", zero_division=0)
    assert result[subject, states, "cosine", "macro_f1"] == pytest.approx(f1)


def test_a_head_agrees_with_itself_and_fewer_bits_with_it_less(diagnosed):
    world, _ = diagnosed
    result = metrics_of(world, "made")
    own = [result["head", "raw", "dot", metric] for metric in ("spearman", "top1", "top10")]
    assert own == pytest.approx([1, 1, 1], abs=1e-6)
    for metric in ("spearman", "top10"):
        eight, four = (result[f"head.int{bits}", "raw", "dot", metric] for bits in (8, 4))
        assert 1 >= eight > four > 0.5
    for kind in ("head", "anchors"):
        eight, four = (result[f"{kind}.int{bits}", None, None, "label_cosine"] for bits in (8, 4))
        assert 1 > eight > four > 0.5


def test_words_and_templates_change_what_depends_on_them(diagnosed):
    world, _ = diagnosed
    made, bare, plain = (metrics_of(world, dataset) for dataset in WORDS)
    rank, bias = ("anchors", "raw", "dot", "spearman"), ("train", None, None, "deficit")
    assert made[rank] == plain[rank] != bare[rank], "other words, the same prompts"
    assert len({made[bias], plain[bias], bare[bias]}) == 3


def test_states_and_anchors_are_those_of_the_experiment_and_the_key_knows_no_method(diagnosed):
    world, keys = diagnosed
    run = world.plan(methods=READERS, champion=False)
    made = {m.key for m in Lake(world.home).manifests()}
    missing = {step.spec.split for step in run.steps() if step.kind == "states" and step.key not in made}
    assert missing == {"validation"}
    before = snapshot(world.home.lake)
    with recorded_by_the_server(world.home):
        again = diagnose(world.card, {"methods": ["linear_probe"], "shots": [4], "seeds": [7]}, str(world.home.root))
    assert again == keys
    assert snapshot(world.home.lake) == before, "nothing is computed twice"


def test_layers_without_the_one_that_meets_the_head_are_refused(diagnosed):
    world, _ = diagnosed
    before = snapshot(world.home.lake)
    with recorded_by_the_server(world.home), pytest.raises(CardError, match=r"layers \[1, 2\].*add 'last'"):
        diagnose(world.card, {"layers": [1, 2]}, str(world.home.root))
    assert snapshot(world.home.lake) == before


def test_the_table_has_every_metric(diagnosed, capsys):
    world, keys = diagnosed
    result = metrics_of(world, "made")
    one = [m.key for m in Lake(world.home).manifests("diagnostics") if m.coordinates["dataset"] == "made"]
    assert set(one) < set(keys)
    print_diagnostics(world.home, one, as_json=False)
    shown = capsys.readouterr().out
    assert "made, tiny-llama" in shown
    assert "made@bare" not in shown
    lines = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    for (subject, states, similarity, metric), value in result.items():
        names = [name for name in (subject, states, similarity) if name]
        assert any(line[: len(names)] == names and f"{value:.3f}" in line for line in lines), (subject, metric)


def test_the_command_says_it_in_json(diagnosed):
    world, _ = diagnosed
    only = f"datasets=[{world.folder / 'dataset.yaml'}]"
    done = command(world.home, "diagnose", world.card, "--set", only, "--json", api=server())
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["dataset"] for row in rows} == {"made"}
    assert {tuple(row[name] for name in COLUMNS): row["value"] for row in rows} == metrics_of(world, "made")

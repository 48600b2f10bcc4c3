"""The gap between exact and approximate scores of label words of several tokens, from the card to the table."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score

from flows.cli.diagnostics_view import print_diagnostics
from flows.diagnose import EXACT, READERS, _reading, diagnose
from tasks.models.loaded import label_ids
from tasks.steps.kinds import spec_of
from tests.flows.conftest import recorded_by_the_server
from tests.flows.test_diagnose import labels_of, metrics_of, states_of, vocabulary_of
from tests.tasks.worlds import LABELS, World, dataset_card, write_card
from warehouse.catalog.named_queries import run_named_query
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium
PHRASES = [
    label | {"word": word}
    for label, word in zip(LABELS, ["bad film", "positive good plot", "story moving"], strict=True)
]
LONG = {"labels": PHRASES, "word_tokens": "mean"}
SUBJECTS = {
    ("words.exact", None, None), ("words.exact_mean", None, None),
    *((f"words.head.{tokens}", "raw", "dot") for tokens in ("mean", "first")),
    *((f"words.anchors.{tokens}", s, "cosine") for tokens in ("mean", "first") for s in ("raw", "centered")),
}  # fmt: skip


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory):
    """A world and the keys of its diagnostics. Only to be read."""
    world = World(tmp_path_factory.mktemp("phrases"), dataset=LONG)
    with recorded_by_the_server(world.home):
        keys = diagnose(experiment=world.card, home=str(world.home.root))
    return world, keys


def exact_scores(world):
    (manifest,) = Lake(world.home).manifests("word_scores")
    assert manifest.coordinates["split"] == "validation", "the exact scores of other splits are not computed"
    return matrix(Lake(world.home).of(manifest).table()["log_probability"]).astype(np.float64)


def score_of(world, subject, states):
    """(N, 3), from the lake's rows, in float64."""
    model, dataset = world.plan(methods=["linear_probe"]).pairs[0].model, world.plan().pairs[0].dataset
    tokens = label_ids(model, dataset, world.home)
    if subject.startswith("words.exact"):
        (manifest,) = Lake(world.home).manifests("word_scores")
        lengths = [len(each) for each in manifest.facts["words"]]
        return exact_scores(world) / (lengths if subject == "words.exact_mean" else 1)
    tokens = [each[:1] for each in tokens] if subject.endswith("first") else tokens
    _, head, anchors = vocabulary_of(world, "raw")
    rows = np.stack([(head if "head" in subject else anchors)[each].mean(axis=0) for each in tokens])
    seen = states_of(world, "made", "validation")
    seen = seen - states_of(world, "made", "train").mean(axis=0) * (states == "centered")
    if "anchors" in subject:
        rows, seen = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, seen))
    return seen @ rows.T


@pytest.mark.parametrize(("subject", "states", "similarity"), sorted(SUBJECTS, key=str))
def test_metrics_are_those_of_the_stored_scores_states_and_rows(diagnosed, subject, states, similarity):
    world, _ = diagnosed
    result, labels = metrics_of(world, "made"), labels_of(world, "made", "validation")
    exact, scores = exact_scores(world), score_of(world, subject, states)
    predicted = scores.argmax(axis=1)
    expected = {
        "accuracy": accuracy_score(labels, predicted),
        "macro_f1": f1_score(labels, predicted, labels=[0, 1, 2], average="macro", zero_division=0),
        "spearman": np.mean([spearmanr(one, other).statistic for one, other in zip(exact, scores, strict=True)]),
        "top1": np.mean(exact.argmax(axis=1) == predicted),
    }
    assert {name: result[subject, states, similarity, name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_exact_scores_agree_with_themselves_and_the_others_stand_beside_them(diagnosed):
    result = metrics_of(diagnosed[0], "made")
    assert {key[:3] for key in result if key[0].startswith("words.")} == SUBJECTS
    assert result["words.exact", None, None, "spearman"] == pytest.approx(1)
    assert result["words.exact", None, None, "top1"] == 1


def test_the_partition_names_its_scores_and_is_read_back(diagnosed):
    world, (key,) = diagnosed
    (manifest,) = Lake(world.home).manifests("diagnostics")
    (scores,) = Lake(world.home).manifests("word_scores")
    assert manifest.inputs["word_scores:validation"] == scores.key
    spec = spec_of(manifest)
    assert spec.word_scores == {"validation": scores.key}
    assert spec.canonical() == manifest.payload
    assert manifest.key == key


def test_the_command_and_the_query_show_it(diagnosed, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    world, keys = diagnosed
    print_diagnostics(world.home, keys, as_json=False)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "words.head.mean" in line)
    result = metrics_of(world, "made")
    values = [result["words.head.mean", "raw", "dot", f] for f in ("accuracy", "macro_f1", "spearman", "top1")]
    assert line.split()[-4:] == [f"{value:.3f}" for value in values]
    table: pa.Table = run_named_query(world.home, "word-gap", {})
    assert table.num_rows == len(SUBJECTS)
    (row,) = (row for row in table.to_pylist() if row["subject"] == "words.head.mean")
    assert [row[name] for name in ("accuracy", "macro_f1", "rank_correlation", "same_class")] == values


def test_words_of_one_token_have_no_exact_scores(tmp_path):
    world = World(tmp_path, dataset=LONG)
    single = write_card(tmp_path / "single.yaml", dataset_card(tmp_path, name="single"))
    datasets = [str(tmp_path / "dataset.yaml"), str(single)]
    plan = _reading(world.plan(datasets=datasets, methods=[*READERS, EXACT], shots=[0], champion=False))
    kept = {pair.dataset.name: (set(pair.word_scores), "validation" in pair.states) for pair in plan.pairs}
    assert kept == {"made": ({"validation"}, True), "single": (set(), False)}

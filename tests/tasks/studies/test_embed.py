"""The study of documents on a tiny causal model and sentence encoder: every space, against its own extraction."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import v_measure_score

from flows.planning.study import make_study_plan
from flows.planning.study_card import StudyCard
from tasks.fetch_files import fetch_files
from tasks.models.loaded import inference, loaded
from tasks.studies import embed
from tasks.studies.inputs import Inputs
from tests.tasks.worlds import SPLITS, World, compute, model, sentences
from tests.vocabsem.bidirectional import save
from vocabsem.errors import DataError
from vocabsem.states.extraction import extract

pytestmark = pytest.mark.medium

N = 8
RATES = (0.3,)


def study_inputs(tmp_path, **changes):
    world = World(tmp_path)
    texts = [f"film {row['text']}" for row in sentences()[: N + 25]]
    human = np.random.default_rng(0).integers(10, size=(N, N)) / 10
    for name, content in (
        ("documents", "\n".join(texts[:N])),
        ("background", "\n".join(texts[N:])),
        ("similarities", "\n".join(" ".join(map(str, row)) for row in human)),
    ):
        (tmp_path / f"{name}.txt").write_text(content)
    save("bert", tmp_path / "encoder", family="encoder", pooling="mean")
    files = {name: f"file:{tmp_path / name}.txt" for name in ("documents", "background", "similarities")}
    card = StudyCard(
        **{
            "name": "made",
            "study": "embed",
            "description": "made documents",
            "model": str(world.folder / "model.yaml"),
            "files": files | {"encoder": f"file:{tmp_path / 'encoder'}"},
            "layers": [0, "last"],
            "templates": {"word": "review : {text} is"},
            "max_tokens": 48,
            "dtype": "float32",
            "device": "cpu",
            "params": {"rates": list(RATES), "background": 25},
        }
        | changes
    )
    fetched = fetch_files.fn(world.home, card.files, {})
    if card.datasets:
        compute(make_study_plan(card, world.home).data, ("examples", "states"))
    plan = make_study_plan(card, world.home)
    datasets = {pair.dataset.name: pair.dataset for pair in plan.data.pairs} if plan.data else {}
    paths = {name: each.path for name, each in fetched.items()}
    spec = plan.steps[1].spec.model_copy(update={"resamples": 4, "null_draws": 4})
    return Inputs(world.home, plan.model, datasets, paths, spec, "cpu"), texts[:N], np.triu(human, 1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    inputs, texts, human = study_inputs(tmp_path_factory.mktemp("embed"))
    return inputs, texts, human, embed.measure(inputs)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clustered")
    inputs, *_ = study_inputs(folder, datasets=[str(folder / "dataset.yaml")], layers=["last"], templates={})
    return inputs, [value for value in embed.measure(inputs).values if value.metric == "v_measure"]


def figure(result, unit, metric, variant, layer):
    (value,) = [v for v in result.values if (v.unit, v.metric, v.variant, v.layer) == (unit, metric, variant, layer)]
    return value


def correlation(vectors, human):
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    above = np.triu_indices(N, 1)
    return spearmanr(np.round((rows @ rows.T)[above], 12), human[above]).statistic


def test_every_way_of_embedding_has_its_figure(measured):
    depth, (*_, result) = model().layers, measured
    measured_in = {}
    for value in result.values:
        measured_in.setdefault(value.unit, set()).add((value.variant, value.layer))
    layers, outside = (0, depth), {(name, None) for name in ("bag of words", "tf-idf", "sentence encoder")}
    plain = {(how, layer) for how in ("mean", "last") for layer in layers} | outside
    corrected = {f"{how}, {what}" for how in ("mean", "last") for what in ("centered", "whitened", "all but the top")}
    assert measured_in == {
        "documents": plain | {(how, layer) for how in ("weighted_mean", "echo") for layer in layers},
        "documents after a prompt": {("word", depth), ("mean of prompts", depth)},  # in layer 0 they are all one
        "documents corrected": {(name, layer) for name in corrected for layer in layers},
        "typos 30 %": plain,
        "shuffled words 30 %": plain,
    }


@pytest.mark.parametrize("pooling", ["mean", "last", "weighted_mean", "echo"])
def test_a_figure_is_that_of_the_models_own_states(measured, pooling):
    inputs, texts, human, result = measured
    with inference():
        network = loaded(inputs.model, inputs.home, "float32", "cpu")
        ids = network.tokenizer(texts, add_special_tokens=False)["input_ids"]
        start = [network.tokenizer.bos_token_id] if inputs.model.prepend_bos else []
        depth = network.layers
        states = extract(network, [[*start, *tokens] for tokens in ids], ["last"], pooling=pooling)[depth]
    value = figure(result, "documents", "spearman", pooling, depth)
    assert value.value == pytest.approx(correlation(states, human), abs=1e-3)  # float32, in other batches


def test_counted_words_are_those_of_scikit_learn(measured):
    inputs, texts, human, result = measured
    background = inputs.files["background"].read_text().splitlines()
    vectors = TfidfVectorizer(stop_words="english").fit([*background, *texts]).transform(texts).toarray()
    assert figure(result, "documents", "spearman", "tf-idf", None).value == pytest.approx(correlation(vectors, human))


def test_shuffled_words_are_no_change_to_counts_and_to_the_mean_of_embeddings(measured):
    *_, result = measured
    for variant, layer in (("bag of words", None), ("tf-idf", None), ("mean", 0)):
        assert figure(result, "shuffled words 30 %", "recovered", variant, layer).value == 1
        clean, shuffled = (
            figure(result, unit, "spearman", variant, layer).value for unit in ("documents", "shuffled words 30 %")
        )
        assert shuffled == pytest.approx(clean, abs=0.05)  # a first word that lost its space is another token


def test_what_cannot_be_used_is_refused_before_the_model_runs(measured, tmp_path):
    short = replace(measured[0], model=measured[0].model.model_copy(update={"context": 64}))
    with pytest.raises(DataError, match="echo reads a prompt twice, and max_tokens 48 twice is over the context of 64"):
        embed.measure(short)
    inputs, *_ = study_inputs(tmp_path, params={"rates": [1.5]})
    with pytest.raises(DataError, match=r"rates has 1\.5"):
        embed.measure(inputs)


def test_texts_of_a_data_set_are_clustered_in_every_space(clustered):
    _, values = clustered
    depth = model().layers
    outside = {(name, None) for name in ("bag of words", "tf-idf", "sentence encoder")}
    assert {(value.variant, value.layer) for value in values} == outside | {
        (name, depth) for name in ("template", "mean", "last")
    }
    assert {(value.unit, value.n) for value in values} == {("made", SPLITS["test"])}


def test_clusters_are_those_of_the_stored_states(clustered):
    inputs, values = clustered
    _, labels, states = inputs.stored_states("made", "test")
    rows = states[model().layers].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    clusters = KMeans(3, n_init=4, random_state=inputs.spec.seed).fit_predict(rows)
    (value,) = [value for value in values if value.variant == "template"]
    assert value.value == pytest.approx(v_measure_score(labels, clusters))


def test_without_data_sets_nothing_is_clustered(measured):
    *_, result = measured
    assert all(value.metric != "v_measure" for value in result.values)

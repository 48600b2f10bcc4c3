"""What this machine takes, timed on random numbers and kept."""

import json
import time

import numpy as np
import pytest

from tasks.views import calibration
from tasks.views.calibration import Calibration, time_fit, time_metrics, time_tokens
from tests.tasks.worlds import compute, fit_of, model
from vocabsem.cards.loader import load_card
from vocabsem.methods.registry import method_info
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import extract
from warehouse.home import Home


def test_a_wider_model_takes_longer_for_a_token():
    assert 0 < time_tokens(64, 128, "float32", "cpu") < time_tokens(512, 1536, "float32", "cpu")


@pytest.mark.parametrize("method", ["zero_shot", "linear_probe", "vocabulary_calibrator", "knn_prompting", "centroid"])
def test_every_kind_of_method_can_be_timed(method):
    labeled = 24 if method_info(method).needs_labels else 0
    vocabulary = 64 if method_info(method).reads_vocabulary else 0
    folds = method_info(method).temperature_folds
    assert time_fit(method, {}, (labeled, 32, 3, 16, 1), vocabulary, folds) > 0
    if method_info(method).takes_layers:
        assert time_fit(method, {"layers": 2}, (labeled, 32, 3, 16, 2), vocabulary, folds) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minilm-l6", "bert-mlm-tiny"])
def test_the_tokens_of_an_encoder_are_foreseen_as_those_of_a_causal_model_of_its_weights(
    name, cache, tmp_path, monkeypatch
):
    """By a factor of 1.5, in seconds of the processor, which other work on the machine changes little."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    card, draw = load_card("models", name), np.random.default_rng(0)
    encoder = load_model(card, cache, dtype="float32", device="cpu")
    prompts = [draw.integers(1000, 20_000, size=length).tolist() for length in draw.integers(20, 60, 256)]
    prompts = [[*prompt, encoder.tokenizer.mask_token_id] for prompt in prompts]
    extract(encoder, prompts[:4], [encoder.layers])
    began = time.process_time()
    extract(encoder, prompts, [encoder.layers])
    seconds = (time.process_time() - began) / sum(map(len, prompts))
    foreseen = Calibration(Home(tmp_path)).token(card, "float32", "cpu").seconds
    assert 1 / 1.5 < foreseen / seconds < 1.5


def test_metrics_are_timed():
    assert time_metrics(3) > 0


@pytest.fixture
def counted(monkeypatch):
    """How often something is timed."""
    calls = []

    def tokens(*arguments):
        calls.append(arguments)
        return 0.5

    monkeypatch.setattr(calibration, "time_tokens", tokens)
    return calls


def test_it_is_kept_for_this_machine_and_this_size_only(tmp_path, counted, monkeypatch):
    home, card = Home(tmp_path), model()
    first = Calibration(home).token(card, "float32", "cpu")
    assert Calibration(home).token(card, "float32", "cpu") == first
    assert len(counted) == 1
    Calibration(home).token(card, "bfloat16", "cpu")
    Calibration(home).token(card.model_copy(update={"hidden_size": 64}), "float32", "cpu")
    assert len(counted) == 3
    monkeypatch.setattr(calibration, "machine", lambda: "another")
    Calibration(home).token(card, "float32", "cpu")
    assert len(counted) == 4
    assert json.loads((home.cache / "calibration.json").read_text())["machine"] == "another"


@pytest.mark.parametrize("text", ["", "[]", '{"machine": 1}', "no json"])
def test_a_file_that_cannot_be_read_is_timed_anew(tmp_path, counted, text):
    home = Home(tmp_path)
    home.cache.mkdir()
    (home.cache / "calibration.json").write_text(text)
    assert Calibration(home).token(model(), "float32", "cpu") is not None
    assert len(counted) == 1


def test_no_more_is_timed_when_the_budget_is_spent(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "time_tokens", lambda *_: time.sleep(0.05) or 0.1)
    timed = Calibration(Home(tmp_path), budget=0.01)
    assert timed.token(model(), "float32", "cpu") is not None
    assert timed.token(model(), "bfloat16", "cpu") is None
    assert timed.metrics(2) is None


def test_states_of_an_earlier_run_give_the_rate(world, counted):
    plan = world.plan()
    compute(plan, ("examples", "states"))
    facts = [manifest.facts for manifest in plan.lake.manifests("states")]
    cost = Calibration(plan.home).token(model(), "float32", "cpu")
    assert cost.measured
    assert cost.seconds == pytest.approx(sum(f["seconds"] for f in facts) / sum(f["tokens"] for f in facts))
    assert not counted


def test_a_fit_that_was_never_timed_grows_with_its_rows(world, monkeypatch):
    monkeypatch.setattr(calibration, "time_fit", lambda *_: 0.5)
    fit = fit_of(world.plan(), "linear_probe", "all")
    timed = Calibration(world.home)
    assert timed.fit(fit, "linear_probe", 6, 60).seconds == 0.5
    assert timed.fit(fit, "linear_probe", 640, 60).seconds == pytest.approx(5.0)
    assert timed.fit(fit, "lora", 6, 60) is None


def test_a_method_of_a_file_and_one_that_trains_on_the_vocabulary_are_timed(world, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from vocabsem.methods import Centroid\n\n\nclass Mine(Centroid):\n    name = 'mine'\n"
    )
    trained = {"method": "paper_calibrator", "params": {"trained_on": "vocabulary", "epochs": 1}}
    methods = [f"{tmp_path}/mine.py:Mine", trained]
    plan = world.plan(methods=methods)
    timed = Calibration(world.home)
    for fit in (fit for pair in plan.pairs for fit in pair.fits if fit.shots == "all"):
        method = next(each.method for each in plan.experiment.methods if each.name == fit.name)
        assert timed.fit(fit, method, 6, 60).seconds > 0
    assert len(plan.experiment.methods) == 2


def test_an_adapter_of_an_earlier_run_does_not_grow_with_its_rows(world, monkeypatch):
    plan = world.plan(methods=["lora"], shots=[4, "all"])
    fit, timed = fit_of(plan, "lora", "all"), Calibration(world.home)
    monkeypatch.setattr(timed, "_stored_fits", lambda: {'["lora", {}]': [calibration._Fit(30.0, 12)]})
    assert timed.fit(fit, "lora", 600, 600) == calibration.Cost(30.0, measured=True)

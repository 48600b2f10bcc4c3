"""Fine-tuning against peft and transformers themselves, on whole-vocabulary logits; and a model left as it was."""

import json
import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.numpy import save_file
from scipy.special import log_softmax, softmax
from transformers import Trainer, TrainingArguments

from tests.vocabsem.architectures import ARCHITECTURES, save
from vocabsem.errors import DataError, TrainingFailed
from vocabsem.evaluation.temperature import fit_temperature
from vocabsem.methods import LabelSpace, build_method, load_method
from vocabsem.methods.adapters import LoRA, adapted
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import extract
from vocabsem.text_models.fine_tuning import held_out_rows, label_head, random_batches, tune

pytestmark = pytest.mark.medium

KINDS = ("lora", "ia3")
WORDS = [[20], [33], [47]]  # the label token of each class
RANDOM = np.random.default_rng(0)
LABELS = np.arange(48) % 3
PROMPTS = [[*RANDOM.integers(100, 350, RANDOM.integers(1, 9)).tolist(), 60 + int(label)] for label in LABELS]
ROUNDING = {"rtol": 1e-3, "atol": 2e-5}  # float32 through three layers, padded or not, and a few steps of AdamW


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: tmp_path_factory.mktemp(name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def load(folders):
    def load(name, dtype="float32"):
        folder = folders[name]
        return load_model(save(name, folder / "model"), folder / "cache", dtype=dtype)

    return load


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request, load):
    return load(request.param)


@pytest.fixture(scope="module")
def gptj(load):
    return load("gptj")  # its head has a bias


def tuned(model, kind, rows, others=slice(0), labels=LABELS, seed=0, *, temperature=False, progress=None, **settings):
    """The first rows are for training, `others` are answered."""
    return tune(
        model,
        PROMPTS[:rows],
        labels[:rows],
        WORDS,
        [PROMPTS[others]],
        training=load_method(kind)(**settings),
        random_state=seed,
        temperature=temperature,
        progress=progress or (lambda *counts: None),
    )


def whole_logits(network, prompts):
    """(N, V) at the last token, one prompt at a time, by the model's own head."""
    return torch.stack([network(torch.tensor([ids])).logits[0, -1].float() for ids in prompts])


def answers(network, prompts, words=WORDS):
    with torch.inference_mode():
        logits = whole_logits(network, prompts).double().numpy()
    return softmax(logits[:, [ids[0] for ids in words]], axis=1)


def fresh(network, config, seed):
    """peft's adapter in a copy of a network."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(deepcopy(network), config)


def plainly(adapter, prompts, labels, rate, steps):
    """A training loop over all rows at once, on the whole vocabulary's logits; yields the adapter after each step."""
    weights = [p for p in adapter.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (steps - step) / steps)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = whole_logits(adapter, prompts)[:, [ids[0] for ids in WORDS]]
        torch.nn.functional.cross_entropy(logits, torch.tensor(labels)).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        yield adapter


def state_of(network):
    """All that could be changed in a network: modules and their hooks, switches, attributes, config; and its values."""
    modules = [
        (name, type(module), module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
        for name, module in network.named_modules()
    ]
    parameters = [(name, p.requires_grad, p.dtype, p.grad is None) for name, p in network.named_parameters()]
    values = {name: value.clone() for name, value in network.state_dict().items()}
    return (modules, parameters, set(vars(network)), network.config.to_dict()), values


def assert_same(network, before):
    (shape, values), (result, new) = before, state_of(network)
    assert result == shape
    assert all(torch.equal(value, values[name]) for name, value in new.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_adapter_gives_the_models_predictions(model, kind):
    expected = answers(model.network, PROMPTS[:6])
    with adapted(model, load_method(kind)(), random_state=3):
        assert any(isinstance(module, BaseTunerLayer) for module in model.network.modules())
        states = extract(model, PROMPTS[:6], [model.layers])[model.layers]
    result = softmax(label_head(model, WORDS).logits(torch.from_numpy(states)).double().numpy(), axis=1)
    np.testing.assert_allclose(result, expected, **ROUNDING)


@pytest.mark.parametrize("kind", KINDS)
def test_tuning_changes_answers_and_leaves_the_model_as_it_was_to_the_bit(model, kind):
    before, logits = state_of(model.network), whole_logits(model.network, PROMPTS[:3])
    extract(model, PROMPTS[:3], [model.layers])  # nothing that inference caches may be in the way of gradients
    result = tuned(model, kind, 9, slice(9, 15), steps=3, learning_rates=[0.03])
    assert_same(model.network, before)
    assert torch.equal(whole_logits(model.network, PROMPTS[:3]), logits)
    assert np.abs(result.probabilities[0] - answers(model.network, PROMPTS[9:15])).max() > 1e-3
    assert {array.dtype for array in result.weights.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gptj", "cohere"])
def test_a_task_that_a_token_states_is_learned(load, name, kind):
    (result,) = tuned(load(name), kind, 36, slice(36, 48), steps=40, learning_rates=[0.02]).probabilities
    assert result.shape == (12, 3)
    np.testing.assert_allclose(result.sum(axis=1), 1)
    assert (result.argmax(axis=1) == LABELS[36:]).mean() >= 10 / 12


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("lora", LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])),
        ("ia3", IA3Config(target_modules=["q_proj", "v_proj", "fc_out"], feedforward_modules=["fc_out"])),
    ],
)
def test_steps_equal_those_of_transformers_trainer(gptj, tmp_path, kind, config):
    rows, steps, rate = 12, 5, 0.01  # one batch holds all rows, so that their order is nothing
    width = max(map(len, PROMPTS[:rows]))
    data = []
    for ids, label in zip(PROMPTS[:rows], LABELS[:rows], strict=True):
        rest = width - len(ids)
        index = [-100] * (len(ids) - 1) + [int(label)] + [-100] * rest
        data.append({"input_ids": ids + [1] * rest, "attention_mask": [1] * len(ids) + [0] * rest, "labels": index})

    def loss(outputs, labels, num_items_in_batch=None):
        row, column = (labels >= 0).nonzero(as_tuple=True)
        logits = outputs.logits[row, column][:, [ids[0] for ids in WORDS]]
        return torch.nn.functional.cross_entropy(logits, labels[row, column])

    adapter = fresh(gptj.network, config, seed=4)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=rows,
        max_steps=steps,
        learning_rate=rate,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=0,
    )
    Trainer(adapter, arguments, train_dataset=data, compute_loss_func=loss).train()
    expected = get_peft_model_state_dict(adapter)

    result = tuned(gptj, kind, rows, seed=4, steps=steps, stops=1, learning_rates=[rate])
    assert result.weights.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_allclose(result.weights[name], tensor.numpy(), err_msg=name, **ROUNDING)


@pytest.mark.parametrize("kind", KINDS)
def test_rate_and_end_are_those_of_the_lowest_loss_on_rows_held_out(gptj, kind):
    rows, rates, seed, steps = 18, [1e-3, 0.03], 2, 5
    labels = np.random.default_rng(1).permuted(LABELS[:rows])  # nothing to learn: the loss on other rows soon rises
    held_out = held_out_rows(labels, np.random.default_rng(seed))
    seen, unseen = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    assert len(seen) <= LoRA().batch_size, "one batch holds all rows, so that their order is nothing"
    with adapted(gptj, load_method(kind)(), seed) as adapter:
        config = deepcopy(adapter.peft_config["default"])
    loss = {}
    for rate in rates:
        adapter = fresh(gptj.network, config, seed)
        for step, _ in enumerate(plainly(adapter, [PROMPTS[i] for i in seen], labels[seen], rate, steps), start=1):
            with torch.no_grad():
                logits = whole_logits(adapter, [PROMPTS[i] for i in unseen]).double().numpy()
            log_p = log_softmax(logits[:, [ids[0] for ids in WORDS]], axis=1)
            loss[rate, step] = -log_p[np.arange(len(unseen)), labels[unseen]].mean()
    facts = tuned(gptj, kind, rows, labels=labels, seed=seed, steps=steps, learning_rates=rates).facts
    assert (facts["learning_rate"], facts["steps"]) == min(loss, key=loss.get)
    assert facts["held_out"] == len(unseen) == 3


def test_the_temperature_suits_the_rows_held_out_and_divides_the_logits_of_all_others(gptj):
    rows, queries, seed = 18, slice(18, 30), 2
    labels = np.random.default_rng(1).permuted(LABELS[:rows])
    settings = {"seed": seed, "steps": 5, "stops": 1, "learning_rates": [0.03]}
    plain = tuned(gptj, "lora", rows, queries, labels, **settings)
    result = tuned(gptj, "lora", rows, queries, labels, **settings, temperature=True)
    held_out = held_out_rows(labels, np.random.default_rng(seed))
    seen, unseen = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    with adapted(gptj, LoRA(), seed) as made:
        config = deepcopy(made.peft_config["default"])
    adapter = fresh(gptj.network, config, seed)
    *_, trained = plainly(adapter, [PROMPTS[i] for i in seen], labels[seen], 0.03, 5)
    held_out_answers = np.log(answers(trained, [PROMPTS[i] for i in unseen]))
    expected = fit_temperature(labels[unseen], held_out_answers)
    assert abs(expected - 1) > 0.05
    assert result.facts["temperature"] == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(
        result.probabilities[0],
        softmax(np.log(plain.probabilities[0]) / result.facts["temperature"], axis=1),
        rtol=1e-6,
    )


def test_with_one_row_of_a_class_the_middle_choices_are_taken(gptj):
    rates, labels, counted = [0.5, 1e-4, 2e-3], np.array([0, 1, 1, 0, 2]), []
    result = tuned(
        *(gptj, "ia3", 5, slice(5, 9), labels),
        steps=10,
        learning_rates=rates,
        progress=lambda prompts, tokens: counted.append((prompts, tokens)),
    )
    chosen = {"learning_rate": 2e-3, "steps": 6, "held_out": 0, "temperature": 1.0}
    assert result.facts == chosen | {"parameters": 3 * (32 + 32 + 128)}
    seen = 6 * PROMPTS[:5] + PROMPTS[5:9]
    assert np.sum(counted, axis=0).tolist() == [len(seen), sum(map(len, seen))]
    assert result.seconds > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_all(gptj, kind):
    def probabilities(seed):
        result = tuned(gptj, kind, 24, slice(24, 48), seed=seed, steps=6, learning_rates=[0.01])
        return result.probabilities[0], result.weights

    (first, weights), (again, same_weights) = probabilities(1), probabilities(1)
    np.testing.assert_array_equal(first, again)
    assert all(np.array_equal(weights[name], same_weights[name]) for name in weights)
    state = torch.random.get_rng_state()
    assert np.abs(probabilities(2)[0] - first).max() > 1e-6
    assert torch.equal(state, torch.random.get_rng_state()), "nobody else's random numbers are touched"


@pytest.mark.parametrize("name", ["gpt2", "cohere"])
@pytest.mark.parametrize("kind", KINDS)
def test_peft_reads_what_is_stored_and_gives_the_same_answers(load, tmp_path, name, kind):
    model = load(name)
    result = tuned(model, kind, 9, slice(9, 15), steps=5, learning_rates=[0.03])
    save_file(result.weights, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(result.config))
    assert result.config["base_model_name_or_path"] == model.name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapter = PeftModel.from_pretrained(deepcopy(model.network), tmp_path)
    np.testing.assert_allclose(answers(adapter, PROMPTS[9:15]), result.probabilities[0], **ROUNDING)


@pytest.mark.parametrize("name", ["gptj", "gemma2", "cohere", "granite"])
def test_several_tokens_of_a_word_count_as_their_mean_as_in_zero_shot(load, name):
    model, words = load(name), [[20, 21], [33], [47, 48, 49]]
    head, whole = label_head(model, words), model.head
    bias = torch.zeros(len(whole.weight)) if whole.bias is None else whole.bias
    rows = np.stack([whole.weight[ids].numpy().mean(axis=0) for ids in words])
    offsets = np.stack([bias[ids].numpy().mean() for ids in words])
    space = LabelSpace(anchors=rows, head=rows, bias=offsets, softcap=whole.softcap, scale=whole.scale)
    states = extract(model, PROMPTS[:6], [model.layers])[model.layers]
    expected = build_method("zero_shot", {}, space, 0).fit(states).predict_proba(states)
    result = softmax(head.logits(torch.from_numpy(states)).numpy(), axis=1)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_in_bfloat16_the_adapter_learns_in_float32(load, kind):
    model = load("gptj", "bfloat16")
    before = state_of(model.network)
    result = tuned(model, kind, 36, slice(36, 48), steps=40, learning_rates=[0.02])
    assert_same(model.network, before)
    assert {array.dtype for array in result.weights.values()} == {np.dtype("float32")}
    assert (result.probabilities[0].argmax(axis=1) == LABELS[36:]).mean() >= 10 / 12


class Interrupted(Exception): ...


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_stops_it_the_model_is_left_as_it_was(load, kind):
    model = load("gptj")
    before = state_of(model.network)

    def interrupt(prompts, tokens):
        raise Interrupted

    with pytest.raises(Interrupted):
        tuned(model, kind, 9, progress=interrupt)
    assert_same(model.network, before)
    with torch.no_grad():
        model.network.get_input_embeddings().weight[PROMPTS[4][0]] = torch.inf
    before, _ = state_of(model.network)
    with pytest.raises(TrainingFailed, match=r"'tiny-gptj': the loss became nan .* at step 0 with learning rate 0\.03"):
        tuned(model, kind, 9, learning_rates=[0.03], stops=1)
    assert state_of(model.network)[0] == before


def test_labels_that_cannot_be_used_are_refused(gptj):
    for labels, message in (([0, 0, 0], "hold 1 class"), ([0, 1], r"expected \(3,\) integers"), ([0, 1, 3], "3")):
        with pytest.raises(DataError, match=message):
            tune(gptj, PROMPTS[:3], labels, WORDS, [], training=LoRA())


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_every_row_is_seen_as_often_as_the_others(rows, seed):
    batches = random_batches(rows, 16, np.random.default_rng(seed))
    sampled = [row for _, batch in zip(range(12), batches, strict=False) for row in batch]
    assert len(sampled) == 12 * min(rows, 16)
    for start in range(0, len(sampled) - rows + 1, rows):
        assert sorted(sampled[start : start + rows]) == list(range(rows))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=3000), st.integers(0, 2**32))
def test_a_fifth_of_each_class_is_held_out(labels, seed):
    labels = np.array(labels)
    counts, held_out = np.bincount(labels), held_out_rows(labels, np.random.default_rng(seed))
    if counts[counts > 0].min() == 1:
        assert not held_out.any()
        return
    chosen = np.bincount(labels[held_out], minlength=len(counts))
    share = min(0.2, 256 / len(labels))
    assert (np.abs(chosen - counts * share) <= 0.5 + (chosen == 1)).all()
    assert ((chosen > 0) == (counts > 0)).all()
    assert (chosen[counts > 0] < counts[counts > 0]).all()

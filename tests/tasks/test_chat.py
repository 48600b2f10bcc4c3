"""A model whose card says chat, through a plan beside the same model without: keys, states, answers, a classifier."""

import numpy as np
import pytest
import torch

from tasks.fetch import fetch_card
from tasks.models.loaded import label_ids, require_causal
from tasks.steps.predictions import calibrator_file
from tasks.tracking.packaging import packaged_classifier
from tests.tasks.worlds import World, compute, write_card
from tests.vocabsem.architectures import save
from tests.vocabsem.prompts.test_chat import CHATML, LLAMA2
from vocabsem.errors import BadInput, CardError
from vocabsem.models.language_model import load_model
from vocabsem.text_models.text_classifier import TextClassifier
from warehouse.home import Home
from warehouse.lake.partition import Lake

METHODS = ["zero_shot", {"method": "zero_shot", "demonstrations": 1}]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One model on disk with two cards: tiny-llama, and chat, which has a system prompt."""
    folder = tmp_path_factory.mktemp("chat")
    world = World(folder, dataset={"word_tokens": "mean"})
    card = save("llama", folder / "instruct").model_copy(update={"max_tokens": 200})
    (folder / "instruct" / "chat_template.jinja").write_text(CHATML)
    chat = {"name": "chat", "chat": True, "system": "be good"}
    for name, changes in (("model", {}), ("chat", chat)):
        write_card(folder / f"{name}.yaml", card.model_dump(mode="json") | changes)
    models = [str(folder / f"{name}.yaml") for name in ("model", "chat")]
    world.write_experiment(models=models, methods=METHODS, shots=[0], champion=False)
    return world


@pytest.fixture(scope="module")
def plan(world):
    plan = world.plan()
    compute(plan)
    return plan


def test_demonstrations_are_left_out_and_the_keys_of_a_plain_card_stay(plan, world):
    assert plan.left_out == [("chat", "zero_shot+demos-1", plan.left_out[0][2])]
    assert "not before the turn of a chat" in plan.left_out[0][2]
    plain, chat = (pair.states["test"].spec.canonical() for pair in plan.pairs)
    assert set(chat) - set(plain) == {"chat", "system"}
    assert {name: plain[name] for name in plain if name != "coordinates"} == {
        name: chat[name] for name in plain if name != "coordinates"
    }


def test_stored_answers_are_those_of_the_model_at_the_end_of_its_own_chat(plan, world):
    pair = plan.pairs[1]
    model = load_model(pair.model, world.home.cache, dtype="float32")
    words = label_ids(pair.model, pair.dataset, world.home)
    fit = next(fit for fit in plan.pairs[1].fits if fit.name == "zero_shot")
    rows = pair.examples.partition(Lake(plan.home)).table(["id", "split", "fields"]).to_pylist()
    texts = {row["id"]: dict(row["fields"])["text"] for row in rows if row["split"] == "test"}
    stored = fit.predictions.partition(Lake(plan.home)).table(["split", "id", "probabilities"]).to_pylist()
    for row in [row for row in stored if row["split"] == "test"][:5]:
        turn = {"role": "user", "content": f"review : {texts[row['id']]} sentiment :"}
        messages = [{"role": "system", "content": "be good"}, turn]
        ids = model.tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        logits = model.network(torch.tensor([ids])).logits[0, -1]
        means = torch.stack([logits[tokens].mean() for tokens in words])  # several tokens of a word are averaged
        np.testing.assert_allclose(row["probabilities"], torch.softmax(means, 0), atol=1e-5)
    spec = pair.states["test"].spec
    settings = {name: getattr(spec, name) for name in ("pooling", "dtype", "max_tokens", "prepend_bos")}
    settings |= {"layers": list(spec.layers), "shard_rows": plan.experiment.shard_rows}
    with packaged_classifier(plan.home, fit, settings, calibrator_file(plan.home, fit.predictions)) as folder:
        served = TextClassifier(folder).predict_proba([{"text": text} for text in texts.values()])
    of = {row["id"]: row["probabilities"] for row in stored if row["split"] == "test"}
    np.testing.assert_allclose(served, [of[name] for name in texts], atol=1e-4)


@pytest.mark.parametrize(
    ("template", "says"), [(None, "has no chat template"), (LLAMA2, "refuses a chat of system and user")]
)
def test_a_chat_that_cannot_be_is_refused_where_a_run_fetches_its_models(world, tmp_path, template, says):
    save("llama", tmp_path / "instruct")
    if template:
        (tmp_path / "instruct" / "chat_template.jinja").write_text(template)
    pair = world.plan().pairs[1]
    card = pair.model.model_copy(update={"source": f"file:{tmp_path / 'instruct'}"})
    with pytest.raises(CardError, match=says):
        fetch_card.fn(Home(tmp_path / "home"), card, [pair.dataset])


def test_the_lens_and_proposals_read_plain_prompts(world):
    with pytest.raises(BadInput, match="the lens reads plain prompts, and the card of 'chat' says chat: true"):
        require_causal(world.plan().pairs[1].model, "the lens")

"""Cards made from models: their sizes, their name, and whether prompts begin with BOS."""

import json
import math

import pytest
from tokenizers import processors

from tests.vocabsem import architectures
from vocabsem import TextStates
from vocabsem.cards.loader import load_card
from vocabsem.errors import BadInput, CardError
from vocabsem.models import model_draft
from vocabsem.models.language_model import load_model
from vocabsem.models.model_draft import bos_decision, draft_model_card, find_model_card, model_source


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "Tiny Model"
    architectures.network("llama").save_pretrained(path)
    architectures.tokenizer().save_pretrained(path)
    return path


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("hf:org/name", "hf:org/name@main"),
        ("hf:org/name@v2", "hf:org/name@v2"),
        ("hf:org/name/file.gguf", "hf:org/name@main/file.gguf"),
        ("hf:org/name@v2/file.gguf", "hf:org/name@v2/file.gguf"),
        ("pypi:a==1/b.gguf", "pypi:a==1/b.gguf"),
        ("./folder", "file:./folder"),
        ("mine.gguf", "file:mine.gguf"),
        ("file:mine", "file:mine"),
        ("gpt2", None),
        ("mine/card.yaml", None),
    ],
)
def test_a_source_is_distinguished_from_a_card(given, source):
    assert model_source(given) == source


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_sizes_are_those_that_loading_checks(name, tmp_path):
    network = architectures.network(name)
    network.save_pretrained(tmp_path / name)
    architectures.tokenizer().save_pretrained(tmp_path / name)
    card = draft_model_card(f"file:{tmp_path / name}", tmp_path / "cache").card
    assert load_model(card, tmp_path / "cache", dtype="float32").layers == card.layers == 3
    assert card.parameters == sum(each.numel() for each in set(network.parameters()))
    assert (card.name, card.context <= 1024) == (name, True)


def test_the_draft_of_the_default_model_is_its_card(cache):
    card = load_card("models", "smollm2-135m-instruct")
    draft = draft_model_card(card.source, cache, card.name)
    same = {"name", "source", "prepend_bos", "max_tokens", "context", "parameters", "layers", "hidden_size"}
    assert draft.card.model_dump(include=same | {"vocabulary_size"}) == card.model_dump(
        include=same | {"vocabulary_size"}
    )
    assert "does not add" in draft.reason or "nats" in draft.reason


@pytest.mark.parametrize(
    ("adds", "without", "with_bos", "prepends"),
    [
        (None, 9.0, 1.0, False),  # no such token
        (True, 3.0, 3.0, True),
        (False, 3.0, 3.0, False),
        (False, 3.3, 3.0, False),  # a first token that says that a text begins
        (False, 9.0, 3.0, True),  # trained with it, the tokenizer's file forgot
        (True, 3.0, 9.0, False),
        (True, math.nan, 3.0, True),
    ],
)
def test_the_loss_overrules_the_tokenizer_only_where_it_is_far_worse(adds, without, with_bos, prepends):
    assert bos_decision(adds, without, with_bos)[0] is prepends


@pytest.mark.parametrize("adds", [False, True])
def test_what_the_tokenizer_does_is_what_the_card_says(adds, tmp_path):
    tokenizer = architectures.tokenizer()
    if adds:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
        )
    architectures.network("qwen2").save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    assert draft_model_card(f"file:{tmp_path / 'm'}", tmp_path / "cache").card.prepend_bos is adds


def test_losses_are_the_mean_of_the_same_tokens(folder, tmp_path):
    network, tokenizer = model_draft.from_folder(folder, "auto")
    without, with_bos = model_draft._losses(network, tokenizer)
    ids = tokenizer(model_draft.PROSE, add_special_tokens=False)["input_ids"][:64]
    for loss, prefix in ((without, []), (with_bos, [tokenizer.bos_token_id])):
        logits = network(architectures.torch.tensor([prefix + ids])).logits[0]
        terms = [-logits[len(prefix) + i].log_softmax(-1)[ids[i + 1]].item() for i in range(len(ids) - 1)]
        assert loss == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_the_card_of_a_source_is_made_once_and_again_when_the_model_has_changed(folder, tmp_path, monkeypatch):
    made = []
    real = model_draft.draft_model_card
    monkeypatch.setattr(model_draft, "draft_model_card", lambda *given: made.append(given) or real(*given))
    first = find_model_card(str(folder), tmp_path / "cache")
    assert find_model_card(str(folder), tmp_path / "cache") == first
    assert (len(made), first.name, first.hidden_size) == (1, "tiny-model", 32)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 80}))
    assert find_model_card(str(folder), tmp_path / "cache").context == 80
    assert len(made) == 2


def test_states_of_a_folder_without_a_card(folder, tmp_path):
    states = TextStates(str(folder), "{text} is", cache=tmp_path / "cache", dtype="float32").transform(["a good film"])
    assert states.shape == (1, 32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "nowhere/model",
            "there is no model 'nowhere/model': give the path .* or hf:nowhere/model for",
        ),
        ("nowhere/a/model.gguf", "there is no model 'nowhere/a/model.gguf': give the path"),
        ("no_such_card", "unknown model 'no_such_card'"),
    ],
)
def test_a_model_that_is_nowhere(given, message, tmp_path):
    with pytest.raises(CardError, match=message):
        find_model_card(given, tmp_path)


def test_a_folder_that_holds_no_model_leaves_no_card(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"config\.json"):
        find_model_card(f"{tmp_path}/empty", tmp_path / "cache")
    assert not (tmp_path / "cache" / "cards").exists()

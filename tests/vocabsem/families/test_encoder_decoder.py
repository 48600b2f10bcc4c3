"""States of encoder and decoder against transformers' own forward, one prompt at a time."""

import json

import numpy as np
import pytest
import torch

from tests.vocabsem.bidirectional import ENCODER_DECODERS, save, tokenizer
from vocabsem import TextStates
from vocabsem.errors import CardError, GuardFailed, SourceError
from vocabsem.families.templates import prompt_template
from vocabsem.models.language_model import TOLERANCE, load_model
from vocabsem.models.model_draft import draft_model_card
from vocabsem.states.extraction import check_head, extract
from vocabsem.vocabulary.anchors import semantic_anchors

TEXTS = ["good film", "the story was dull and the plot was moving this way and that", "a", "great", "was it good ?"]


@pytest.fixture(scope="module", params=ENCODER_DECODERS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(save(request.param, folder, family="encoder_decoder"), folder / "cache", dtype="float32")


def test_states_and_logits_equal_transformers_one_prompt_at_a_time(model):
    ids, encoder = tokenizer()(TEXTS)["input_ids"], 2
    result = extract(model, ids, [0, 1, "1:mean", encoder, encoder + 1, "last", "last:mean"], budget=40)
    start = [2, 0] if model.name == "tiny-bart-encoder_decoder" else [2]  # BART's answers begin with <s>

    def close(actual, expected):
        expected = expected.detach().numpy()
        # float32 rounding through five layers and a batch of another length
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())

    for row, prompt in enumerate(ids):
        output = model.network(
            torch.tensor([prompt]), decoder_input_ids=torch.tensor([start]), output_hidden_states=True
        )
        for layer in (0, 1, encoder):
            close(result[layer][row], output.encoder_hidden_states[layer][0, -1])
        close(result["1:mean"][row], output.encoder_hidden_states[1][0].mean(0))
        close(result[encoder + 1][row], output.decoder_hidden_states[1][0, -1])
        close(result[f"{model.layers}:mean"][row], torch.from_numpy(result[model.layers][row]))
        close(model.head.logits(torch.from_numpy(result[model.layers][row : row + 1]))[0], output.logits[0, -1])
    assert check_head(model, ids) < TOLERANCE["float32"]


def test_the_guard_refuses_a_state_without_its_scale_or_bias(model):
    ids = tokenizer()(TEXTS)["input_ids"][:1]
    some, lengths = torch.tensor(ids), torch.tensor([len(ids[0])])
    state = model.at_answer(model.hidden_states(some, lengths, [model.layers])[model.layers], some, lengths)
    model.guard(some, lengths, state)
    with pytest.raises(GuardFailed, match="the head's bias"):
        model.guard(some, lengths, state * 32**0.5)
    if model.head.bias is not None:
        model.network.final_logits_bias.add_(1.0).mul_(3.0)
        model.guard(some, lengths, state)  # head and logits follow the model's own bias


def test_anchors_take_the_bias_that_is_added_to_the_logits(model):
    head = model.head
    assert (head.bias is None) is (model.name in ("tiny-t5-encoder_decoder", "tiny-mt5-encoder_decoder"))
    if head.bias is None:
        return
    vectors = semantic_anchors(head.weight, bias=head.bias, rows=head.tokens).vectors
    rows = torch.eye(head.tokens, dtype=torch.float64) - head.bias[: head.tokens].double()  # e_i − b
    weight = head.weight[: head.tokens].double()
    torch.testing.assert_close(vectors, torch.linalg.lstsq(weight, rows.T).solution.T, rtol=1e-6, atol=1e-8)


def test_label_words_begin_the_decoders_text(tmp_path):
    save("bart", tmp_path / "tiny", family="encoder_decoder")
    words = {"neg": "bad", "pos": "good"}
    reader = TextStates(
        str(tmp_path / "tiny"), "review : {text}", words, word_tokens="first", dtype="float32", cache=tmp_path
    )
    states = reader.transform(TEXTS)
    first = [tokenizer()(word)["input_ids"][1] for word in words.values()]  # after <s>
    logits = reader.language_model.head.logits(torch.from_numpy(states))
    np.testing.assert_allclose(reader.label_space().label_logits(states), logits[:, first], rtol=1e-4, atol=1e-4)


def test_the_family_is_recognized_and_others_are_refused(tmp_path):
    for name in ("t5", "bart"):
        card = save(name, tmp_path / name, family="encoder_decoder")
        drafted = draft_model_card(card.source, tmp_path / "cache").card
        assert (drafted.family, drafted.layers, drafted.hidden_size) == ("encoder_decoder", 5, 32)
        for other in ("causal", "masked", "encoder"):
            with pytest.raises(CardError, match=f"says family: {other}.* set family: encoder_decoder in the card"):
                load_model(card.model_copy(update={"family": other}), tmp_path / "cache")
    for file, values, says in (
        ("generation_config.json", {"forced_bos_token_id": "x"}, "has forced_bos_token_id 'x': give a token's id"),
        ("generation_config.json", [], "holds no dict: fetch it again"),
        ("config.json", {"decoder_start_token_id": None}, "has no decoder_start_token_id: add it"),
    ):
        path = tmp_path / "bart" / file
        kept = path.read_text()
        path.write_text(json.dumps(values if values == [] else json.loads(kept) | values))
        with pytest.raises(SourceError, match=says):
            load_model(card, tmp_path / "cache")
        path.write_text(kept)


def test_templates_end_where_the_decoder_begins():
    assert prompt_template("It: {text} is {mask}", "encoder_decoder") == "It: {text} is"
    with pytest.raises(CardError, match="a causal model cannot answer"):
        prompt_template("{mask}: {text}", "encoder_decoder")

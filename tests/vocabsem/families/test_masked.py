"""States at the mask against transformers' own forward, one prompt at a time; the bias of the head in the anchors."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from tests.vocabsem.architectures import save as save_causal
from tests.vocabsem.bidirectional import ARCHITECTURES, network, save, tokenizer
from vocabsem import TextStates
from vocabsem.errors import CardError, GuardFailed, SourceError
from vocabsem.families.templates import prompt_template
from vocabsem.models.language_model import TOLERANCE, load_model
from vocabsem.models.model_draft import draft_model_card
from vocabsem.prompts.prompting import encode_prompts
from vocabsem.states.extraction import check_head, extract
from vocabsem.vocabulary.anchors import semantic_anchors

TEXTS = ["good film", "the story was dull and the plot was moving this way and that", "a", "great", "was it good ?"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(save(request.param, folder), folder / "cache", dtype="float32")


def prompts(template="review : {text} sentiment : {mask} ."):
    rows = [{"text": text} for text in TEXTS]
    encoded = encode_prompts(tokenizer(), template, rows, max_tokens=64, prepend_bos=False, special_tokens=True)
    return encoded.token_ids


def test_states_equal_transformers_one_prompt_at_a_time(model):
    ids, mask = prompts(), tokenizer().mask_token_id
    result = extract(model, ids, [0, 1, 2, "1:mean", "last"], budget=40)
    for row, prompt in enumerate(ids):
        output = model.network(torch.tensor([prompt]), output_hidden_states=True)
        at = prompt.index(mask)
        for layer in (0, 1, 2):
            expected = output.hidden_states[layer][0, at].numpy()
            np.testing.assert_allclose(result[layer][row], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        mean = output.hidden_states[1][0].mean(0).numpy()
        np.testing.assert_allclose(result["1:mean"][row], mean, rtol=1e-4, atol=1e-4 * np.abs(mean).max())
        logits = model.head.logits(torch.from_numpy(result[3][row : row + 1]))[0]
        # float32 rounding through three layers and a batch of another length
        torch.testing.assert_close(
            logits, output.logits[0, at], rtol=1e-3, atol=1e-4 * float(output.logits.abs().max())
        )


def test_states_do_not_depend_on_the_batch(model):
    alone = extract(model, prompts(), ["last", "last:mean"], budget=1)
    together = extract(model, prompts(), ["last", "last:mean"], budget=10_000)
    for layer, states in alone.items():
        np.testing.assert_allclose(together[layer], states, rtol=1e-3, atol=1e-4 * np.abs(states).max())


def test_the_guard_passes_the_state_and_refuses_one_before_the_transform(model):
    ids = prompts()
    assert check_head(model, ids) < TOLERANCE["float32"]
    some, lengths = torch.tensor(ids[:1]), torch.tensor([len(ids[0])])
    hidden = model.network(some, output_hidden_states=True).hidden_states[-1]
    with pytest.raises(GuardFailed, match="the head's bias"):
        model.guard(some, lengths, model.at_answer(hidden, some, lengths))


def test_anchors_take_the_bias_of_the_head(model):
    head = model.head
    assert head.bias is not None
    assert float(head.bias.abs().max()) > 0
    vectors = semantic_anchors(head.weight, bias=head.bias, rows=head.tokens).vectors
    rows = torch.eye(head.tokens, dtype=torch.float64) - head.bias[: head.tokens].double()  # e_i − b
    weight = head.weight[: head.tokens].double()
    torch.testing.assert_close(vectors, torch.linalg.lstsq(weight, rows.T).solution.T, rtol=1e-6, atol=1e-8)


def test_the_mask_is_where_the_tokenizer_itself_puts_it():
    own = tokenizer()
    for template in ("review : {text} sentiment : {mask} .", "{mask} : {text}", "good {text} {mask}"):
        spelled = [template.format(text=text, mask=own.mask_token) for text in TEXTS]
        assert prompts(template) == own(spelled)["input_ids"]


def test_no_text_spells_a_mask_and_a_long_one_keeps_its_template():
    own, rows = tokenizer(), [{"text": "good <mask> </s> film"}, {"text": "the story was dull " * 30}]
    encoded = encode_prompts(own, "film : {text} {mask}", rows, max_tokens=24, prepend_bos=False, special_tokens=True)
    assert encoded.truncated.tolist() == [False, True]
    assert encoded.texts[1].startswith("film : the story")
    for ids in encoded.token_ids:
        assert ids.count(own.mask_token_id) == 1
        assert (ids[0], ids[-2:]) == (own.cls_token_id, [own.mask_token_id, own.sep_token_id])
        assert len(ids) <= 24


def test_templates_of_each_family():
    plain, inside = "It: {text} is", "{mask}: {text}"
    assert [prompt_template(plain, family) for family in ("causal", "masked", "encoder")] == [
        plain, "It: {text} is {mask}", "{text}",
    ]  # fmt: skip
    assert prompt_template(inside, "masked") == inside
    assert prompt_template("{question}: {a} or {b} {mask}", "encoder") == "{question}\n{a}\n{b}"
    with pytest.raises(CardError, match="a causal model cannot answer"):
        prompt_template(inside, "causal")


def test_a_card_of_another_family_is_refused_and_the_right_one_is_found(tmp_path):
    masked, encoder, causal = (
        save("bert", tmp_path / "masked"),
        save("bert", tmp_path / "encoder", family="encoder"),
        save_causal("llama", tmp_path / "causal"),
    )
    for card in (masked, encoder, causal):
        assert draft_model_card(card.source, tmp_path / "cache").card.family == card.family
        for other in {"causal", "masked", "encoder"} - {card.family}:
            with pytest.raises(CardError, match=f"says family: {other}.* set family: {card.family} in the card"):
                load_model(card.model_copy(update={"family": other}), tmp_path / "cache")


def test_a_tokenizer_without_a_mask_and_a_head_that_is_no_product_are_refused(tmp_path):
    card = save("bert", tmp_path / "bert")
    path = tmp_path / "bert" / "tokenizer_config.json"
    path.write_text(path.read_text().replace('"mask_token"', '"other_token"'))
    with pytest.raises(SourceError, match="has no mask token"):
        load_model(card, tmp_path / "cache")
    model = network("deberta-v2", AutoModelForMaskedLM)
    model.config.legacy = False
    AutoModelForMaskedLM.from_config(model.config).save_pretrained(tmp_path / "deberta")
    tokenizer().save_pretrained(tmp_path / "deberta")
    card = card.model_copy(update={"source": f"file:{tmp_path / 'deberta'}"})
    with pytest.raises(SourceError, match="no plain product"):
        load_model(card, tmp_path / "cache")


def test_text_states_read_a_folder(tmp_path):
    save("roberta", tmp_path / "tiny")
    words = {"neg": "bad", "pos": "positive"}
    reader = TextStates(str(tmp_path / "tiny"), "review : {text} was {mask} .", words, dtype="float32", cache=tmp_path)
    states, space = reader.transform(TEXTS), reader.label_space()
    assert states.shape == (len(TEXTS), 32)
    own, ids = reader.language_model, tokenizer()(" positive")["input_ids"][1:-1]
    logits = own.head.logits(torch.from_numpy(states))
    np.testing.assert_allclose(space.label_logits(states)[:, 1], logits[:, ids[0]], rtol=1e-4, atol=1e-4)

"""What heads write of a word, against the attention of the model itself."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import network, tokenizer
from vocabsem.families.causal import LanguageModel
from vocabsem.states.attention_heads import head_circuits

TOKENS = [5, 40, 300]


def model(name):
    return LanguageModel(f"tiny-{name}", "0" * 64, network(name), tokenizer(), "float32")


@pytest.mark.parametrize("name", ["llama", "qwen2", "mistral"])
def test_all_heads_together_write_what_attention_to_the_word_alone_does(name):
    tiny = model(name)
    circuits = head_circuits(tiny, TOKENS)
    body = tiny.network.base_model
    with torch.inference_mode():
        embedded = body.embed_tokens(torch.tensor(TOKENS))
        first = body.layers[0]
        effective = embedded + first.mlp(first.post_attention_layernorm(embedded))
        turns = body.rotary_emb(effective[:, None], torch.zeros(len(TOKENS), 1, dtype=torch.long))
        for layer, block in enumerate(body.layers):
            given = block.input_layernorm(effective)
            np.testing.assert_allclose(circuits.inputs[layer], given, atol=1e-5)
            if block.self_attn.v_proj.bias is not None:
                block.self_attn.v_proj.bias.zero_()
            own = block.self_attn(given[:, None], position_embeddings=turns, attention_mask=None)[0][:, 0]
            read = np.einsum("hrd,nd->hnr", circuits.values[layer], circuits.inputs[layer])
            np.testing.assert_allclose(np.einsum("hdr,hnr->nd", circuits.outputs[layer], read), own, atol=1e-3)


def test_a_reader_times_a_written_vector_is_its_logit_up_to_its_length():
    tiny = model("llama")
    circuits = head_circuits(tiny, TOKENS)
    written = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = tiny.network.get_output_embeddings()(tiny.network.base_model.norm(written))[:, TOKENS]
    scores = written.numpy() @ circuits.readers.T
    ratios = logits.numpy() / scores
    np.testing.assert_allclose(ratios, ratios[:, :1].repeat(len(TOKENS), axis=1), rtol=1e-3)
    assert (ratios > 0).all()


def test_the_model_computes_as_before():
    tiny, ids = model("llama"), torch.tensor([TOKENS])
    with torch.inference_mode():
        before = tiny.network(ids).logits
        head_circuits(tiny, TOKENS)
        assert torch.equal(tiny.network(ids).logits, before)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "gemma2", "phi", "cohere"])
def test_other_architectures_are_not_read(name):
    assert head_circuits(model(name), TOKENS) is None

"""Split GGUF files: a model in three parts answers as the network it was written from, wherever it is named."""

import json

import numpy as np
import pytest
import torch
from gguf import GGUFWriter

from tests.vocabsem import architectures
from vocabsem.cards.schema import ModelCard
from vocabsem.errors import SourceError
from vocabsem.models.checkpoints import fetch_checkpoint, from_folder, model_digest
from vocabsem.models.gguf_parts import join_gguf_parts
from vocabsem.models.model_draft import find_model_card
from vocabsem.sources.digests import sha256_of
from vocabsem.sources.fetching import fetch
from vocabsem.sources.parsing import gguf_parts

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def interleaved(weights, heads):
    """llama.cpp's order of the rows of queries and keys: the two halves of a head's rotary pairs side by side."""
    return weights.reshape(heads, 2, -1, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)


def write_gguf(path, **split):
    """The tiny Llama as llama.cpp's converter writes it; in parts with `split_max_tensors`."""
    network, tokenizer = architectures.network("llama"), architectures.tokenizer()
    config, rules = network.config, json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer = GGUFWriter(path, "llama", **split)
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    tokens = sorted(rules["vocab"], key=rules["vocab"].get)
    tokens += [f"<pad {number}>" for number in range(config.vocab_size - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges([" ".join(merge) for merge in rules["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for name, tensor in network.state_dict().items():
        stem, array = name.removesuffix(".weight"), tensor.numpy().astype(np.float32)
        if stem in TOP:
            writer.add_tensor(f"{TOP[stem]}.weight", array)
            continue
        _, _, layer, part = stem.split(".", 3)
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = config.num_attention_heads if "q_proj" in part else config.num_key_value_heads
            array = interleaved(array, heads)
        writer.add_tensor(f"blk.{layer}.{NAMES[part]}.weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    write_gguf(folder / "tiny.gguf", split_max_tensors=12)
    assert sorted(path.name for path in folder.iterdir()) == [f"tiny-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    return folder


def card_of(source, **changes):
    network = architectures.network("llama")
    sizes = {"layers": 3, "hidden_size": 32, "vocabulary_size": architectures.VOCABULARY}
    sizes |= {"parameters": sum(each.numel() for each in network.parameters()), "prepend_bos": False}
    return ModelCard(name="split", description="x", license="x", source=source, max_tokens=64, **sizes | changes)


def tokens(tokenizer):
    return tokenizer("the film is a good story", return_tensors="pt")["input_ids"]


def logits(folder):
    network, tokenizer = from_folder(folder, torch.float32)
    ids = tokens(tokenizer)
    with torch.inference_mode():
        return ids, network(ids).logits


def test_it_answers_as_the_network_it_was_written_from(parts, tmp_path):
    folder, _ = fetch_checkpoint(card_of(f"file:{parts}/tiny-00001-of-00003.gguf"), tmp_path)
    ids, result = logits(folder)
    assert torch.equal(ids, tokens(architectures.tokenizer()))
    with torch.inference_mode():
        expected = architectures.network("llama")(ids).logits
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)  # float32, three layers
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}, "nothing is left of the joined file"


def test_a_first_part_without_tensors(tmp_path):
    """As `gguf-split --no-tensor-first-split` writes it."""
    write_gguf(tmp_path / "tiny.gguf", split_max_tensors=15, small_first_shard=True)
    first = next(iter(sorted(tmp_path.glob("*-of-*.gguf"))))
    write_gguf(tmp_path / "whole.gguf")
    join_gguf_parts([first.with_name(name) for name in gguf_parts(first.name)], tmp_path / "joined.gguf")
    for one, other in zip(logits(tmp_path / "joined.gguf"), logits(tmp_path / "whole.gguf"), strict=True):
        assert torch.equal(one, other)


def test_its_digest_is_of_all_parts(parts, tmp_path):
    source = f"file:{parts}/tiny-00001-of-00003.gguf"
    fetched = fetch(source, tmp_path)
    assert fetched.path == parts / "tiny-00001-of-00003.gguf"
    assert fetched.sha256 == sha256_of(parts), "as of a folder of the parts"
    digest = model_digest(card_of(source), tmp_path)
    assert digest == model_digest(card_of(source, sha256=fetched.sha256), tmp_path)
    with pytest.raises(SourceError, match=f"has the sha256 {fetched.sha256}, its card says {'0' * 64}"):
        fetch(source, tmp_path, sha256="0" * 64)


def test_any_part_names_the_model_and_its_card_is_named_without_numbers(parts, tmp_path):
    card = find_model_card(f"{parts}/tiny-00002-of-00003.gguf", tmp_path)
    assert (card.name, card.layers, card.hidden_size) == ("tiny", 3, 32)


def test_what_is_no_whole_split_is_refused(parts, tmp_path):
    names = [f"tiny-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    for name in names:
        (tmp_path / name).write_bytes((parts / name).read_bytes())
    first = f"file:{tmp_path}/{names[0]}"
    (tmp_path / names[1]).write_bytes((parts / names[2]).read_bytes())
    with pytest.raises(SourceError, match=r"00002-of-00003.gguf has split.no 2 of split.count 3, its name says 1 of 3"):
        fetch_checkpoint(card_of(first), tmp_path / "cache")
    (tmp_path / names[1]).unlink()
    with pytest.raises(SourceError, match=r"00002-of-00003.gguf does not exist"):
        fetch_checkpoint(card_of(first), tmp_path / "cache")
    with pytest.raises(SourceError, match=r"names part 4 of 3: give -00001-of-00003"):
        gguf_parts("file:a-00004-of-00003.gguf")

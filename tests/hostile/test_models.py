"""Folders and GGUF files of models that name code or other files, or ask for more than they hold."""

import json
import os
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.hostile.test_sources import refused
from tests.vocabsem.architectures import save, tokenizer
from vocabsem.errors import CardError, SourceError
from vocabsem.models.checkpoints import fetch_checkpoint, from_folder, load_tokenizer
from vocabsem.models.gguf_header import read_gguf_header

pytestmark = pytest.mark.medium

BILLION = 1_000_000_000


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The card of a good model."""
    return save("llama", tmp_path_factory.mktemp("good") / "llama")


@pytest.fixture
def folder(good, tmp_path):
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(good.source.removeprefix("file:"), tmp_path / "model"))


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def load(path):
    return from_folder(path, "auto")


# Files


def test_pickled_weights_are_not_read(folder, trap):
    data, sprung = trap
    (folder / "pytorch_model.bin").write_bytes(data)
    load(folder)
    (folder / "model.safetensors").unlink()
    assert "pickled weights are not read" in refused(load, folder)
    assert not sprung.exists()


def test_an_adapter_beside_the_weights_is_not_applied(folder, tmp_path):
    expected = load(folder)[0].state_dict()
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(tmp_path), "peft_type": "X"})
    )
    assert load(folder)[0].state_dict().keys() == expected.keys()


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/passwd", "pytorch_model.bin", "absent.safetensors", 7]
)
def test_an_index_names_weights_beside_it_only(folder, name):
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))
    assert "names the weights" in refused(load, folder)


def test_an_index_of_shards_loads(folder):
    weights = load_file(folder / "model.safetensors")
    expected = load(folder)[0].state_dict()
    half = list(weights)[: len(weights) // 2]
    shards = {"a-1.safetensors": half, "a-2.safetensors": [key for key in weights if key not in half]}
    for name, keys in shards.items():
        save_file({key: weights[key] for key in keys}, folder / name, {"format": "pt"})
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {key: name for name, keys in shards.items() for key in keys}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert all(value.equal(expected[key]) for key, value in load(folder)[0].state_dict().items())


def test_weights_that_are_missing_are_not_made_up(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "lacks 1 of its model's weights, as 'model.layers.1.mlp.up_proj.weight'" in refused(load, folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "unused"])
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_pipes_and_devices_in_a_folder(good, folder, tmp_path, name, kind):
    (folder / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(kind)
    assert "is no plain file" in refused(load, folder)
    card = good.model_copy(update={"source": f"file:{folder}"})
    refused(fetch_checkpoint, card, tmp_path / "cache")
    refused(load_tokenizer, card, tmp_path / "cache")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"a":' * 100_000, "null", "\udcff", None])
def test_files_that_are_no_json(folder, name, content):
    if content is None:
        (folder / name).touch()
        os.truncate(folder / name, 1 << 33)  # sparse
    else:
        (folder / name).write_text(content, errors="surrogateescape")
    refused(load, folder)


# Fields


@pytest.mark.parametrize(
    "field",
    [
        {"_attn_implementation": "somebody/kernel"},
        {"attn_implementation": {"": "somebody/kernel:run"}},
        {"_attn_implementation_internal": "somebody/kernel"},
        {"text_config": {"_attn_implementation": "somebody/kernel"}},
        {"_experts_implementation": "somebody/kernel"},
        {"use_kernels": True, "kernel_config": {"RMSNorm": "somebody/kernel:Norm"}},
        {"quantization_config": {"quant_method": "quark"}},
        {"compression_config": {"quant_method": "compressed-tensors"}},
        {"transformers_weights": "../other.safetensors"},
        {"fusion_config": {"patch_embeddings": True}},
        {"trust_remote_code": True},
        {"tokenizer_class": "AutoModel"},
        {"dtype": "load"},
        {"torch_dtype": "hub"},
    ],
)
def test_fields_that_name_code(folder, field):
    change(folder / "config.json", **field)
    assert "which can run other code or read other files" in refused(load, folder)


def test_code_of_the_repository_does_not_run(folder, tmp_path):
    sprung = tmp_path / "sprung"
    (folder / "trap.py").write_text(f"open({str(sprung)!r}, 'w')")
    names = {"AutoConfig": "trap.C", "AutoModelForCausalLM": "trap.M", "AutoTokenizer": ["trap.T", "trap.T"]}
    change(folder / "config.json", auto_map=names)
    change(folder / "tokenizer_config.json", auto_map=names)
    load(folder)  # the library has the architecture of its own
    change(folder / "config.json", model_type="trap")
    assert "transformers has no causal or masked language model of it" in refused(load, folder)
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["AutoModel", "RagTokenizer", "pipeline", "../x", ["LlamaTokenizer"], 3])
def test_a_tokenizer_class_is_a_tokenizer(folder, name):
    change(folder / "tokenizer_config.json", tokenizer_class=name)
    assert "which is no tokenizer" in refused(load, folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
def test_options_of_a_tokenizer_name_no_other_files(folder, name):
    expected = load(folder)[1]("a good film").input_ids
    (folder / name).touch()
    paths = dict.fromkeys(["tokenizer_file", "vocab_file", "gguf_file", "fast_tokenizer_files"], "/etc/passwd")
    change_from = json.loads((folder / name).read_text() or "{}")
    (folder / name).write_text(
        json.dumps(change_from | paths | {"init_inputs": ["/etc/passwd"], "chat_template": "{{"})
    )
    assert load(folder)[1]("a good film").input_ids == expected


# Sizes


@pytest.mark.parametrize(
    "field",
    [
        {"num_hidden_layers": BILLION},
        {"num_hidden_layers": -1},
        {"num_attention_heads": BILLION, "num_key_value_heads": BILLION},
        {"num_labels": BILLION},
        {"num_hidden_layers": 1e300},
        {"num_hidden_layers": 1000},
        {"vocab_size": BILLION},
        {"vocab_size": 10**30},
        {"hidden_size": BILLION},
        {"intermediate_size": BILLION},
        {"head_dim": BILLION},
        {"hidden_size": "x"},
        {"vocab_size": [384]},
        {"rope_parameters": {"rope_type": "x" * 1000}},
        {"hidden_act": "system"},
    ],
)
def test_sizes_are_compared_with_the_file(folder, field):
    change(folder / "config.json", **field)
    refused(load, folder)


@pytest.mark.parametrize("name", ["gptj", "opt"])
def test_tables_that_are_computed_are_counted_too(name, tmp_path):
    save(name, tmp_path / name)
    change(tmp_path / name / "config.json", n_positions=BILLION, max_position_embeddings=BILLION)
    refused(load, tmp_path / name)


@pytest.mark.parametrize("header", [b"\xff" * 8, struct.pack("<Q", 1 << 40), struct.pack("<Q", 8) + b"{" * 8])
def test_safetensors_that_lie(folder, header):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(header + data[len(header) :])
    refused(load, folder)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.sampled_from([BILLION, 10**30, -1, 0, 1e308, "x", "", [], {}, [1], {"a": 1}, "/dev/zero"]),
)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_configuration_loads_or_is_refused(good, tmp_path_factory, data):
    folder = Path(shutil.copytree(good.source.removeprefix("file:"), tmp_path_factory.mktemp("fuzz") / "model"))
    keys = sorted(json.loads((folder / "config.json").read_text()))
    change(folder / "config.json", **data.draw(st.dictionaries(st.sampled_from(keys), VALUES, min_size=1, max_size=3)))
    try:
        load(folder)
    except SourceError as error:
        message = str(error)
    else:
        message = ""
    finally:
        shutil.rmtree(folder)
    assert "\n" not in message


# GGUF


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    """The bytes of a small GGUF file, whole in form."""
    path = tmp_path_factory.mktemp("gguf") / "good.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(16)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    vocabulary = list(tokenizer().get_vocab())[:40]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([1] * len(vocabulary))
    writer.add_token_merges(["a b"])
    for name, shape in (("token_embd.weight", (40, 8)), ("output_norm.weight", (8,))):
        writer.add_tensor(name, np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def with_number(data, after, form, value):
    """The bytes with the number behind a key replaced."""
    at = data.index(after) + len(after)
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def lies(data):
    block, tokens, tensor = (
        b"llama.block_count\x04\0\0\0",
        b"tokenizer.ggml.tokens\x09\0\0\0\x08\0\0\0",
        b"token_embd.weight",
    )
    yield "empty", b""
    yield "no magic", b"GGML" + data[4:]
    yield "version", data[:4] + struct.pack("<I", 99) + data[8:]
    for count in (2**63, BILLION, 1000):
        yield f"{count} tensors", data[:8] + struct.pack("<Q", count) + data[16:]
        yield f"{count} keys", data[:16] + struct.pack("<Q", count) + data[24:]
        yield f"{count} tokens", with_number(data, tokens, "<Q", count)
    yield "a long key", data[:24] + struct.pack("<Q", 2**62) + data[32:]
    yield "a type", with_number(data, b"llama.block_count", "<I", 77)
    yield "many layers", with_number(data, block, "<I", BILLION)
    yield "many dimensions", with_number(data, tensor, "<I", BILLION)
    yield "a large tensor", with_number(data, tensor + struct.pack("<I", 2), "<Q", BILLION)
    yield "a large offset", with_number(data, tensor + struct.pack("<IQQI", 2, 8, 40, 0), "<Q", 2**60)
    yield "cut in the header", data[: len(data) // 3]
    yield "cut in the tensors", data[:-8]


def test_the_good_header_is_read(gguf, tmp_path):
    (tmp_path / "good.gguf").write_bytes(gguf)
    header = read_gguf_header(tmp_path / "good.gguf")
    assert header.tensors == 2
    assert header.elements == 40 * 8 + 8
    assert header.values["llama.block_count"] == 1


def test_headers_that_lie(good, gguf, tmp_path):
    for number, (name, data) in enumerate(lies(gguf)):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(data)
        card = good.model_copy(update={"source": f"file:{path}"})
        message = refused(fetch_checkpoint, card, tmp_path / "cache")
        assert re.search(r"no whole GGUF|block_count: 1000000000, expected 0 to", message), name
        assert not [file for file in (tmp_path / "cache" / "models").iterdir() if file.suffix != ".lock"], name


def test_a_header_without_its_model(good, gguf, tmp_path):
    """Whole in form, but its layer has no weights."""
    (tmp_path / "model.gguf").write_bytes(gguf)
    card = good.model_copy(update={"source": f"file:{tmp_path / 'model.gguf'}"})
    refused(fetch_checkpoint, card, tmp_path / "cache")
    assert [file.suffix for file in (tmp_path / "cache" / "models").iterdir()] == [".lock"]


def test_a_source_that_is_no_model(good, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    card = good.model_copy(update={"source": f"file:{tmp_path / 'model.bin'}"})
    with pytest.raises(CardError, match=r"no folder and no \.gguf file"):
        fetch_checkpoint(card, tmp_path / "cache")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6), st.integers(0, 4000))
def test_any_header_is_read_or_refused(gguf, tmp_path_factory, flips, cut):
    data = bytearray(gguf)
    for position, value in flips:
        data[position % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.gguf"
    path.write_bytes(data[: max(cut, 1)] if cut < 1000 else data)
    try:
        header = read_gguf_header(path)
    except SourceError:
        return
    assert header.elements <= 32 * len(data)

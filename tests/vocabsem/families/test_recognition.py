"""Which family a configuration is of."""

import json

import pytest

from vocabsem.errors import SourceError
from vocabsem.families.folder_json import read_json
from vocabsem.families.recognition import MODULES, recognize_family


@pytest.mark.parametrize(
    ("kind", "architecture", "family"),
    [
        ("llama", "LlamaForCausalLM", "causal"),
        ("llama", None, "causal"),
        ("bert", "BertForMaskedLM", "masked"),
        ("bert", "BertModel", "encoder"),
        ("bert", "BertLMHeadModel", "causal"),
        ("bert", None, "masked"),
        ("t5", "T5ForConditionalGeneration", "encoder_decoder"),
        ("t5", None, "encoder_decoder"),
        ("mt5", "MT5ForConditionalGeneration", "encoder_decoder"),
        ("bart", "BartForConditionalGeneration", "encoder_decoder"),
        ("bart", "BartModel", "encoder_decoder"),
        ("bart", "BartForCausalLM", "causal"),
        ("pegasus", "PegasusForConditionalGeneration", "encoder_decoder"),
        ("marian", "MarianMTModel", "encoder_decoder"),
    ],
)
def test_a_family_is_recognized_by_type_and_architecture(tmp_path, kind, architecture, family):
    config = {"model_type": kind} | ({"architectures": [architecture]} if architecture else {})
    assert recognize_family(config, tmp_path) == family
    (tmp_path / MODULES).write_text("[]")
    with_modules = "encoder" if kind == "bert" else family
    assert recognize_family(config, tmp_path) == with_modules


@pytest.mark.parametrize("text", ["{", "[]", "[" * 5000, " " * (1 << 20) + "{}"])
def test_a_file_of_a_folder_that_is_no_small_object_is_refused(tmp_path, text):
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({"forced_bos_token_id": 0}))
    assert read_json(path, dict) == {"forced_bos_token_id": 0}
    path.write_text(text)
    with pytest.raises(SourceError, match=r"generation_config\.json (cannot be read|holds no dict)"):
        read_json(path, dict)

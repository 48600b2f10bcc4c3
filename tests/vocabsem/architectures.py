"""Tiny models of many architectures with random weights, built from their configs: no download.

Biases and norm gains are random on purpose: initialized to zero and one they would hide a missing bias or norm.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from vocabsem.cards.schema import ModelCard

WORDS = "the a good bad great film review sentiment negative positive of is was it this and moving dull story plot"
TEXT = [f"{a} {b} {c}" for a in WORDS.split() for b in WORDS.split()[::3] for c in WORDS.split()[::5]]
VOCABULARY = 384  # rows of the head; the tokenizer has fewer tokens, the rest is padding
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
GROUPED = SMALL | {"num_key_value_heads": 2, "head_dim": 8}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128},
    "gpt_neox": SMALL | {"max_position_embeddings": 128},
    "gptj": {"n_embd": 32, "n_layer": 3, "n_head": 4, "rotary_dim": 4, "n_positions": 128},  # a head with bias
    "llama": GROUPED,
    "qwen2": GROUPED | {"tie_word_embeddings": True},
    "gemma2": GROUPED | {"final_logit_softcapping": 2.0, "query_pre_attn_scalar": 8},  # low, so that it bites
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 16,
    },
    "phi": SMALL | {"max_position_embeddings": 128},  # a head with bias
    "mistral": GROUPED | {"sliding_window": 8},
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4},
    "cohere": GROUPED | {"logit_scale": 0.25},  # logits multiplied
    "granite": GROUPED | {"logits_scaling": 4.0},  # logits divided
}


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE trained on a few words, each with its leading space."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=360, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


def network(name: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        name, vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=1, pad_token_id=1, **ARCHITECTURES[name]
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
            else:
                parameter.normal_(std=0.25)
    model.tie_weights()
    return model


def save(name: str, folder: Path) -> ModelCard:
    """The architecture on disk as safetensors, and its card."""
    model = network(name)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    head = model.get_output_embeddings().weight
    return ModelCard(
        name=f"tiny-{name}",
        description="random weights",
        source=f"file:{folder}",
        license="Apache-2.0",
        prepend_bos=False,
        max_tokens=64,
        parameters=sum(p.numel() for p in model.parameters()),
        layers=model.config.num_hidden_layers,
        hidden_size=head.shape[1],
        vocabulary_size=head.shape[0],
    )

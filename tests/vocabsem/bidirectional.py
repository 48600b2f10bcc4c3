"""Tiny masked models and sentence encoders with random weights, built from their configs: no download."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

from tests.vocabsem.architectures import SMALL, TEXT
from vocabsem.cards.schema import ModelCard

VOCABULARY = 384
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bert": SMALL | {"max_position_embeddings": 128},
    "roberta": SMALL | {"max_position_embeddings": 130},
    "modernbert": SMALL | {"max_position_embeddings": 128, "local_attention": 8, "global_attn_every_n_layers": 2},
    "deberta-v2": SMALL
    | {"max_position_embeddings": 128, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "legacy": True},
    "distilbert": {"dim": 32, "hidden_dim": 48, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 128},
}


ENCODER_DECODERS: dict[str, dict[str, Any]] = {
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4},
    "mt5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "tie_word_embeddings": False},
}
FAIRSEQ = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "max_position_embeddings": 128}
FAIRSEQ |= {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
ENCODER_DECODERS |= dict.fromkeys(("bart", "marian", "pegasus"), FAIRSEQ)
LAYERS = {"t5": 5, "mt5": 4, "bart": 5, "marian": 5, "pegasus": 5}
KINDS = {"masked": AutoModelForMaskedLM, "encoder_decoder": AutoModelForSeq2SeqLM, "encoder": AutoModel}
STARTS = {"decoder_start_token_id": 2, "eos_token_id": 2, "bos_token_id": 0}


def tokenizer() -> PreTrainedTokenizerFast:
    """As RoBERTa's: byte-level BPE, whose mask takes the space before it, between <s> and </s>."""
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=360, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token=mask
    )


def network(name: str, kind: Any) -> Any:
    torch.manual_seed(0)
    options = STARTS | ENCODER_DECODERS[name] if name in ENCODER_DECODERS else ARCHITECTURES[name]
    config = AutoConfig.for_model(name, vocab_size=VOCABULARY, pad_token_id=1, **options)
    model = kind.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # random, so that a missing bias or norm cannot hide
                parameter.add_(0.3 * torch.randn_like(parameter))
            else:
                parameter.normal_(std=0.25)
    if name in ("bart", "marian", "pegasus") and hasattr(model, "final_logits_bias"):
        model.final_logits_bias.normal_()
    model.tie_weights()
    return model


def save(name: str, folder: Path, *, family: str = "masked", pooling: str | None = None) -> ModelCard:
    """The architecture on disk as safetensors, and its card; with sentence-transformers' files where it pools."""
    model = network(name, KINDS[family])
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    if name == "bart":
        (folder / "generation_config.json").write_text(json.dumps({"forced_bos_token_id": 0}))
    if pooling:
        types = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        modules = [{"path": path, "type": f"sentence_transformers.models.{each}"} for path, each in types]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        modes = {
            f"pooling_mode_{mode}": mode.startswith(pooling) for mode in ("cls_token", "mean_tokens", "max_tokens")
        }
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32} | modes))
    return ModelCard(
        name=f"tiny-{name}-{family}",
        description="random weights",
        source=f"file:{folder}",
        license="Apache-2.0",
        family=family,
        max_tokens=64,
        parameters=sum(p.numel() for p in model.parameters()),
        layers=LAYERS.get(name, 3),
        hidden_size=32,
        vocabulary_size=VOCABULARY,
    )

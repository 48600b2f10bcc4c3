"""Models of given shapes with random weights: what they cost does not depend on what they know."""

import torch

from vocabsem.models.language_model import LanguageModel
from vocabsem.runtime.cpu_attention import use_fast_attention


def random_model(
    layers: int,
    hidden: int,
    *,
    inner: int | None = None,
    heads: int | None = None,
    groups: int | None = None,
    vocabulary: int,
    tied: bool = True,
    dtype: str = "bfloat16",
    device: str = "cpu",
) -> LanguageModel:
    """A Llama; by default heads of 64, a key for each, and three times as wide inside."""
    from transformers import LlamaConfig, LlamaForCausalLM

    heads = heads or hidden // 64
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner or 3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups or heads,
        tie_word_embeddings=tied,
        dtype=getattr(torch, dtype),
    )
    with torch.device(device):
        network = LlamaForCausalLM._from_config(config, dtype=getattr(torch, dtype)).eval().requires_grad_(False)
    if device == "cpu":
        use_fast_attention(network)
    return LanguageModel(f"{layers} layers of {hidden}", "", network, None, dtype)


def random_prompts(rows: int, tokens: int, vocabulary: int) -> list[list[int]]:
    """Of half to one and a half times `tokens` (2 at least), with nothing shared but by chance."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(tokens // 2, 3 * tokens // 2 + 1, (rows,), generator=generator).tolist()
    return [torch.randint(vocabulary, (length,), generator=generator).tolist() for length in lengths]

"""Small models with random weights, one of each family, which take for a token and a weight what real ones take."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vocabsem.families.names import ModelFamily

if TYPE_CHECKING:
    from vocabsem.families.base import FrozenModel

LAYERS, TOKENS = 2, 2048  # of a model; an encoder with a decoder has so many layers of each


@dataclass(frozen=True)
class LayerWeights:
    """The weights of a layer of width w and inner width i: square · w² + across · w · i, the mean of all layers."""

    square: int
    across: int
    layers: int
    """Of the random model."""

    def inner(self, of_layer: float, width: int) -> float:
        """Return the inner width of a layer with so many weights."""
        return (of_layer / width - self.square * width) / self.across

    def weights(self, width: int, inner: int) -> int:
        """Return the weights of the random model but its embedding."""
        return self.layers * (self.square * width**2 + self.across * width * inner)


def layer_weights(family: ModelFamily) -> LayerWeights:
    """Return how the weights of a family's layers are divided.

    Attention has four squares, and that of a decoder to its encoder four more; causal models gate their inner layer.
    """
    if family == "encoder_decoder":
        return LayerWeights(6, 2, 2 * LAYERS)
    return LayerWeights(4, 3 if family == "causal" else 2, LAYERS)


def random_model(family: ModelFamily, width: int, inner: int, dtype: str, device: str) -> "FrozenModel":
    """Return a model of a family. Masked models are timed as the encoders that they are but for their head."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

    from vocabsem.families.encoder import EncoderModel
    from vocabsem.families.encoder_decoder import EncoderDecoderModel
    from vocabsem.models.language_model import LanguageModel
    from vocabsem.runtime.cpu_attention import use_fast_attention

    heads = next(count for count in range(max(1, width // 64), 0, -1) if width % count == 0)
    sizes: dict[str, Any] = {"vocab_size": TOKENS, "tie_word_embeddings": True}
    kind: Any
    if family == "causal":
        kind = LlamaForCausalLM
        config: Any = LlamaConfig(
            **sizes,
            hidden_size=width,
            intermediate_size=inner,
            num_hidden_layers=LAYERS,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=max(1, width // heads // 2) * 2,
        )
    elif family == "encoder_decoder":
        kind = T5ForConditionalGeneration
        sizes |= {"d_model": width, "d_ff": inner, "num_heads": heads, "d_kv": width // heads}
        config = T5Config(**sizes, num_layers=LAYERS, num_decoder_layers=LAYERS)
        config.decoder_start_token_id = 0
    else:
        kind = BertModel
        sizes |= {"hidden_size": width, "intermediate_size": inner, "num_attention_heads": heads}
        config = BertConfig(**sizes, num_hidden_layers=LAYERS)
    with torch.device(device):
        network = kind._from_config(config, dtype=getattr(torch, dtype))
    network = network.eval().requires_grad_(False)
    if device == "cpu":
        use_fast_attention(network)
    common: dict[str, Any] = {"name": "random weights", "digest": "", "network": network, "dtype": dtype}
    common["tokenizer"] = SimpleNamespace(pad_token_id=0)
    if family == "causal":
        return LanguageModel(**common)
    if family == "encoder_decoder":
        return EncoderDecoderModel(**common, forced=())
    return EncoderModel(**common, pooling="mean")

"""Encoder–decoder models: the encoder reads the prompt, the decoder's first state meets the head."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vocabsem.errors import SourceError
from vocabsem.families.base import HeadModel
from vocabsem.families.folder_json import read_json
from vocabsem.families.head_input import head_inputs, record_head_inputs
from vocabsem.families.masked import attended

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

__all__ = ["EncoderDecoderModel"]


@dataclass(frozen=True)
class EncoderDecoderModel(HeadModel):
    """A loaded, frozen encoder–decoder model: T5, BART and the like.

    States 0 to E are those of the encoder's E layers, a token each. States E + 1 to `layers` = E + D are those of the
    decoder's D layers where its answer begins: after its start token, and after the token that it is forced to write
    first (BART's <s>). State `layers` is what multiplies the head, scaled as its architecture does (T5).

    Attributes
    ----------
    name, digest, network, tokenizer, dtype
        As of every `FrozenModel`.
    forced : tuple of int
        The token that the decoder is forced to write first, if any.
    """

    family = "encoder_decoder"
    loader = "AutoModelForSeq2SeqLM"

    forced: tuple[int, ...]

    @classmethod
    def of_checkpoint(
        cls, name: str, digest: str, network: "PreTrainedModel", tokenizer: Any, dtype: Any, folder: Path
    ) -> Self:
        """Return the model, with the token that its folder's generation_config.json or config.json forces.

        Raises
        ------
        SourceError
            For one that is no token.
        """
        paths = [path for path in (folder / "generation_config.json", folder / "config.json") if path.is_file()]
        given = {path: read_json(path, dict).get("forced_bos_token_id") for path in paths}
        for path, token in given.items():
            if token is None:
                continue
            if not isinstance(token, int) or not 0 <= token < network.config.vocab_size:
                raise SourceError(f"{path} has forced_bos_token_id {token!r:.80}: give a token's id, or take it out")
            return cls(name, digest, network, tokenizer, dtype, (token,))
        return cls(name, digest, network, tokenizer, dtype, ())

    def __post_init__(self) -> None:
        """Watch what the head is given. Raises SourceError where the decoder has no start token."""
        if self.network.config.decoder_start_token_id is None:
            raise SourceError(f"the config.json of {self.name!r} has no decoder_start_token_id: add it")
        record_head_inputs(self._decoder)

    @property
    def layers(self) -> int:
        """Number of layers, the encoder's and the decoder's together."""
        config = self.network.config
        return self.encoder_layers + int(getattr(config, "num_decoder_layers", None) or config.decoder_layers)

    @property
    def encoder_layers(self) -> int:
        """Number E of the encoder's layers."""
        return int(self.network.config.num_hidden_layers)

    def _head_bias(self) -> "Tensor | None":
        """Return the bias that is added to the logits (BART)."""
        bias: Any = getattr(self.network, "final_logits_bias", None)
        return super()._head_bias() if bias is None else bias[0]

    def hidden_states(
        self, ids: "Tensor", lengths: "Tensor", layers: Sequence[int], cache: "Cache | None" = None
    ) -> "dict[int, Tensor]":
        """Return {layer: (B, T, d)} of one batch; of the decoder's layers the same state for all T tokens.

        A prompt is read whole: `cache` is not used.
        """
        with head_inputs() as given:
            output = self._run(ids, lengths, output_hidden_states=any(layer != self.layers for layer in layers))

        def of(layer: int) -> "Tensor":
            if layer <= self.encoder_layers:
                return output.encoder_hidden_states[layer]  # type: ignore[no-any-return]
            state = given[0] if layer == self.layers else output.decoder_hidden_states[layer - self.encoder_layers]
            return state[:, -1:].expand(-1, ids.shape[1], -1)

        return {layer: of(layer) for layer in layers}

    def logits(self, ids: "Tensor", lengths: "Tensor", cache: "Cache | None" = None) -> "Tensor":
        """Return the model's own logits where the answer begins, for all T tokens: (B, T, V)."""
        logits: Tensor = self._run(ids, lengths).logits
        return logits[:, -1:].expand(-1, ids.shape[1], -1)

    def _run(self, ids: "Tensor", lengths: "Tensor", **options: Any) -> Any:
        start = [self.network.config.decoder_start_token_id, *self.forced]
        decoder_ids = ids.new_tensor(start).expand(len(ids), -1)
        return self.network(
            ids,
            attention_mask=attended(ids, lengths),
            decoder_input_ids=decoder_ids,
            use_cache=False,
            **options,
        )

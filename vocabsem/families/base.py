"""What models of all families share: a tokenizer, a network, the states of prompts, and a guard of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from vocabsem.errors import GuardFailed
from vocabsem.families.head import Head, head_of
from vocabsem.families.names import ModelFamily
from vocabsem.runtime.parallel import MAX_WORKERS

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["TOLERANCE", "FrozenModel", "HeadModel"]

TOLERANCE = {"float32": 5e-4, "bfloat16": 2e-2}  # of the largest logit; a few roundings of the dtype


@dataclass(frozen=True)
class FrozenModel(ABC):
    """A loaded, frozen model.

    Attributes
    ----------
    name : str
        Of its card.
    digest : str
        SHA-256 that identifies its bytes.
    network : PreTrainedModel
        In evaluation mode, without gradients.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    dtype : {"float32", "bfloat16"}
        In which it computes.
    """

    family: ClassVar[ModelFamily]
    loader: ClassVar[str]
    """The class of transformers that reads it."""

    name: str
    digest: str
    network: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    dtype: Literal["float32", "bfloat16"]

    @classmethod
    def of_checkpoint(
        cls, name: str, digest: str, network: "PreTrainedModel", tokenizer: Any, dtype: Any, folder: Path
    ) -> Self:
        """Return the model; those that need more than weights and tokenizer read it from the checkpoint's folder.

        Parameters
        ----------
        name, digest, network, tokenizer, dtype
            As the attributes.
        folder : Path
            Of the checkpoint.

        Returns
        -------
        FrozenModel
        """
        return cls(name, digest, network, tokenizer, dtype)

    @property
    def layers(self) -> int:
        """Number of layers: state 0 is the embedding, state `layers` the one that label words are compared with."""
        return int(self.network.config.get_text_config().num_hidden_layers)

    @property
    def offloaded(self) -> bool:
        """Whether weights lie elsewhere, as on the disk, until they compute (`vocabsem.models.offloading`)."""
        return any(each.device.type == "meta" for each in self.network.parameters())

    @property
    def device(self) -> "torch.device":
        """Where it computes."""
        import torch

        if not self.offloaded:
            return self.network.device
        placed: Any = self.network.hf_device_map
        return torch.device(next((each for each in placed.values() if each not in ("cpu", "disk")), "cpu"))

    @property
    def max_workers(self) -> int:
        """Most batches at a time: one where weights come and go."""
        return 1 if self.offloaded else MAX_WORKERS

    @property
    def pad(self) -> int:
        """Token id that fills a batch up."""
        return int(self.tokenizer.pad_token_id or 0)

    def width(self, layer: int) -> int:
        """Return the width d of the states of a layer.

        Parameters
        ----------
        layer : int
            Its number.

        Returns
        -------
        int
        """
        return int(self.network.config.get_text_config().hidden_size)

    @property
    @abstractmethod
    def vocabulary_size(self) -> int:
        """Rows of the head, or of the embedding where there is none; padding included."""

    @abstractmethod
    def hidden_states(
        self, ids: "Tensor", lengths: "Tensor", layers: Sequence[int], cache: "Cache | None" = None
    ) -> "dict[int, Tensor]":
        """Return {layer: (B, T, d)} of one batch.

        Parameters
        ----------
        ids : Tensor of shape (B, T)
            Token ids of prompts padded on the right.
        lengths : Tensor of shape (B,)
            Tokens of each prompt.
        layers : sequence of int
            Wanted ones.
        cache : Cache, optional
            Keys and values of what precedes the prompts.

        Returns
        -------
        dict of int to Tensor
        """

    @abstractmethod
    def at_answer(self, states: "Tensor", ids: "Tensor", lengths: "Tensor") -> "Tensor":
        """Return what of a prompt's states (B, T, d) stands for the prompt: (B, d).

        Parameters
        ----------
        states : Tensor of shape (B, T, d)
            Or logits, of one layer.
        ids, lengths : Tensor
            As in `hidden_states`.

        Returns
        -------
        Tensor of shape (B, d)
        """

    def scaled(self, vectors: "Tensor") -> "Tensor":
        """Return pooled states (B, d) in the length in which they are compared.

        Parameters
        ----------
        vectors : Tensor of shape (B, d)
            Pooled states.

        Returns
        -------
        Tensor of shape (B, d)
        """
        return vectors

    @abstractmethod
    def guard(self, ids: "Tensor", lengths: "Tensor", states: "Tensor", cache: "Cache | None" = None) -> float:
        """Return how far states of the last layer are from what the model itself gives, as a share of the largest.

        Parameters
        ----------
        ids, lengths, cache
            As in `hidden_states`.
        states : Tensor of shape (B, d)
            Extracted states.

        Returns
        -------
        float

        Raises
        ------
        GuardFailed
            Beyond rounding.
        """


class HeadModel(FrozenModel):
    """A model with a head, which gives a logit to every token of its vocabulary.

    Attributes
    ----------
    name, digest, network, tokenizer, dtype
        As of every `FrozenModel`.
    """

    @property
    def vocabulary_size(self) -> int:
        """Rows of the head, padding included."""
        return int(self._decoder.weight.shape[0])

    def width(self, layer: int) -> int:
        """Return the width d of the states of a layer: models that project (OPT-350m) are wider inside.

        Parameters
        ----------
        layer : int
            Its number.

        Returns
        -------
        int
        """
        return int(self._decoder.weight.shape[1]) if layer == self.layers else super().width(layer)

    @property
    def head(self) -> Head:
        """Copy of the head in float32 on the CPU; of one that is both, no copy."""
        with self.own_head() as own:
            return replace(own, weight=own.weight.float().cpu())

    @contextmanager
    def own_head(self) -> Iterator[Head]:
        """Give the head with the network's own weights, read from the disk where they lie there.

        Yields
        ------
        Head
        """
        from accelerate.utils import align_module_device

        with align_module_device(self._decoder):
            weight, bias = self._decoder.weight.detach(), self._head_bias()
            yield head_of(weight, bias, self.network.config.get_text_config(), len(self.tokenizer))

    def _head_bias(self) -> "Tensor | None":
        bias: Tensor | None = getattr(self._decoder, "bias", None)
        return bias

    @property
    def _decoder(self) -> Any:
        return self.network.get_output_embeddings()

    def at_answer(self, states: "Tensor", ids: "Tensor", lengths: "Tensor") -> "Tensor":
        """Return the states of the last tokens: (B, d)."""
        import torch

        return states[torch.arange(len(ids), device=ids.device), lengths - 1]

    @abstractmethod
    def logits(self, ids: "Tensor", lengths: "Tensor", cache: "Cache | None" = None) -> "Tensor":
        """Return the model's own logits (B, T, V).

        Parameters
        ----------
        ids, lengths, cache
            As in `hidden_states`.

        Returns
        -------
        Tensor of shape (B, T, V)
        """

    def guard(self, ids: "Tensor", lengths: "Tensor", states: "Tensor", cache: "Cache | None" = None) -> float:
        """Return the largest difference between head(state) and the model's logits, as a share of the largest logit.

        The model runs on the same batch, so that only the head's own rounding remains.

        Returns
        -------
        float

        Raises
        ------
        GuardFailed
            Beyond rounding: then a norm, scale, cap or bias between state and logits is not accounted for.
        """
        import torch

        with torch.inference_mode():
            own = self.at_answer(self.logits(ids, lengths, cache), ids, lengths).float().cpu()  # (B, V)
            with self.own_head() as head:
                difference = (head.logits(states.float().cpu()) - own).abs().max() / own.abs().max()
        if not difference <= TOLERANCE[self.dtype]:
            raise GuardFailed(
                f"model {self.name!r}: head(state) differs from the model's own logits by {difference:.2g} of the"
                f" largest logit (at most {TOLERANCE[self.dtype]:g} is rounding in {self.dtype}): look at the final"
                " norm, the head's bias, a logit scale or a soft-cap of this architecture in vocabsem/families/"
            )
        return float(difference)

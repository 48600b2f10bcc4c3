"""Sentence encoders: a text's tokens are pooled to one vector; a class is the encoding of its label word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from vocabsem.errors import GuardFailed, SourceError
from vocabsem.families.base import FrozenModel
from vocabsem.families.folder_json import read_json
from vocabsem.families.masked import attended
from vocabsem.families.recognition import MODULES

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

__all__ = ["COSINE_SCALE", "EncoderModel", "read_pooling"]

COSINE_SCALE = 20.0  # of cosines as logits: the one of sentence-transformers' contrastive loss
MAX_DISTANCE = {"float32": 1e-3, "bfloat16": 0.1}  # of unit vectors: a few roundings of the dtype in another batch
MODES = ("cls", "mean")


@dataclass(frozen=True)
class EncoderModel(FrozenModel):
    """A loaded, frozen sentence encoder. Its states have unit length, so that their products are cosines.

    Attributes
    ----------
    name, digest, network, tokenizer, dtype
        As of every `FrozenModel`.
    pooling : {"mean", "cls"}
        Mean over the tokens, or the first one.
    """

    family = "encoder"
    loader = "AutoModel"

    pooling: Literal["mean", "cls"]

    @classmethod
    def of_checkpoint(
        cls, name: str, digest: str, network: "PreTrainedModel", tokenizer: Any, dtype: Any, folder: Path
    ) -> Self:
        """Return the model, with the pooling that its folder names; raises as `read_pooling`."""
        return cls(name, digest, network, tokenizer, dtype, read_pooling(folder))

    @property
    def vocabulary_size(self) -> int:
        """Rows of the embedding, padding included."""
        embedding: Any = self.network.get_input_embeddings()
        return int(embedding.weight.shape[0])

    def hidden_states(
        self, ids: "Tensor", lengths: "Tensor", layers: Sequence[int], cache: "Cache | None" = None
    ) -> "dict[int, Tensor]":
        """Return {layer: (B, T, d)} of one batch. All tokens see each other: `cache` is not used."""
        inner = any(layer != self.layers for layer in layers)
        output: Any = self.network(ids, attention_mask=attended(ids, lengths), output_hidden_states=inner)
        return {
            layer: output.last_hidden_state if layer == self.layers else output.hidden_states[layer] for layer in layers
        }

    def at_answer(self, states: "Tensor", ids: "Tensor", lengths: "Tensor") -> "Tensor":
        """Return the states as the encoder pools them: (B, d)."""
        if self.pooling == "cls":
            return states[:, 0]
        real = attended(ids, lengths)[..., None]  # (B, T, 1)
        return (states.float() * real).sum(1) / lengths[:, None]

    def scaled(self, vectors: "Tensor") -> "Tensor":
        """Return vectors (B, d) of unit length."""
        import torch

        return torch.nn.functional.normalize(vectors.float(), dim=1)

    def guard(self, ids: "Tensor", lengths: "Tensor", states: "Tensor", cache: "Cache | None" = None) -> float:
        """Return the largest distance of a state from that of its prompt alone, without padding.

        Raises
        ------
        GuardFailed
            Beyond rounding: then padding is seen.
        """
        import torch

        distances = []
        with torch.inference_mode():
            for row, length in enumerate(lengths.tolist()):
                own = self.network(ids[row : row + 1, :length]).last_hidden_state[0].float()  # (T, d)
                alone = own[0] if self.pooling == "cls" else own.mean(0)
                distances.append(float((states[row].float() - alone / alone.norm()).norm()))
        if not max(distances) <= MAX_DISTANCE[self.dtype]:
            raise GuardFailed(
                f"model {self.name!r}: a padded prompt's vector is {max(distances):.2g} from that of the prompt alone"
                f" (at most {MAX_DISTANCE[self.dtype]:g} is rounding in {self.dtype}): this architecture sees padding,"
                " or pools in another way than vocabsem/families/encoder.py"
            )
        return max(distances)


def read_pooling(folder: Path) -> Literal["mean", "cls"]:
    """Return how a checkpoint pools its tokens, as sentence-transformers writes it; mean where it does not say.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.

    Returns
    -------
    {"mean", "cls"}

    Raises
    ------
    SourceError
        For another pooling, or a module after it that changes more than the length.

    Examples
    --------
    >>> read_pooling(Path("a-folder-that-says-nothing"))
    'mean'
    """
    if not (folder / MODULES).is_file():
        return "mean"
    modules = [each for each in read_json(folder / MODULES, list) if isinstance(each, Mapping)]
    kinds = [str(each.get("type", "")).rpartition(".")[2] for each in modules]
    if unknown := [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]:
        raise SourceError(f"{folder / MODULES} has the module {unknown[0]!r}: only Pooling and Normalize are read")
    config = read_json(folder / "1_Pooling" / "config.json", dict) if "Pooling" in kinds else {}
    modes = {key.removeprefix("pooling_mode_"): value for key, value in config.items() if "pooling_mode_" in key}
    chosen = {name.removesuffix("_tokens").removesuffix("_token") for name, value in modes.items() if value}
    chosen |= {str(config["pooling_mode"])} if "pooling_mode" in config else set()
    for mode in MODES:
        if chosen == {mode}:
            return "cls" if mode == "cls" else "mean"
    if not config:
        return "mean"
    pooling = ", ".join(sorted(chosen)) or "nothing"
    raise SourceError(f"{folder / '1_Pooling' / 'config.json'} pools by {pooling}: mean and cls are read")

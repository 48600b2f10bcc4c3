"""A frozen causal language model: its tokenizer, its body, its head, and the guard that ties states to logits."""

import hashlib
import json
import shutil
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from vocabsem.cards.schema import ModelCard
from vocabsem.cpu_attention import use_fast_attention
from vocabsem.devices import DType, resolve_device, resolve_dtype
from vocabsem.errors import CardError, ComputationFailed, GuardFailed
from vocabsem.sources import fetching

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

CONVERSION = 1  # raise it when a conversion to safetensors would give other bytes
TOLERANCE = {"float32": 5e-4, "bfloat16": 2e-2}  # of the largest logit; a few roundings of the number format
HUB_FILES = ("*.json", "*.safetensors", "*.model", "*.txt")  # never *.bin or *.py: no pickles, no remote code


@dataclass(frozen=True)
class Head:
    """What turns a state into logits: `cap · tanh(scale · (W h + b) / cap)`.

    weight (V, d) and bias (V,) are float32 on the processor; rows beyond `tokens` are padding that no token uses.
    """

    weight: "Tensor"
    bias: "Tensor | None"
    softcap: float | None
    scale: float
    tokens: int

    def logits(self, states: "Tensor") -> "Tensor":
        """(N, d) float32 -> (N, V) float32."""
        import torch

        scores = self.scale * torch.nn.functional.linear(states, self.weight, self.bias)
        return scores if self.softcap is None else self.softcap * torch.tanh(scores / self.softcap)


@dataclass(frozen=True)
class LanguageModel:
    """A loaded model. `layers` counts the decoder layers: state 0 is the embedding, state `layers` meets the head."""

    name: str
    digest: str
    network: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    dtype: Literal["float32", "bfloat16"]

    @property
    def layers(self) -> int:
        return int(self.network.config.get_text_config().num_hidden_layers)

    @property
    def head(self) -> Head:
        module = self.network.get_output_embeddings()
        config = self.network.config.get_text_config()
        bias = getattr(module, "bias", None)
        return Head(
            weight=module.weight.detach().float().cpu(),
            bias=None if bias is None else bias.detach().float().cpu(),
            softcap=getattr(config, "final_logit_softcapping", None),
            scale=float(getattr(config, "logit_scale", None) or 1.0)
            / float(getattr(config, "logits_scaling", None) or 1.0),
            tokens=min(len(self.tokenizer), module.weight.shape[0]),
        )

    def guard(self, ids: "Tensor", lengths: "Tensor", states: "Tensor", cache: "Cache | None" = None) -> float:
        """Largest difference between head(state) and the model's own logits, as a share of the largest logit.

        ids (B, T) are prompts padded on the right, lengths (B,) their tokens, states (B, d) what was extracted of their
        last tokens, cache what came before them. The model runs on the same batch, so that only the head's own rounding
        remains. Raises GuardFailed beyond it: then a norm, scale, cap or bias between state and logits is not accounted
        for.
        """
        import torch

        with torch.inference_mode():
            logits = self.network(ids, past_key_values=cache, use_cache=cache is not None).logits  # (B, T, V)
            own = logits[torch.arange(len(ids), device=ids.device), lengths - 1].float().cpu()  # (B, V)
            difference = (self.head.logits(states.float().cpu()) - own).abs().max() / own.abs().max()
        if not difference <= TOLERANCE[self.dtype]:
            raise GuardFailed(
                f"model {self.name!r}: head(state) differs from the model's own logits by {difference:.2g} of the"
                f" largest logit (at most {TOLERANCE[self.dtype]:g} is rounding in {self.dtype}): look at the final"
                " norm, the head's bias, a logit scale or a soft-cap of this architecture in vocabsem/language_model.py"
            )
        return float(difference)


def model_digest(card: ModelCard, cache: Path) -> str | None:
    """SHA-256 that stands for the model's bytes, without loading it; None while a hub model was never fetched."""
    content = card.sha256
    if content is None:
        fetched = fetching.cached(card.source, cache)
        content = fetched.sha256 if fetched else None
    return None if content is None else hashlib.sha256(f"{content}:{CONVERSION}".encode()).hexdigest()


def fetch_checkpoint(card: ModelCard, cache: Path) -> tuple[Path, str]:
    """Folder with safetensors and tokenizer, and the model's digest; downloads and converts what is missing.

    A GGUF file is dequantized and saved once as float32 safetensors, about 30 times faster to load.
    Raises SourceError for other bytes than the card's sha256, DownloadFailed when they cannot be had.
    """
    fetched = fetching.fetch(card.source, cache, sha256=card.sha256, patterns=HUB_FILES)
    digest = hashlib.sha256(f"{fetched.sha256}:{CONVERSION}".encode()).hexdigest()
    if fetched.path.is_dir():
        return fetched.path, digest
    if fetched.path.suffix != ".gguf":
        raise CardError(
            f"model {card.name!r}: {fetched.path.name} is no folder and no .gguf file: fix 'source' in its card"
        )
    target = cache / "models" / digest[:12]
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not target.exists():
            _convert(fetched.path, target)
    return target, digest


def load_tokenizer(card: ModelCard, cache: Path) -> "PreTrainedTokenizerBase":
    """The card's tokenizer alone, without the weights."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        fetch_checkpoint(card, cache)[0], local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def load_model(
    card: ModelCard, cache: Path, *, dtype: DType | Literal["checkpoint"] = "auto", device: str = "auto"
) -> LanguageModel:
    """The card's model in evaluation mode on `device`; `checkpoint` keeps the number format of the file.

    Raises CardError where the card's figures are not the model's, ComputationFailed where transformers cannot read it.
    """
    import torch

    folder, digest = fetch_checkpoint(card, cache)
    wanted: Any = "auto" if dtype == "checkpoint" else getattr(torch, resolve_dtype(dtype))
    network, tokenizer = _from_folder(folder, wanted)
    network = network.eval().requires_grad_(False).to(resolve_device(device))
    if network.device.type == "cpu":
        use_fast_attention(network)
    config = network.config.get_text_config()
    found = {
        "layers": config.num_hidden_layers,
        "hidden_size": network.get_output_embeddings().weight.shape[1],
        "vocabulary_size": network.get_output_embeddings().weight.shape[0],
    }
    for field, value in found.items():
        if getattr(card, field) != value:
            raise CardError(
                f"model card {card.name!r} says {field}: {getattr(card, field)}, the model has {value}:"
                " fix the card or its source"
            )
    kind: Literal["float32", "bfloat16"] = "bfloat16" if network.dtype == torch.bfloat16 else "float32"
    return LanguageModel(card.name, digest, network, tokenizer, kind)


def _from_folder(folder: Path, dtype: Any, **options: Any) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
        network = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ComputationFailed(f"transformers cannot read the model in {folder}: {error}") from error
    finally:
        if bar:
            logging.enable_progress_bar()
    return network, tokenizer


def _convert(gguf: Path, target: Path) -> None:
    """Write `target` whole or not at all: a folder beside it, moved into place when it is complete."""
    import torch

    partial = target.with_name(f"{target.name}.tmp-{uuid.uuid4().hex}")
    partial.mkdir()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network, tokenizer = _from_folder(gguf.parent, torch.float32, gguf_file=gguf.name)
        network.hf_quantizer = None  # type: ignore[assignment]  # the weights are plain float32 now; only the memory of the file forbids saving
        del network.config.quantization_config
        network.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        (partial / "source.json").write_text(json.dumps({"gguf": gguf.name, "conversion": CONVERSION}))
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)

"""Fetch a model's files, convert GGUF to safetensors, and read them with transformers."""

import hashlib
import json
import shutil
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import CardError, ComputationFailed
from vocabsem.sources import fetching

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["fetch_checkpoint", "from_folder", "load_tokenizer", "model_digest"]

CONVERSION = 1  # raise it when a conversion to safetensors would give other bytes
HUB_FILES = (
    "*.json",
    "*.safetensors",
    "*.model",
    "*.txt",
)  # never *.bin or *.py: no pickles, no remote code


def model_digest(card: ModelCard, cache: Path) -> str | None:
    """Return the SHA-256 that identifies a model's bytes, without loading it.

    Parameters
    ----------
    card : ModelCard
        The model.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    str or None
        None while a hub model was never fetched.
    """
    content = card.sha256
    if content is None:
        fetched = fetching.cached(card.source, cache)
        content = fetched.sha256 if fetched else None
    return None if content is None else hashlib.sha256(f"{content}:{CONVERSION}".encode()).hexdigest()


def fetch_checkpoint(card: ModelCard, cache: Path) -> tuple[Path, str]:
    """Fetch a model's files, and convert a GGUF file.

    A GGUF file is dequantized and saved once as float32 safetensors, about 30 times faster to load.

    Parameters
    ----------
    card : ModelCard
        The model.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    folder : Path
        With safetensors and tokenizer.
    digest : str
        SHA-256 that identifies the model's bytes.

    Raises
    ------
    SourceError
        For other bytes than the card's sha256.
    DownloadFailed
        Where the source does not answer.
    CardError
        Where the source is neither a folder nor a GGUF file.
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
    """Load a model's tokenizer, without the weights; raises as `fetch_checkpoint` does.

    Parameters
    ----------
    card : ModelCard
        The model.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    PreTrainedTokenizerBase
    """
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        fetch_checkpoint(card, cache)[0], local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def from_folder(folder: Path, dtype: Any, **options: Any) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Read a model and its tokenizer, executing nothing of the folder's.

    Parameters
    ----------
    folder : Path
        With safetensors or a GGUF file, and a tokenizer.
    dtype : torch.dtype or "auto"
        As `from_pretrained` takes it.
    **options
        Passed on to `from_pretrained`.

    Returns
    -------
    network : PreTrainedModel
    tokenizer : PreTrainedTokenizerBase

    Raises
    ------
    ComputationFailed
        Where transformers cannot read it.
    """
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
            network, tokenizer = from_folder(gguf.parent, torch.float32, gguf_file=gguf.name)
        network.hf_quantizer = None  # type: ignore[assignment]  # the weights are plain float32 now; only the memory of the file forbids saving
        del network.config.quantization_config
        network.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        (partial / "source.json").write_text(json.dumps({"gguf": gguf.name, "conversion": CONVERSION}))
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)

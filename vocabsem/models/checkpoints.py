"""Fetch a model's files, convert GGUF to safetensors, and read them with transformers."""

import hashlib
import json
import warnings
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import CardError, SourceError
from vocabsem.families.names import ModelFamily
from vocabsem.families.recognition import recognize_family
from vocabsem.families.registry import FAMILIES
from vocabsem.models.checkpoint_files import SafeFolder, open_checkpoint
from vocabsem.models.checkpoint_size import no_larger_than
from vocabsem.models.gguf_parts import join_gguf_parts
from vocabsem.models.quantization import quantized_digest
from vocabsem.models.transformers_errors import as_source_errors
from vocabsem.runtime.atomic import replaced
from vocabsem.runtime.waiting import held
from vocabsem.sources import fetching
from vocabsem.sources.parsing import gguf_parts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["checkpoint_family", "fetch_checkpoint", "fetch_source", "from_folder", "load_tokenizer", "model_digest"]

WHOLE: AbstractContextManager[Mapping[str, Any]] = nullcontext({})  # in the memory of the processor
CONVERSION = 1  # raise it when a conversion to safetensors would give other bytes
JOINED = "joined.gguf"
HUB_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")  # no *.bin, no *.py: no pickles, no code


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

    Examples
    --------
    >>> model_digest(load_card("models", "smollm2-135m"), Path("an-empty-cache")) is None  # doctest: +SKIP
    True
    """
    content = card.sha256
    if content is None:
        fetched = fetching.cached(card.source, cache)
        content = fetched.sha256 if fetched else None
    return content and quantized_digest(hashlib.sha256(f"{content}:{CONVERSION}".encode()).hexdigest(), card)


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
        SHA-256 that identifies the model's bytes, and how they are quantized.

    Raises
    ------
    SourceError
        For other bytes than the card's sha256.
    DownloadFailed
        Where the source does not answer.
    CardError
        Where the source is neither a folder nor a GGUF file.

    Examples
    --------
    >>> folder, digest = fetch_checkpoint(card, Path(".vocabsem/cache"))  # doctest: +SKIP
    """
    folder, digest = fetch_source(card.source, card.sha256, cache, f"model {card.name!r}")
    return folder, quantized_digest(digest, card)


def fetch_source(source: str, sha256: str | None, cache: Path, what: str) -> tuple[Path, str]:
    """Fetch a model's files as `fetch_checkpoint` does, which raises the same, without a card.

    Parameters
    ----------
    source : str
        As cards write it.
    sha256 : str or None
        What the bytes must hash to.
    cache : Path
        Folder of fetched sources.
    what : str
        The model, in errors.

    Returns
    -------
    folder : Path
    digest : str

    Examples
    --------
    >>> folder, digest = fetch_source("file:mine.gguf", None, Path(".vocabsem/cache"), "model mine")  # doctest: +SKIP
    """
    fetched = fetching.fetch(source, cache, sha256=sha256, patterns=HUB_FILES)
    digest = hashlib.sha256(f"{fetched.sha256}:{CONVERSION}".encode()).hexdigest()
    if fetched.path.is_dir():
        return fetched.path, digest
    if fetched.path.suffix != ".gguf":
        raise CardError(f"{what}: {fetched.path.name} is no folder and no .gguf file: fix its source")
    target = cache / "models" / digest[:12]
    if target.exists():
        return target, digest
    target.parent.mkdir(parents=True, exist_ok=True)
    with held(target.with_suffix(".lock"), f"converts {fetched.path.name}"):
        if not target.exists():
            with replaced(target) as folder:
                _convert(fetched.path, folder)
    return target, digest


def load_tokenizer(card: ModelCard, cache: Path) -> "PreTrainedTokenizerBase":
    """Load a model's tokenizer, without the weights; raises as `fetch_checkpoint` does, and for another family.

    Parameters
    ----------
    card : ModelCard
        The model.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    PreTrainedTokenizerBase

    Examples
    --------
    >>> tokenizer = load_tokenizer(load_card("models", "smollm2-135m"), Path(".vocabsem/cache"))  # doctest: +SKIP
    """
    folder = fetch_checkpoint(card, cache)[0]
    with as_source_errors(folder), open_checkpoint(folder) as checkpoint:
        _check_family(folder, checkpoint, card.family)
        return _tokenizer(folder, checkpoint)


def checkpoint_family(folder: Path) -> ModelFamily:
    """Return the family that a checkpoint is of.

    Parameters
    ----------
    folder : Path
        With safetensors and a tokenizer; or a GGUF file.

    Returns
    -------
    {"causal", "masked", "encoder_decoder", "encoder"}

    Raises
    ------
    SourceError
        Where it is not safe to read.

    Examples
    --------
    >>> checkpoint_family(Path("smollm2-135m"))  # doctest: +SKIP
    'causal'
    """
    with open_checkpoint(folder) as checkpoint:
        return recognize_family(checkpoint.config, folder)


def from_folder(
    folder: Path,
    dtype: Any,
    family: ModelFamily = "causal",
    placement: AbstractContextManager[Mapping[str, Any]] = WHOLE,
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Read a model and its tokenizer, executing nothing of the folder's.

    Parameters
    ----------
    folder : Path
        With safetensors and a tokenizer; or a GGUF file.
    dtype : torch.dtype or "auto"
        As `from_pretrained` takes it.
    family : {"causal", "masked", "encoder_decoder", "encoder"}
        That it must be of.
    placement : context manager of a mapping
        Further arguments of `from_pretrained`, as `offloaded` gives them; left with the network, which may read from
        the disk until then.

    Returns
    -------
    network : PreTrainedModel
    tokenizer : PreTrainedTokenizerBase

    Raises
    ------
    CardError
        Where it is of another family.
    SourceError
        Where transformers cannot read it, or it is not safe to read.

    Examples
    --------
    >>> import torch
    >>> network, tokenizer = from_folder(Path("smollm2-135m"), torch.float32)  # doctest: +SKIP
    """
    import transformers

    with as_source_errors(folder), ExitStack() as stack:
        checkpoint = stack.enter_context(open_checkpoint(folder))
        placed = stack.enter_context(placement)
        _check_family(folder, checkpoint, family)
        tokenizer = _tokenizer(folder, checkpoint)
        with no_larger_than(folder, checkpoint), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The following device_map keys")  # a buffer of the network itself: BART
            loaded: Any = getattr(transformers, FAMILIES[family].loader).from_pretrained(
                checkpoint.path,
                gguf_file=checkpoint.gguf,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                **placed,
            )
        network, loading = loaded
        if placed:
            weakref.finalize(network, stack.pop_all().close)
        network.config.name_or_path = network.name_or_path = str(folder)
    needed = (key for key in loading["missing_keys"] if family != "encoder" or not key.startswith("pooler."))
    if missing := sorted(needed):
        raise SourceError(f"{folder} lacks {len(missing)} of its model's weights, as {missing[0]!r}: fetch it again")
    return network, tokenizer


def _check_family(folder: Path, checkpoint: SafeFolder, family: ModelFamily) -> None:
    recognized = recognize_family(checkpoint.config, folder)
    if recognized != family:
        named = checkpoint.config.get("architectures")
        what = str(named[0])[:80] if isinstance(named, list) and named else str(checkpoint.config.get("model_type"))
        raise CardError(
            f"the card says family: {family}, and the model in {folder} is {what}: set family: {recognized} in the card"
        )


def _tokenizer(folder: Path, checkpoint: SafeFolder) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        checkpoint.path, gguf_file=checkpoint.gguf, local_files_only=True, trust_remote_code=False
    )
    tokenizer.name_or_path = str(folder)
    return tokenizer


def _convert(gguf: Path, folder: Path) -> None:
    """Make the folder, with the model as plain float32 in safetensors."""
    import torch

    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network, tokenizer = from_folder(_one_file(gguf, folder), torch.float32)
    network.hf_quantizer = None  # type: ignore[assignment]  # the weights are plain float32 now; only the memory of the file forbids saving
    del network.config.quantization_config
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / JOINED).unlink(missing_ok=True)
    (folder / "source.json").write_text(json.dumps({"gguf": gguf.name, "conversion": CONVERSION}))


def _one_file(gguf: Path, folder: Path) -> Path:
    """Return the file itself, or for the first of several parts one that is joined in the folder."""
    names = gguf_parts(gguf.name)
    if len(names) == 1:
        return gguf
    join_gguf_parts([gguf.with_name(name) for name in names], folder / JOINED)
    return folder / JOINED

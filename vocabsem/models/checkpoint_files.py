"""Open a model's folder or GGUF file for transformers: known files only, no field that names code or other files.

transformers also reads pickles (`pytorch_model.bin`), adapters that name another model, weights in other folders, and
kernels from the hub. It never sees the folder itself but a temporary one with links to what is safe.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from vocabsem.errors import SourceError
from vocabsem.families.recognition import known_model_types
from vocabsem.models.gguf_header import read_gguf_header
from vocabsem.sources.local import check_local

__all__ = ["SafeFolder", "open_checkpoint"]

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
TOKENIZER_OPTIONS = ("tokenizer_config.json", "special_tokens_map.json")
TOKENIZER_FILES = (
    "tokenizer.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja"
)  # fmt: skip
MAX_JSON = 16 << 20
MAX_VOCABULARY = 256 << 20
MAX_COUNT = 1024
"""Of layers, heads, experts or labels: Python objects are made for each before a file is opened."""
COUNTS = re.compile(r"(layers?|heads?|experts|labels|blocks|(block|head|expert)_count|head_count_kv)$")
ATTENTION = {None, "eager", "sdpa"}
DTYPES = {None, "auto", "float16", "bfloat16", "float32", "float64"}
TOKENIZER_CLASS = re.compile(r"(?!Auto|Rag)\w*(Tokenizer|TokenizerFast|(Tokenizers|Python|SentencePiece)Backend)")
RUNS_CODE = {
    "quantization_config", "compression_config", "transformers_weights", "fusion_config", "kernel_config",
    "use_kernels", "experts_implementation", "_experts_implementation", "_experts_implementation_internal",
    "distributed_config", "use_pretrained_backbone", "trust_remote_code",
}  # fmt: skip
# In files of tokenizers: code of the repository, paths of other files, arguments without a name.
DROPPED = re.compile(r"auto_map|init_inputs|sp_model_kwargs|tokenizer_object|name_or_path|_.*|.*_files?")


@dataclass(frozen=True)
class SafeFolder:
    """What transformers may read of a checkpoint."""

    path: Path
    """Folder of links and checked copies, removed afterwards."""
    gguf: str | None
    """The GGUF file in it."""
    tensors: int
    """How many its weights are."""
    elements: int
    """Numbers in them."""
    config: dict[str, Any]
    """Its config.json; empty for a GGUF file."""


@contextmanager
def open_checkpoint(source: Path) -> Iterator[SafeFolder]:
    """Check a checkpoint and give a folder for transformers to read.

    Parameters
    ----------
    source : Path
        Folder with safetensors and a tokenizer, or a GGUF file.

    Yields
    ------
    SafeFolder

    Raises
    ------
    SourceError
        For files and fields that would run code, read other files, or take more memory than the weights.
    """
    check_local(source)
    with tempfile.TemporaryDirectory(prefix="vocabsem-model-") as name:
        folder = Path(name)
        if not source.is_dir():
            header = read_gguf_header(source)
            _check_counts(source, header.values.items())
            (folder / "model.gguf").symlink_to(source.absolute())
            yield SafeFolder(folder, "model.gguf", header.tensors, header.elements, {})
            return
        config = _model_config(source / CONFIG)
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        for option in TOKENIZER_OPTIONS:
            if (source / option).exists():
                (folder / option).write_text(json.dumps(_tokenizer_options(source / option)), encoding="utf-8")
        for file in [*map(source.joinpath, TOKENIZER_FILES), *source.glob("*.model")]:
            if file.is_file():
                if file.stat().st_size > MAX_VOCABULARY:
                    raise SourceError(f"{file} has {file.stat().st_size:,} bytes: no vocabulary is as large")
                (folder / file.name).symlink_to(file.absolute())
        weights = _weights(source)
        for file in weights:
            (folder / file.name).symlink_to(file.absolute())
        if (source / INDEX).is_file() and not (source / WEIGHTS).is_file():
            (folder / INDEX).symlink_to((source / INDEX).absolute())
        sizes = [size for file in weights for size in _tensor_sizes(file)]
        yield SafeFolder(folder, None, len(sizes), sum(sizes), config)


def _weights(source: Path) -> list[Path]:
    if (source / WEIGHTS).is_file():
        return [source / WEIGHTS]
    if not (source / INDEX).is_file():
        raise SourceError(f"{source} has no {WEIGHTS}: pickled weights are not read, convert them to safetensors")
    shards = _read_json(source / INDEX).get("weight_map")
    if not isinstance(shards, dict):
        raise SourceError(f"{source / INDEX} has no 'weight_map': fetch it again")
    for name in set(map(str, shards.values())):
        if not re.fullmatch(r"[\w.-]+\.safetensors", name) or not (source / name).is_file():
            raise SourceError(f"{source / INDEX} names the weights {name[:200]!r}: give a .safetensors file beside it")
    return [source / name for name in sorted(set(shards.values()))]


def _tensor_sizes(file: Path) -> list[int]:
    from safetensors import safe_open

    with safe_open(file, "pt") as tensors:
        return [prod(tensors.get_slice(name).get_shape()) for name in tensors.keys()]  # noqa: SIM118  no mapping


def _model_config(path: Path) -> dict[str, Any]:
    config = _read_json(path)
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in known_model_types():
        raise SourceError(
            f"{path} has model_type {str(kind)[:80]!r}: transformers has no causal or masked language model of it"
        )
    pairs = _pairs(config)
    for key, value in pairs:
        allowed = not (key in RUNS_CODE and value)
        if key.strip("_") in {"attn_implementation", "attn_implementation_internal"}:
            allowed = isinstance(value, str | None) and value in ATTENTION
        if key in {"dtype", "torch_dtype"}:
            allowed = isinstance(value, str | None) and value in DTYPES
        if key == "tokenizer_class":
            allowed = _is_tokenizer(value)
        if not allowed:
            raise SourceError(
                f"{path} has {key}: {str(value)[:80]!r}, which can run other code or read other files:"
                " remove it, or use another checkpoint"
            )
    _check_counts(path, pairs)
    return {key: value for key, value in config.items() if key not in {"auto_map", "_name_or_path"}}


def _tokenizer_options(path: Path) -> dict[str, Any]:
    options = _read_json(path)
    if not _is_tokenizer(options.get("tokenizer_class")):
        raise SourceError(
            f"{path} has tokenizer_class: {str(options['tokenizer_class'])[:80]!r}, which is no tokenizer"
        )
    kept = {key: value for key, value in options.items() if not DROPPED.fullmatch(key)}
    if "chat_template" in kept and not _is_chat_template(kept["chat_template"]):
        del kept["chat_template"]
    return kept


def _is_chat_template(value: object) -> bool:
    """Whether it is a text, which nothing renders unless a card says chat: true; or a list of such with names."""
    if not isinstance(value, list):
        return isinstance(value, str)
    return all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("template"), str)
        for each in value
    )


def _is_tokenizer(name: object) -> bool:
    return name is None or (isinstance(name, str) and TOKENIZER_CLASS.fullmatch(name) is not None)


def _check_counts(path: Path, pairs: Iterable[tuple[str, Any]]) -> None:
    for key, value in pairs:
        if COUNTS.search(key) and isinstance(value, int | float) and not 0 <= value <= MAX_COUNT:
            raise SourceError(f"{path} has {key[:80]}: {str(value)[:40]}, expected 0 to {MAX_COUNT:,}: fix the file")


def _pairs(config: dict[str, Any]) -> list[tuple[str, Any]]:
    """All keys and values, at any depth."""
    pairs: list[tuple[str, Any]] = []
    rest: list[Any] = [config]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            pairs += value.items()
            rest += value.values()
        elif isinstance(value, list):
            rest += value
    return pairs


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SourceError(f"{path} does not exist: a model's folder has one")
    if path.stat().st_size > MAX_JSON:
        raise SourceError(f"{path} has {path.stat().st_size:,} bytes: at most {MAX_JSON:,} are read")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path} is no JSON: {str(error)[:200]}: fix or fetch it again") from error
    if not isinstance(value, dict):
        raise SourceError(f"{path} holds no JSON object: fix or fetch it again")
    return value

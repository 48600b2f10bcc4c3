"""A model's card from the model itself: its family and sizes; `prepend_bos` from its tokenizer and its loss."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from vocabsem.cards.loader import load_card
from vocabsem.cards.schema import ModelCard
from vocabsem.errors import CardError
from vocabsem.families.registry import FAMILIES
from vocabsem.models.checkpoints import checkpoint_family, fetch_source, from_folder
from vocabsem.runtime.atomic import replaced
from vocabsem.sources.parsing import PART, parse_source

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["ModelDraft", "bos_decision", "draft_model_card", "find_model_card", "model_source"]

# Plain prose, whose loss shows whether a model was trained on texts that begin with BOS.
PROSE = (
    "The river rose in the night and by morning it had covered the lower fields. Nobody in the village was surprised:"
    " every few years the water came, stayed for a week, and left the soil better than before. What worried the farmers"
    " this time was the bridge, which had been repaired only last summer and was now the only way to the town."
)
WORSE_BY = 0.5  # nats a token, on PROSE: far beyond what a first token of no meaning changes
ORGANIZATION = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ModelDraft:
    """A card and why prompts begin as they do."""

    card: ModelCard
    """The card."""
    reason: str
    """Of `prepend_bos`, in a sentence; of the family, for other ones than causal."""
    has_chat_template: bool
    """Whether its tokenizer has one, so that the card may say `chat: true`."""


def model_source(given: str) -> str | None:
    """Return the source that is given in place of a card's name.

    Parameters
    ----------
    given : str
        `hf:org/name`, with `@revision` or without, `pypi:…`, `file:…`, a folder, a .gguf file; or a card.

    Returns
    -------
    str or None
        As cards write it; None for the name or the path of a card.

    Examples
    --------
    >>> model_source("hf:org/name"), model_source("models/mine.gguf"), model_source("gpt2")
    ('hf:org/name@main', 'file:models/mine.gguf', None)
    """
    if given.startswith("hf:"):
        repository, slash, rest = given.removeprefix("hf:").partition("/")
        name, slash_path, path = rest.partition("/")
        name = name if "@" in name else f"{name}@main"
        return f"hf:{repository}{slash}{name}{slash_path}{path}"
    if given.startswith(("pypi:", "file:")):
        return given
    if given.endswith((".yaml", ".yml")) or not (given.endswith(".gguf") or "/" in given):
        return None
    return f"file:{given}"


def find_model_card(given: str, cache: Path) -> ModelCard:
    """Return the card of a name or path, or for a source the card that is made from the model, once, and kept.

    Parameters
    ----------
    given : str
        As in `model_source`.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    ModelCard

    Raises
    ------
    CardError, SourceError, DownloadFailed
        As `load_card` and `draft_model_card`.
    """
    source = model_source(given)
    if source is None:
        return load_card("models", given)
    _require_path(source)
    _, digest = fetch_source(source, None, cache, f"model {given!r}")
    kept = cache / "cards" / f"{sha256(f'{source} {digest}'.encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        card = draft_model_card(source, cache).card
        with replaced(kept) as temporary:
            temporary.write_text(card.model_dump_json(), encoding="utf-8")
    return ModelCard.model_validate_json(kept.read_bytes())


def draft_model_card(source: str, cache: Path, name: str | None = None) -> ModelDraft:
    """Fetch and load a model, and write its card.

    Parameters
    ----------
    source : str
        As cards write it.
    cache : Path
        Folder of fetched sources.
    name : str, optional
        Of the card; by default that of the repository, folder or file.

    Returns
    -------
    ModelDraft

    Raises
    ------
    CardError
        Where the source is neither a folder nor a GGUF file, or there is no such path.
    SourceError
        Where it cannot be read, or is not safe to read.
    DownloadFailed
        Where it cannot be fetched.
    """
    parsed = parse_source(source)
    _require_path(source)
    last = parsed.name.rpartition("/")[2] or Path(parsed.path).expanduser().absolute().name
    name = name or _name(last, parsed.version, parsed.path)
    folder, _ = fetch_source(source, None, cache, f"model {name!r}")
    family = checkpoint_family(folder)
    network, tokenizer = from_folder(folder, "auto", family)
    network = network.eval()
    model = FAMILIES[family].of_checkpoint(name, "", network, tokenizer, "float32", folder)
    longest = int(getattr(network.config.get_text_config(), "max_position_embeddings", None) or 1024)
    if family == "causal":
        prepend_bos, reason = bos_decision(_adds_bos(tokenizer), *_losses(network, tokenizer))
    else:
        longest = min(longest, int(tokenizer.model_max_length))
        prepend_bos, reason = False, f"{type(network).__name__}; prompts get the tokens that the tokenizer adds"
    card = ModelCard(
        name=name,
        description=f"{type(network).__name__} of {model.layers} layers; its card was made from the model.",
        source=source,
        license="unknown: see where the model comes from",
        family=family,
        prepend_bos=prepend_bos,
        max_tokens=min(512, longest),
        context=min(1024, longest),
        parameters=sum(each.numel() for each in network.parameters()),
        layers=model.layers,
        hidden_size=model.width(model.layers),
        vocabulary_size=model.vocabulary_size,
    )
    return ModelDraft(card, reason, family == "causal" and bool(tokenizer.chat_template))


def bos_decision(adds: bool | None, without: float = 0.0, with_bos: float = 0.0) -> tuple[bool, str]:
    """Decide whether prompts start with the beginning-of-sequence token.

    The tokenizer decides, unless the loss contradicts it by more than half a nat a token: models that were trained
    with the token fail without it, and others hardly notice.

    Parameters
    ----------
    adds : bool or None
        Whether the tokenizer adds the token; None where it has none.
    without, with_bos : float
        Mean loss of plain prose in nats a token, without and with the token before it.

    Returns
    -------
    prepend_bos : bool
    reason : str

    Examples
    --------
    >>> bos_decision(False, without=9.1, with_bos=3.2)[0]
    True
    """
    if adds is None:
        return False, "the tokenizer has no beginning-of-sequence token"
    losses = f"plain prose has a loss of {without:.2f} nats a token without it, {with_bos:.2f} with it"
    if without - with_bos > WORSE_BY:
        return True, f"{losses}"
    if with_bos - without > WORSE_BY:
        return False, f"{losses}"
    return adds, f"the tokenizer {'adds' if adds else 'does not add'} it, and {losses}"


def _require_path(source: str) -> None:
    parsed = parse_source(source)
    if parsed.scheme == "file" and not Path(parsed.path).expanduser().exists():
        hint = f", or hf:{parsed.path} for the model of a hub" if ORGANIZATION.fullmatch(parsed.path) else ""
        raise CardError(f"there is no model {parsed.path!r}: give the path of a folder or .gguf file{hint}")


def _name(last: str, version: str, path: str) -> str:
    """Return a card's name: that of the repository, folder or file, with a revision that is not the main one."""
    stem = PART.sub(".gguf", path).rpartition("/")[2].removesuffix(".gguf") if path.endswith(".gguf") else last
    stem += f"-{version[:12]}" if version not in ("", "main") and not path else ""
    return re.sub(r"[^a-z0-9_.-]+", "-", stem.lower()).strip("-._") or "model"


def _adds_bos(tokenizer: "PreTrainedTokenizerBase") -> bool | None:
    if tokenizer.bos_token_id is None:
        return None
    return bool(tokenizer(PROSE)["input_ids"][:1] == [tokenizer.bos_token_id])


def _losses(network: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> tuple[float, float]:
    """Return the mean loss of the same tokens of prose, in nats, without and with BOS before the first."""
    import torch

    if tokenizer.bos_token_id is None:
        return 0.0, 0.0
    ids = tokenizer(PROSE, add_special_tokens=False)["input_ids"][:64]
    losses = []
    for prefix in ([], [tokenizer.bos_token_id]):
        tokens = torch.tensor([[*prefix, *ids]])  # (1, T)
        with torch.inference_mode():
            scores = network(tokens).logits[0, len(prefix) : -1].float()  # (T - 1, V), predicting ids[1:]
        losses.append(float(torch.nn.functional.cross_entropy(scores, torch.tensor(ids[1:]))))
    return losses[0], losses[1]

"""One loaded model a process. Inference is serial: shards that wait for it write meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.steps.specs import WordScoresSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import BadInput, LabelWordError
from vocabsem.families.base import FrozenModel
from vocabsem.models.checkpoints import load_tokenizer
from vocabsem.models.language_model import LanguageModel, load_model
from vocabsem.models.stored_head import StoredHead, stored_head
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.runtime.devices import DType
from warehouse.home import Home

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_INFERENCE = threading.Lock()
TOKENIZING = threading.Lock()  # a tokenizer changes its own settings while it works: one thread at a time


@contextmanager
def inference() -> Iterator[None]:
    """Lock the models of this process for the current thread."""
    with _INFERENCE:
        yield


@lru_cache(maxsize=1)
def _loaded(card: str, cache: Path, dtype: DType, device: str) -> FrozenModel:
    return load_model(ModelCard.model_validate_json(card), cache, dtype=dtype, device=device)


def loaded(card: ModelCard, home: Home, dtype: DType, device: str) -> FrozenModel:
    """The card's model, loaded at the first call. Call and run it inside `inference`."""
    return _loaded(card.model_dump_json(), home.cache, dtype, device)


@lru_cache(maxsize=1)
def _stored(card: str, cache: Path) -> StoredHead | None:
    return stored_head(ModelCard.model_validate_json(card), cache)


def head_in_files(card: ModelCard, home: Home) -> StoredHead | None:
    """The card's head as it lies in its files, found at the first call; None where the model has to be loaded."""
    plain = card.model_copy(update={"quantization": None})  # which leaves the head as it is
    with inference():
        return _stored(plain.model_dump_json(), home.cache)


def loaded_causal(card: ModelCard, home: Home, dtype: DType, device: str) -> LanguageModel:
    """The same of a model that `require_causal` passes."""
    model = loaded(card, home, dtype, device)
    assert isinstance(model, LanguageModel)
    return model


def require_causal(card: ModelCard, what: str) -> None:
    """Raise BadInput for a model that does not predict the next token of a plain prompt."""
    if card.family != "causal":
        raise BadInput(
            f"{what} reads causal language models, and {card.name!r} is of family {card.family}: name another"
        )
    if card.chat:
        raise BadInput(f"{what} reads plain prompts, and the card of {card.name!r} says chat: true: name one without")


@lru_cache(maxsize=2)
def _tokenizer(card: str, cache: Path) -> "PreTrainedTokenizerBase":
    return load_tokenizer(ModelCard.model_validate_json(card), cache)


@contextmanager
def tokenizing(card: ModelCard, home: Home) -> "Iterator[PreTrainedTokenizerBase]":
    """The card's tokenizer, loaded once, for this thread alone."""
    with TOKENIZING:
        yield _tokenizer(card.model_dump_json(), home.cache)


def word_ids(model: ModelCard, spec: WordScoresSpec, home: Home) -> list[list[int]]:
    """Token ids of each word that is scored, whole, as it follows a prompt; none where each row has its own options.

    Raises LabelWordError, also for a word that with the longest prompt is longer than the model's context.
    """
    if not spec.words:
        return []
    with tokenizing(model, home) as tokenizer:
        card = spec.dataset.partition("@")[0]
        ids = label_tokens(tokenizer, spec.words, strategy="whole", dataset=card, chat=model.conversation)
    longest = max(ids, key=len)
    if (tokens := spec.max_tokens + len(longest)) > model.context:
        raise LabelWordError(
            f"label word {spec.words[ids.index(longest)]!r} of dataset {card!r} is {len(longest)} tokens, {tokens} with"
            f" a prompt of {spec.max_tokens}, and the context of model {model.name!r} is {model.context}: choose a"
            f" shorter one in data/datasets/{card}.yaml, or lower max_tokens"
        )
    return ids


def label_ids(model: ModelCard, dataset: DatasetCard, home: Home) -> list[list[int]]:
    """Token ids of the label words of each class: rows of its anchors. Raises LabelWordError.

    An encoder's label words are its only anchors, in class order. Of several words of a class each weighs the same in a
    mean over its tokens: those of shorter words are repeated.
    """
    with tokenizing(model, home) as tokenizer:
        if model.family == "encoder":
            tokens = [[row] for row, _ in enumerate(dataset.all_words)]
        else:
            tokens = label_tokens(
                tokenizer,
                dataset.all_words,
                strategy=dataset.word_tokens,
                dataset=dataset.name.partition("@")[0],
                chat=model.conversation,
                alone=model.begins_answers,
            )
    of_words, classes = iter(tokens), []
    for label in dataset.labels:
        mine = list(islice(of_words, len(label.words)))
        length = lcm(*map(len, mine))
        classes.append([token for ids in mine for token in ids for _ in range(length // len(ids))])
    return classes

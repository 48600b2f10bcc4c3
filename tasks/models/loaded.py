"""One loaded model a process. Inference is serial: shards that wait for it write meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.steps.decorator import step_task
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.checkpoints import fetch_checkpoint, load_tokenizer
from vocabsem.devices import DType
from vocabsem.errors import DownloadInterrupted
from vocabsem.label_tokens import label_tokens
from vocabsem.language_model import LanguageModel, load_model
from warehouse.home import Home

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INFERENCE = threading.Lock()
TOKENIZING = threading.Lock()  # a tokenizer changes its own settings while it works: one thread at a time


def retry_on(*errors: type[Exception]) -> dict[str, Any]:
    """Task options: up to three further tries, ever later, after these errors and no other."""

    def worth_another_try(_task: Any, _run: Any, state: Any) -> bool:
        return isinstance(state.data, errors)

    return {"retries": 3, "retry_delay_seconds": [2, 10, 30], "retry_condition_fn": worth_another_try}


@lru_cache(maxsize=1)
def _loaded(card: str, cache: Path, dtype: DType, device: str) -> LanguageModel:
    return load_model(ModelCard.model_validate_json(card), cache, dtype=dtype, device=device)


def loaded(card: ModelCard, home: Home, dtype: DType, device: str) -> LanguageModel:
    """The card's model, loaded at the first call. Hold `INFERENCE` while calling and while running it."""
    return _loaded(card.model_dump_json(), home.cache, dtype, device)


@lru_cache(maxsize=2)
def _tokenizer(card: str, cache: Path) -> "PreTrainedTokenizerBase":
    return load_tokenizer(ModelCard.model_validate_json(card), cache)


@contextmanager
def tokenizing(card: ModelCard, home: Home) -> "Iterator[PreTrainedTokenizerBase]":
    """The card's tokenizer, loaded once, for this thread alone."""
    with TOKENIZING:
        yield _tokenizer(card.model_dump_json(), home.cache)


def label_ids(model: ModelCard, dataset: DatasetCard, home: Home) -> list[list[int]]:
    """Token ids of each label word, in class order. Raises LabelWordError."""
    with tokenizing(model, home) as tokenizer:
        card = dataset.name.partition("@")[0]
        return label_tokens(tokenizer, dataset.label_words, strategy=dataset.word_tokens, dataset=card)


@step_task(task_run_name="fetch model {card.name}", **retry_on(DownloadInterrupted))
def fetch_model(home: Home, card: ModelCard, datasets: list[DatasetCard]) -> None:
    """Download and convert the model, and see that every data set's label words are tokens of it."""
    fetch_checkpoint(card, home.cache)
    for dataset in datasets:
        label_ids(card, dataset, home)

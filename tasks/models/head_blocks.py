"""Rows of a model's head in the gauge of a partition of anchors, as they lie in its files."""

from collections.abc import Iterable, Sequence

from tasks.models.loaded import TOKENIZING, head_in_files
from tasks.steps.head_blocks import add_up
from tasks.steps.shards import Span
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from vocabsem.models.stored_head import StoredHead
from vocabsem.runtime.devices import resolve_device
from vocabsem.vocabulary.gram import HeadRows
from warehouse.home import Home


def stored_head_of(model: ModelCard, home: Home) -> StoredHead:
    """Return the head of a model that `count_head_rows` has counted the rows of."""
    stored = head_in_files(model, home)
    assert stored is not None
    return stored


def head_rows(
    home: Home, model: ModelCard, step: Step[AnchorsSpec], span: Span, device: str, spans: Sequence[Span]
) -> HeadRows:
    """Return a block of rows; in the centered gauge less their mean, where the totals of `spans` are there."""
    stored = stored_head_of(model, home)
    mean = None
    if step.spec.gauge == "centered" and spans:
        mean = add_up(home, step, "total", spans)["total"] / stored.head.tokens
    return HeadRows(stored.rows.between(*span), resolve_device(device), mean=mean)


def token_names(home: Home, model: ModelCard, tokens: Iterable[int]) -> list[str]:
    """Return how each token reads."""
    tokenizer = stored_head_of(model, home).tokenizer
    with TOKENIZING:
        return [str(tokenizer.decode([token])) for token in tokens]

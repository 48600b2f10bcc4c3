"""Compare exact scores of label words of several tokens with approximations by head rows and anchors of their
tokens."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from tasks.models.label_space import label_space, score_words_space
from tasks.steps.lake_reads import read_states
from tasks.steps.result_specs import DiagnosticsSpec
from tasks.steps.specs import WordScoresSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import LabelWordError
from vocabsem.evaluation.word_gap import compare_scores
from vocabsem.label_space import LabelSpace
from vocabsem.vocabulary.similarity import similarity_logits
from warehouse.home import Home

Row = tuple[str, str | None, str | None, str, float]


def word_rows(
    home: Home, model: ModelCard, dataset: DatasetCard, spec: DiagnosticsSpec, split: str, mean: np.ndarray
) -> Iterator[Row]:
    """Yield the metrics of zero-shot predictions by exact scores and by their approximations, on one split.

    mean: of the training states (d,), on which states are centered where they are compared with anchors.

    Subjects are `words.exact`, `words.exact_mean`, and of a word's first token or the mean over all
    `words.head.first`, `words.anchors.mean` and so on; the first are left out where classes share their first tokens.
    """
    key = spec.word_scores[split]
    _, labels, scores = read_states(home, model.name, dataset.name, split, key, WordScoresSpec.kind)
    exact, per_token = (
        score_words_space(home, model.name, dataset.name, split, key, spec.words, per_token=each).label_logits(scores)
        for each in (False, True)
    )
    _, _, states = read_states(home, model.name, dataset.name, split, spec.states[split])
    named: dict[tuple[str, str | None, str | None], np.ndarray] = {
        ("words.exact", None, None): exact,
        ("words.exact_mean", None, None): per_token,
    }
    for tokens in ("mean", "first"):
        with suppress(LabelWordError):  # classes may share first tokens
            space = label_space(home, model, dataset.model_copy(update={"word_tokens": tokens}), spec.anchors["raw"])
            named |= _approximations(space, states[:, -space.width :], mean, tokens)
    for (subject, where, similarity), each in named.items():
        for metric, value in compare_scores(exact, each, labels).items():
            yield subject, where, similarity, metric, value


def _approximations(
    space: LabelSpace, states: np.ndarray, mean: np.ndarray, tokens: str
) -> dict[tuple[str, str | None, str | None], np.ndarray]:
    return {
        (f"words.head.{tokens}", "raw", "dot"): space.label_logits(states),
        (f"words.anchors.{tokens}", "raw", "cosine"): similarity_logits(states, space.anchors).numpy(),
        (f"words.anchors.{tokens}", "centered", "cosine"): similarity_logits(states - mean, space.anchors).numpy(),
    }

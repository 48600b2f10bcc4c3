"""Stored anchors and head rows to the space that methods compare states in."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.models.extensions import method_name
from tasks.models.loaded import label_ids
from tasks.steps.facts import AnchorsFacts, WordScoresFacts, facts_of
from tasks.steps.kinds import spec_of
from tasks.steps.specs import LabelWords, WordScoresFitSpec, WordScoresSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.label_space import LabelSpace, Vocabulary
from vocabsem.methods.registry import method_info
from vocabsem.states.choice_scores import choice_space
from vocabsem.states.word_scores import score_space
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

COLUMNS = ["token_id", "bias", "anchor", "head"]


def label_space(home: Home, model: ModelCard, dataset: DatasetCard, key: str, *, whole: bool = False) -> LabelSpace:
    """Anchors, head rows and biases of the label tokens; several tokens of one word are averaged.

    `whole` adds those of all tokens, for methods that compare with the whole vocabulary.
    """
    tokens = label_ids(model, dataset, home)
    partition = Lake(home).partition("anchors", key, model=model.name)
    manifest = partition.manifest()
    assert manifest is not None
    if whole:
        table = partition.table(COLUMNS)
    else:
        table = _rows_of(home, model.name, key, tuple(sorted({token for ids in tokens for token in ids})))
    rows = {token: row for row, token in enumerate(table["token_id"].to_pylist())}
    head, anchors, bias = matrix(table["head"]), matrix(table["anchor"]), table["bias"].to_numpy()
    vocabulary = Vocabulary(head, bias, anchors, [[rows[token] for token in ids] for ids in tokens])
    facts = facts_of(manifest, AnchorsFacts)
    space = vocabulary.label_space(facts.softcap, facts.scale, whole=whole)
    numbers = np.array(dataset.label_range) if dataset.label_kind == "continuous" else None
    return replace(space, values=numbers)


def word_space(home: Home, spec: WordScoresFitSpec) -> LabelSpace:
    """The space of the scores of words or options that a fit reads: its label logits are the scores themselves."""
    where = {"model": spec.model, "dataset": spec.dataset, "split": "test"}
    key = next(ref.key for ref in spec.states if ref.split == "test")
    manifest = Lake(home).partition(spec.reads, key, **where).manifest()
    assert manifest is not None
    scored = spec_of(manifest)
    assert isinstance(scored, WordScoresSpec)
    if scored.options:
        less = method_info(method_name(home, spec.method)).background == "content_free"
        return choice_space(scored.options, spec.scoring, content_free=scored.content_free, less_content_free=less)
    return _space_of_words(facts_of(manifest, WordScoresFacts), spec.words, per_token=spec.scoring == "exact_mean")


def score_words_space(
    home: Home, model: str, dataset: str, split: str, key: str, words: Sequence[LabelWords], *, per_token: bool
) -> LabelSpace:
    """The space of stored scores of words, which are in class order, several of a class as a tuple."""
    manifest = Lake(home).partition(WordScoresSpec.kind, key, model=model, dataset=dataset, split=split).manifest()
    assert manifest is not None
    return _space_of_words(facts_of(manifest, WordScoresFacts), words, per_token=per_token)


def _space_of_words(facts: WordScoresFacts, words: Sequence[LabelWords], *, per_token: bool) -> LabelSpace:
    numbers = iter(range(len(facts.words)))
    of_classes = [list(islice(numbers, 1 if isinstance(mine, str) else len(mine))) for mine in words]
    return score_space(list(map(len, facts.words)), of_classes, per_token=per_token)


@lru_cache(maxsize=32)
def _rows_of(home: Home, model: str, key: str, tokens: tuple[int, ...]) -> pa.Table:
    """The few rows of these tokens, found in all of them once for all methods."""
    partition = Lake(home).partition("anchors", key, model=model)
    return partition.table(COLUMNS, filters=pc.field("token_id").isin(tokens))

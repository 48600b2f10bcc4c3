"""What is scored after the prompts of a shard: the same words after each, or each row's own options."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tasks.models.loaded import tokenizing, word_ids
from tasks.models.prompts import encode_fields, make_prompts
from tasks.steps.lake_reads import published_labels
from tasks.steps.specs import WordScoresSpec
from vocabsem.cards.schema import ModelCard
from vocabsem.errors import DataError
from vocabsem.families.causal import LanguageModel
from vocabsem.prompts.chunking import ChunkedPrompts
from vocabsem.prompts.content_free import content_free
from vocabsem.prompts.label_tokens import option_tokens
from vocabsem.prompts.prompting import Ids, field_names
from vocabsem.states.choice_scores import cyclic_orders, letter_columns, option_columns
from vocabsem.states.word_scores import score_options, score_words
from warehouse.home import Home

AT_A_TIME = 32  # options behind one content-free prompt
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Questions:
    """Prompts of N rows, and how what follows them is scored."""

    chunked: ChunkedPrompts
    """All prompts of each row."""
    score: Callable[[LanguageModel, Advance], np.ndarray]
    """(N, W) float32, with the progress to call."""


def word_questions(home: Home, model: ModelCard, spec: WordScoresSpec, rows: pa.Table) -> Questions:
    """The same words after the prompt of each row."""
    words = word_ids(model, spec, home)
    chunked = make_prompts(home, model, spec, _fields(rows), reserved=max(map(len, words)))

    def score(network: LanguageModel, advance: Advance) -> np.ndarray:
        scores = score_words(network, chunked.prompts.token_ids, words, progress=advance)
        return chunked.average(scores.astype(np.float32))

    return Questions(chunked, score)


def letter_questions(home: Home, model: ModelCard, spec: WordScoresSpec, rows: pa.Table) -> Questions:
    """The letters after prompts that list the options of a row, in all cyclic orders."""
    names, words = published_labels(home, spec.dataset, spec.examples), word_ids(model, spec, home)
    orders = [order for fields in _fields(rows) for order in cyclic_orders(fields, names)]
    each = encode_fields(home, model, orders, spec, spec.max_chunks)
    chunked = ChunkedPrompts(each.prompts, each.sizes.reshape(-1, len(names)).sum(axis=1))

    def score(network: LanguageModel, advance: Advance) -> np.ndarray:
        scores = score_words(network, each.prompts.token_ids, words, progress=advance)
        return letter_columns(each.average(scores.astype(np.float32)), len(names))

    return Questions(chunked, score)


def option_questions(home: Home, model: ModelCard, spec: WordScoresSpec, rows: pa.Table) -> Questions:
    """The options of a row after its prompt and, where the spec has it so, after content-free ones.

    Raises DataError for an option that is too long for the model behind a prompt, or has no tokens.
    """
    names, wanted = published_labels(home, spec.dataset, spec.examples), field_names(spec.template)
    fields = _fields(rows)
    texts = [[row[name] for name in names if name in row] for row in fields]
    chunked = encode_fields(
        home, model, [{name: row[name] for name in wanted} for row in fields], spec, spec.max_chunks
    )
    distinct = list(dict.fromkeys(text for row in texts for text in row))
    with tokenizing(model, home) as tokenizer:
        ids = dict(zip(distinct, option_tokens(tokenizer, distinct, model.conversation), strict=True))
    options = [[ids[text] for text in row] for row in texts]
    for name, mine in zip(rows["id"].to_pylist(), options, strict=True):
        longest = max(map(len, mine))
        if spec.max_tokens + longest > model.context:
            raise DataError(
                f"row {name} of dataset {spec.dataset!r} has an option of {longest} tokens,"
                f" {spec.max_tokens + longest} with a prompt of {spec.max_tokens}, and the context of model"
                f" {model.name!r} is {model.context}: leave the row out, or lower max_tokens"
            )
    tokens, lengths = [list(map(len, row)) for row in options], [list(map(len, row)) for row in texts]
    blank = content_free(sorted(wanted)) if spec.content_free else []
    encoded = encode_fields(home, model, blank, spec)
    free = [ids for ids in encoded.prompts.token_ids if ids]  # of "{text}" alone one is empty

    def score(network: LanguageModel, advance: Advance) -> np.ndarray:
        owners = np.repeat(np.arange(len(options)), chunked.sizes)
        scores = score_options(network, chunked.prompts.token_ids, [options[row] for row in owners], progress=advance)
        starts = np.cumsum(chunked.sizes) - chunked.sizes
        of_rows = [np.mean(scores[at : at + n], axis=0) for at, n in zip(starts, chunked.sizes, strict=True)]
        columns = option_columns(of_rows, tokens, lengths, spec.options)
        if not free:
            return columns
        worth = _without_text(network, free, list(ids.values()))
        alone = [[worth[tuple(ids[text])] for text in row] for row in texts]
        return np.concatenate([columns, option_columns(alone, tokens, lengths, spec.options, missing=0)], axis=1)

    return Questions(chunked, score)


def _without_text(network: LanguageModel, free: list[Ids], options: list[Ids]) -> dict[tuple[int, ...], float]:
    """Return the mean log P of each option after the content-free prompts, some options at a time."""
    some = [options[start : start + AT_A_TIME] for start in range(0, len(options), AT_A_TIME)]
    pairs = [(prompt, part) for part in some for prompt in free]
    scores = score_options(network, [prompt for prompt, _ in pairs], [part for _, part in pairs])
    means = [np.mean(scores[at : at + len(free)], axis=0) for at in range(0, len(scores), len(free))]
    return {
        tuple(ids): float(mean)
        for part, each in zip(some, means, strict=True)
        for ids, mean in zip(part, each, strict=True)
    }


def _fields(rows: pa.Table) -> list[dict[str, str]]:
    return [dict(each) for each in rows["fields"].to_pylist()]

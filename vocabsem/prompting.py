"""Turn examples into prompts of token ids, make content-free prompts, and map label words to their tokens."""

import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import CardError, DataError, LabelWordError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "CONTENT_FREE",
    "DOMAIN_TEXTS",
    "Ids",
    "Prompts",
    "content_free",
    "domain_words",
    "encode_prompts",
    "encode_texts",
    "field_names",
    "label_tokens",
    "splits_special_tokens",
    "validate_template",
]

Ids = list[int]
Span = tuple[int, int]

CONTENT_FREE = ("N/A", "[MASK]", "")  # Zhao et al., 2021
DOMAIN_TEXTS = 20  # Fei et al., 2023


def field_names(template: str) -> set[str]:
    """Return the names of a template's fields.

    Parameters
    ----------
    template : str
        Text with `{field}` where a field's text goes.

    Returns
    -------
    set of str

    Examples
    --------
    >>> field_names("Review: {text}")
    {'text'}
    """
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def validate_template(template: str) -> str:
    """Return the template if it is valid.

    Parameters
    ----------
    template : str
        Text with `{field}` where a field's text goes.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        Where it cannot be filled in, or ends in white space, which would part the label word from its space.

    Examples
    --------
    >>> validate_template("Review: {text}")
    'Review: {text}'
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"is not a template: {error}") from None
    for _, name, spec, conversion in parts:
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise ValueError(f"has the field {{{name}}}: write only plain names, as in {{text}}")
    if template != template.rstrip():
        raise ValueError("ends in white space: the label word brings its own leading space")
    return template


@dataclass(frozen=True)
class Prompts:
    """Token ids and texts of N prompts."""

    token_ids: list[Ids]
    """Of each prompt, the beginning-of-sequence token included where there is one."""
    truncated: NDArray[np.bool_]
    """(N,) whether a field lost its end."""
    texts: list[str]
    """What the ids spell, after truncation, without the beginning-of-sequence token."""


def encode_prompts(
    tokenizer: "PreTrainedTokenizerBase",
    template: str,
    fields: Sequence[Mapping[str, str]],
    *,
    max_tokens: int,
    prepend_bos: bool,
) -> Prompts:
    """Fill examples into a template and tokenize them, none longer than `max_tokens`.

    A prompt over the limit loses the end of its longest field, on a token's border; of two long fields the longer is
    first cut down to the other. The template is never touched. Special tokens spelled out in a text are read as
    text, unless the template uses such tokens itself.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    template : str
        Text with `{field}` where a field's text goes.
    fields : sequence of mappings
        Template field → text of each of N examples.
    max_tokens : int
        Longest prompt, the beginning-of-sequence token included.
    prepend_bos : bool
        Whether prompts start with the beginning-of-sequence token.

    Returns
    -------
    Prompts

    Raises
    ------
    DataError
        If the template alone is over the limit.
    CardError
        If the tokenizer has no beginning-of-sequence token to prepend.

    Examples
    --------
    >>> rows = [{"text": "a witty movie"}]
    >>> encode_prompts(tokenizer, "Review: {text}", rows, max_tokens=64, prepend_bos=False).texts  # doctest: +SKIP
    ['Review: a witty movie']
    """
    if prepend_bos and tokenizer.bos_token_id is None:
        raise CardError(
            "the tokenizer has no beginning-of-sequence token: set 'prepend_bos: false' in the model's card"
        )
    bos = [int(tokenizer.bos_token_id)] if prepend_bos else []
    limit = max_tokens - len(bos)
    split_special_tokens = splits_special_tokens(tokenizer, template)
    bare = encode_texts(tokenizer, [_render(template, defaultdict(str))[0]], split_special_tokens)[0]
    if len(bare) >= limit:
        raise DataError(
            f"the template {template!r} alone is {len(bare) + len(bos)} tokens, which leaves no space for text in "
            f"{max_tokens}: shorten the template or raise max_tokens"
        )
    texts = [_render(template, row)[0] for row in fields]
    token_ids = encode_texts(tokenizer, texts, split_special_tokens)
    truncated = np.array([len(ids) > limit for ids in token_ids], dtype=bool)
    for i in np.flatnonzero(truncated).tolist():
        texts[i], token_ids[i] = _truncate(tokenizer, template, fields[i], limit, split_special_tokens)
    return Prompts([bos + ids for ids in token_ids], truncated, texts)


def encode_texts(tokenizer: "PreTrainedTokenizerBase", texts: list[str], split_special_tokens: bool) -> list[Ids]:
    """Return the token ids of each text, nothing added.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    texts : list of str
        What to encode.
    split_special_tokens : bool
        Whether special tokens spelled out in a text are read as text.

    Returns
    -------
    list of list of int
    """
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=split_special_tokens, verbose=False)
    ids: list[Ids] = encoded["input_ids"]
    return ids


def splits_special_tokens(tokenizer: "PreTrainedTokenizerBase", template: str) -> bool:
    """Return whether special tokens spelled out in texts are read as text: unless the template uses such itself.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    template : str
        The prompt's template.

    Returns
    -------
    bool
    """
    return not any(token in template for token in tokenizer.all_special_tokens)


def content_free(names: Sequence[str]) -> list[dict[str, str]]:
    """Return content-free fields: N/A, [MASK] and the empty text (Zhao et al., 2021).

    Parameters
    ----------
    names : sequence of str
        Fields of the template.

    Returns
    -------
    list of dict of str to str
        Of length 3; the predictions for them show a model's contextual bias.

    Examples
    --------
    >>> content_free(["text"])
    [{'text': 'N/A'}, {'text': '[MASK]'}, {'text': ''}]
    """
    return [dict.fromkeys(names, text) for text in CONTENT_FREE]


def domain_words(examples: Sequence[Mapping[str, str]], seed: int) -> list[dict[str, str]]:
    """Return twenty sets of fields of random words of the examples, as long as these are on average (Fei et al., 2023).

    Parameters
    ----------
    examples : sequence of mappings
        Template field → text.
    seed : int
        Seed of the choice of words.

    Returns
    -------
    list of dict of str to str
        Of length 20.

    Examples
    --------
    >>> domain_words([{"text": "good good"}], seed=0)[0]
    {'text': 'good good'}
    """
    generator = np.random.default_rng(seed)
    made: list[dict[str, str]] = [{} for _ in range(DOMAIN_TEXTS)]
    for name in examples[0]:
        words = [word for example in examples for word in example[name].split()]
        length = max(1, round(len(words) / len(examples)))
        for fields in made:
            fields[name] = " ".join(words[i] for i in generator.integers(len(words), size=length))
    return made


def label_tokens(
    tokenizer: "PreTrainedTokenizerBase",
    words: Sequence[str],
    *,
    strategy: Literal["single", "first", "mean"] = "single",
    dataset: str | None,
) -> list[Ids]:
    """Return the ids of the label tokens of each word (paper, Appendix: label words).

    Each word is tokenized as it would follow the prompt: after a colon and a space.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    words : sequence of str
        Label word of each of C classes.
    strategy : {"single", "first", "mean"}
        single: one token a word, others are an error; first: a word's first token; mean: all of them.
    dataset : str or None
        Name of the data set, for messages.

    Returns
    -------
    list of list of int
        Of length C; no two words have the same tokens.

    Raises
    ------
    LabelWordError
        With every word that is unknown, too long or not distinct.
    """
    of, there = (f" of dataset {dataset!r}", f" in data/datasets/{dataset}.yaml") if dataset else ("", "")
    fix = f"choose others{there}"
    token_ids = {word: _following_colon(tokenizer, word) for word in dict.fromkeys(words)}
    problems = []
    for word, ids in token_ids.items():
        if tokenizer.unk_token_id in ids or not ids:
            problems.append(f"label word {word!r}{of} is unknown to the tokenizer: {fix}")
        elif strategy == "single" and len(ids) > 1:
            spelled = ", ".join(_spelled(tokenizer, token) for token in ids)
            problems.append(
                f"label word {word!r}{of} is {len(ids)} tokens, {spelled}: choose a word of one token{there}, or set "
                "'word_tokens' there to 'first' or 'mean'"
            )
    if strategy != "single":
        token_ids = {word: _without_space(tokenizer, ids) for word, ids in token_ids.items()}
    if strategy == "first":
        token_ids = {word: ids[:1] for word, ids in token_ids.items()}
    owners: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for word in words:
        owners[tuple(token_ids[word])].append(word)
    for shared, sharing in owners.items():
        if len(sharing) > 1 and shared:
            listed = " and ".join(filter(None, [", ".join(map(repr, sharing[:-1])), repr(sharing[-1])]))
            spelled = ", ".join(_spelled(tokenizer, token) for token in shared)
            token = "token" if len(shared) == 1 else "tokens"
            problems.append(f"label words {listed}{of} share the {token} {spelled}: {fix}")
    if problems:
        raise LabelWordError("\n".join(problems))
    return [token_ids[word] for word in words]


def _render(template: str, row: Mapping[str, str]) -> tuple[str, dict[str, Span]]:
    """Return the prompt, and the span of each field in it."""
    text, spans = "", {}
    for before, name, _, _ in string.Formatter().parse(template):
        text += before
        if name is not None:
            spans[name] = (len(text), len(text) + len(row[name]))
            text += row[name]
    return text, spans


def _truncate(
    tokenizer: "PreTrainedTokenizerBase", template: str, row: Mapping[str, str], limit: int, split_special_tokens: bool
) -> tuple[str, Ids]:
    kept = dict(row)
    while True:
        text, spans = _render(template, kept)
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=split_special_tokens,
            return_offsets_mapping=True,
            verbose=False,
        )
        ids: Ids = encoded["input_ids"]
        if len(ids) <= limit:
            return text, ids
        # Cut text may tokenize anew at its end, so measure again until it fits; each turn takes a token or more.
        starts = {
            name: [
                max(begin, low)
                for begin, end in encoded["offset_mapping"]
                if begin < end and begin < high and end > low
            ]
            for name, (low, high) in spans.items()
        }
        for name, tokens in _keep(starts, len(ids) - limit).items():
            low, _ = spans[name]
            kept[name] = kept[name][: starts[name][tokens] - low].rstrip()


def _keep(starts: Mapping[str, Sequence[int]], excess: int) -> dict[str, int]:
    """Return how many tokens the fields keep that lose `excess` of them: always the longest field loses one."""
    left = {name: len(tokens) for name, tokens in starts.items()}
    for _ in range(excess):
        longest = max(left, key=lambda name: left[name])
        left[longest] = max(left[longest] - 1, 0)
    return {name: tokens for name, tokens in left.items() if tokens < len(starts[name])}


def _following_colon(tokenizer: "PreTrainedTokenizerBase", word: str) -> Ids:
    """Tokenize in context, as tokenizers that mark spaces treat the beginning of a text as a space of its own."""
    before, both = encode_texts(tokenizer, [":", f": {word}"], split_special_tokens=False)
    if both[: len(before)] == before:
        return both[len(before) :]
    return encode_texts(tokenizer, [f" {word}"], split_special_tokens=False)[0]


def _without_space(tokenizer: "PreTrainedTokenizerBase", ids: Ids) -> Ids:
    """Drop leading tokens of white space alone: they do not identify the word that follows."""
    first = next((i for i, token in enumerate(ids) if str(tokenizer.decode([token])).strip()), 0)
    return ids[first:]


def _spelled(tokenizer: "PreTrainedTokenizerBase", token: int) -> str:
    return f"{tokenizer.decode([token])!r} (id {token})"

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

Ids = list[int]
Span = tuple[int, int]

CONTENT_FREE = ("N/A", "[MASK]", "")  # Zhao et al., 2021
DOMAIN_TEXTS = 20  # Fei et al., 2023


def field_names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def validate_template(template: str) -> str:
    """`template`; raises ValueError where it could not be filled in or would tear the label word from its space."""
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
    """N prompts."""

    token_ids: list[Ids]
    """Of each prompt, the beginning-of-sequence token included where there is one."""
    truncated: NDArray[np.bool_]
    """(N,) whether a field lost its end."""
    texts: list[str]
    """What the ids spell, after shortening, without the beginning-of-sequence token."""


def encode_prompts(
    tokenizer: "PreTrainedTokenizerBase",
    template: str,
    fields: Sequence[Mapping[str, str]],
    *,
    max_tokens: int,
    prepend_bos: bool,
) -> Prompts:
    """`fields` (N mappings) put into `template`, tokenized, none longer than `max_tokens`.

    A prompt over the limit loses the end of its longest field, on a token's border; of two long fields the longer is
    first cut down to the other. The template is never touched. Special tokens spelled out in a text are read as
    text, unless the template uses such tokens itself.
    Raises DataError: the template alone is over the limit; CardError: no beginning-of-sequence token to prepend.
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
            f"the template {template!r} alone is {len(bare) + len(bos)} tokens, which leaves no room for text in "
            f"{max_tokens}: shorten the template or raise max_tokens"
        )
    texts = [_render(template, row)[0] for row in fields]
    token_ids = encode_texts(tokenizer, texts, split_special_tokens)
    truncated = np.array([len(ids) > limit for ids in token_ids], dtype=bool)
    for i in np.flatnonzero(truncated).tolist():
        texts[i], token_ids[i] = _truncate(tokenizer, template, fields[i], limit, split_special_tokens)
    return Prompts([bos + ids for ids in token_ids], truncated, texts)


def encode_texts(tokenizer: "PreTrainedTokenizerBase", texts: list[str], split_special_tokens: bool) -> list[Ids]:
    """Return the token ids of each text, nothing added; special tokens in a text are text if `split_special_tokens`."""
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=split_special_tokens, verbose=False)
    ids: list[Ids] = encoded["input_ids"]
    return ids


def splits_special_tokens(tokenizer: "PreTrainedTokenizerBase", template: str) -> bool:
    """Whether special tokens in texts are text: unless the template uses such tokens itself."""
    return not any(token in template for token in tokenizer.all_special_tokens)


def content_free(names: Sequence[str]) -> list[dict[str, str]]:
    """Fields without content, one set for each of the three inputs; what a model answers to them is its bias."""
    return [dict.fromkeys(names, text) for text in CONTENT_FREE]


def domain_words(examples: Sequence[Mapping[str, str]], seed: int) -> list[dict[str, str]]:
    """Twenty sets of fields made of random words of the examples' fields, each as long as these are on average."""
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
    """The ids of the tokens that stand for each word, in the order of `words`.

    Each word is tokenized as it would follow the prompt: after a colon and a space. `single` wants one token a word,
    `first` takes a word's first token, `mean` takes all of them; the tokens of two words must differ.
    Raises LabelWordError with every word that is unknown, too long or not distinct (paper, Appendix: label words).
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
    """The prompt, and where in it each field stands."""
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
    """How many tokens the fields that must give up `excess` keep: always the longest field gives."""
    left = {name: len(tokens) for name, tokens in starts.items()}
    for _ in range(excess):
        longest = max(left, key=lambda name: left[name])
        left[longest] = max(left[longest] - 1, 0)
    return {name: tokens for name, tokens in left.items() if tokens < len(starts[name])}


def _following_colon(tokenizer: "PreTrainedTokenizerBase", word: str) -> Ids:
    """In context, because tokenizers that mark spaces treat the beginning of a text as a space of its own."""
    before, both = encode_texts(tokenizer, [":", f": {word}"], split_special_tokens=False)
    if both[: len(before)] == before:
        return both[len(before) :]
    return encode_texts(tokenizer, [f" {word}"], split_special_tokens=False)[0]


def _without_space(tokenizer: "PreTrainedTokenizerBase", ids: Ids) -> Ids:
    """A lone space token says nothing of the word that follows it."""
    first = next((i for i, token in enumerate(ids) if str(tokenizer.decode([token])).strip()), 0)
    return ids[first:]


def _spelled(tokenizer: "PreTrainedTokenizerBase", token: int) -> str:
    return f"{tokenizer.decode([token])!r} (id {token})"

"""Turn examples into prompts of token ids, none longer than a limit."""

import string
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import CardError, DataError
from vocabsem.prompts.chat import Chat, part_control_tokens
from vocabsem.prompts.texts import is_empty
from vocabsem.prompts.truncation import MASK, Ids, PromptEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "Ids",
    "Prompts",
    "encode_prompts",
    "encode_texts",
    "field_names",
    "splits_special_tokens",
    "validate_row",
    "validate_template",
]


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
        Where it cannot be filled in, has two masks, or ends in white space, which would part the label word from its
        space.

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
    if [name for _, name, _, _ in parts].count(MASK) > 1:
        raise ValueError(f"has {{{MASK}}} twice: a model answers at one place")
    if template != template.rstrip():
        raise ValueError("ends in white space: the label word brings its own leading space")
    return template


def validate_row(row: object, fields: Collection[str], number: object) -> dict[str, str]:
    """Return the texts of a row by field, stripped as those of data sets are; other keys of the row are ignored.

    Parameters
    ----------
    row : mapping of str to str
        Field → text.
    fields : collection of str
        Names of the template's fields.
    number : object
        Number or label of the row, for messages.

    Returns
    -------
    dict of str to str

    Raises
    ------
    DataError
        For a field that is missing, or is no text that can be encoded, or an empty one.

    Examples
    --------
    >>> validate_row({"text": "a witty movie", "id": 3}, ["text"], 0)
    {'text': 'a witty movie'}
    """
    if not isinstance(row, Mapping):
        listed = ", ".join(map(repr, sorted(fields)))
        raise DataError(f"row {number} is {row!r:.200}: give a text for each of the fields {listed}")
    for field in fields:
        if field not in row:
            raise DataError(f"row {number} has no {field!r}, only {list(row)!r:.200}: name the text {field!r}")
        text = row[field]
        if not isinstance(text, str) or is_empty(text):
            raise DataError(f"row {number}: {field} is {text!r:.200}: give a text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"row {number}: {field} is {text!r:.200}, no UTF-8 at character {error.start}: decode it anew"
            ) from None
    return {field: row[field].strip() for field in fields}


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
    special_tokens: bool = False,
    chat: Chat | None = None,
) -> Prompts:
    """Fill examples into a template and tokenize them, none longer than `max_tokens`.

    A prompt over the limit loses the end of its longest field, on a token's border; of two long fields the longer is
    first cut down to the other. The template is never touched. Special tokens spelled out in a text are read as
    text, unless the template uses such tokens itself. `{mask}` becomes the tokenizer's mask token.

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
    special_tokens : bool
        Whether they stand between the tokens that the tokenizer adds, such as [CLS] and [SEP].
    chat : Chat, optional
        Of which the template is the user's turn; what stands around the turn is never touched either.

    Returns
    -------
    Prompts

    Raises
    ------
    DataError
        If the template alone is over the limit, or a text spells the mask of a template with special tokens.
    CardError
        If the tokenizer has no beginning-of-sequence token, mask token or chat template where one is wanted.

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
    masked = MASK in field_names(template)
    if masked and tokenizer.mask_token_id is None:
        raise CardError(f"the tokenizer has no mask token for the {{{MASK}}} of the template {template!r}")
    if chat is not None:
        template = chat.prompt_template(tokenizer, template)
        fields = part_control_tokens(tokenizer, template, fields)
        prepend_bos = prepend_bos and not template.startswith(str(tokenizer.bos_token))
    start, end = _around(tokenizer) if special_tokens else ([int(tokenizer.bos_token_id)] if prepend_bos else [], [])
    limit = max_tokens - len(start) - len(end)
    encoder = PromptEncoder(tokenizer, template, splits_special_tokens(tokenizer, template))
    bare = encoder.encode([defaultdict(str)])[1][0]
    if len(bare) >= limit:
        raise DataError(
            f"the template {template!r} alone is {len(bare) + len(start) + len(end)} tokens, which leaves no space for"
            f" text in {max_tokens}: shorten the template or raise max_tokens"
        )
    rows = [{**row, MASK: ""} for row in fields] if masked else fields
    texts, token_ids = encoder.encode(rows)
    truncated = np.array([len(ids) > limit for ids in token_ids], dtype=bool)
    for i in np.flatnonzero(truncated).tolist():
        texts[i], token_ids[i] = encoder.truncate(rows[i], limit)
    if masked and (several := [row for row, ids in enumerate(token_ids) if ids.count(tokenizer.mask_token_id) > 1]):
        raise DataError(
            f"text {several[0]} spells {tokenizer.mask_token!r}, a mask of its own, which is read as such because the"
            f" template {template!r} uses special tokens: take them out of the template"
        )
    return Prompts([start + ids + end for ids in token_ids], truncated, texts)


def _around(tokenizer: "PreTrainedTokenizerBase") -> tuple[Ids, Ids]:
    """Return the tokens that the tokenizer adds before a text, and after it."""
    (bare,) = encode_texts(tokenizer, ["a"], split_special_tokens=True)
    whole: Ids = tokenizer("a", verbose=False)["input_ids"]
    first = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:first], whole[first + len(bare) :]


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

    Examples
    --------
    >>> encode_texts(tokenizer, [" good", " bad"], split_special_tokens=True)  # doctest: +SKIP
    [[1123], [2281]]
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

    Examples
    --------
    >>> splits_special_tokens(tokenizer, "Review: {text}")  # doctest: +SKIP
    True
    """
    return not any(token in template for token in tokenizer.all_special_tokens)

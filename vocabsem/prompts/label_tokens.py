"""Map label words to the tokens that stand for them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from vocabsem.errors import LabelWordError
from vocabsem.prompts.chat import Chat
from vocabsem.prompts.prompting import Ids, encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["label_tokens", "option_tokens"]


def label_tokens(
    tokenizer: "PreTrainedTokenizerBase",
    words: Sequence[str],
    *,
    strategy: Literal["single", "first", "mean", "whole"] = "single",
    dataset: str | None,
    chat: Chat | None = None,
    alone: bool = False,
) -> list[Ids]:
    """Return the ids of the label tokens of each word (paper, Appendix: label words).

    Each word is tokenized as it would follow the prompt: after a colon and a space, or as the answer of a chat, or as a
    text of its own.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    words : sequence of str
        Label word of each of C classes.
    strategy : {"single", "first", "mean", "whole"}
        single: one token a word, others are an error; first: a word's first token; mean: all of them but white space,
        whose vectors are averaged; whole: all of them, as they follow the prompt.
    dataset : str or None
        Name of the data set, for messages.
    chat : Chat, optional
        Of which the words are answers.
    alone : bool
        Whether a word begins a text of its own, as a decoder writes it.

    Returns
    -------
    list of list of int
        Of length C; no two words have the same tokens.

    Raises
    ------
    LabelWordError
        With every word that is unknown, too long or not distinct.

    Examples
    --------
    >>> label_tokens(tokenizer, ["good", "bad"], dataset="reviews")  # doctest: +SKIP
    [[1123], [2281]]
    """
    of, there = (f" of dataset {dataset!r}", f" in data/datasets/{dataset}.yaml") if dataset else ("", "")
    fix = f"choose others{there}"
    token_ids = {
        word: encode_texts(tokenizer, [word], False)[0] if alone else _following(tokenizer, word, chat)
        for word in dict.fromkeys(words)
    }
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
    if strategy in ("first", "mean"):
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


def option_tokens(tokenizer: "PreTrainedTokenizerBase", options: Sequence[str], chat: Chat | None = None) -> list[Ids]:
    """Return the token ids of the options of a row, as they would follow the prompt; two may be the same.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    options : sequence of str
        Texts.
    chat : Chat, optional
        Of which the options are answers.

    Returns
    -------
    list of list of int

    Raises
    ------
    LabelWordError
        For an option without tokens, or with one that is unknown.

    Examples
    --------
    >>> option_tokens(tokenizer, ["good", "bad"])  # doctest: +SKIP
    [[1123], [2281]]
    """
    token_ids = [_following(tokenizer, option, chat) for option in options]
    for option, ids in zip(options, token_ids, strict=True):
        if tokenizer.unk_token_id in ids or not ids:
            raise LabelWordError(f"option {option!r} is unknown to the tokenizer: leave its row out of the data")
    return token_ids


def _following(tokenizer: "PreTrainedTokenizerBase", word: str, chat: Chat | None) -> Ids:
    """Tokenize in context, as tokenizers that mark spaces treat the beginning of a text as a space of its own."""
    prompt, answered = (":", f": {word}") if chat is None else chat.answer(tokenizer, word)
    before, both = encode_texts(tokenizer, [prompt, answered], split_special_tokens=False)
    if both[: len(before)] == before:
        return both[len(before) :]
    return encode_texts(tokenizer, [answered.removeprefix(prompt)], split_special_tokens=False)[0]


def _without_space(tokenizer: "PreTrainedTokenizerBase", ids: Ids) -> Ids:
    """Drop leading tokens of white space alone: they do not identify the word that follows."""
    first = next((i for i, token in enumerate(ids) if str(tokenizer.decode([token])).strip()), 0)
    return ids[first:]


def _spelled(tokenizer: "PreTrainedTokenizerBase", token: int) -> str:
    return f"{tokenizer.decode([token])!r} (id {token})"

"""Fill a template with texts, cut to fit a limit of tokens, and with a mask token where it has a place for one."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["MASK", "Ids", "PromptEncoder", "Span", "render_prompt"]

Ids = list[int]
Span = tuple[int, int]
MASK = "mask"
"""The field of a template that is no text: where a masked model answers."""


def render_prompt(template: str, row: Mapping[str, str]) -> tuple[str, dict[str, Span]]:
    """Return the prompt, and the span of each field in it.

    Parameters
    ----------
    template : str
        Text with `{field}` where a field's text goes.
    row : mapping of str to str
        Field → text.

    Returns
    -------
    text : str
    spans : dict of str to tuple of int

    Examples
    --------
    >>> render_prompt("Review: {text}", {"text": "fine"})
    ('Review: fine', {'text': (8, 12)})
    """
    text, spans = "", {}
    for before, name, _, _ in string.Formatter().parse(template):
        text += before
        if name is not None:
            spans[name] = (len(text), len(text) + len(row[name]))
            text += row[name]
    return text, spans


@dataclass(frozen=True)
class PromptEncoder:
    """A tokenizer for prompts of one template.

    The text before a mask and the text after it are tokenized separately, as tokenizers do around a special token; so
    no text can spell a mask of its own.
    """

    tokenizer: "PreTrainedTokenizerBase"
    """The model's."""
    template: str
    """Of the prompts, with `{mask}` or not."""
    split_special_tokens: bool
    """Whether special tokens spelled out in a text are read as text."""

    def encode(self, rows: Sequence[Mapping[str, str]]) -> tuple[list[str], list[Ids]]:
        """Return the text and the ids of each row's prompt, whatever its length.

        Parameters
        ----------
        rows : sequence of mappings
            Field → text; the mask's is empty.

        Returns
        -------
        texts : list of str
        token_ids : list of list of int
        """
        rendered = [render_prompt(self.template, row) for row in rows]
        parts = [part for text, spans in rendered for part in self._parts(text, spans)]
        ids = self._tokenize([part for part, _ in parts])[0] if parts else []
        if MASK not in next(iter(rendered), ("", {}))[1]:
            return [text for text, _ in rendered], ids
        mask = self.tokenizer.mask_token_id
        joined = [[*before, mask, *after] for before, after in zip(ids[::2], ids[1::2], strict=True)]
        return [self._spelled(*each) for each in rendered], joined

    def truncate(self, row: Mapping[str, str], limit: int) -> tuple[str, Ids]:
        """Return the text and the ids of a prompt whose longest field lost its end.

        Parameters
        ----------
        row : mapping of str to str
            Field → text.
        limit : int
            Most tokens.

        Returns
        -------
        text : str
        ids : list of int
        """
        kept = dict(row)
        while True:
            text, spans = render_prompt(self.template, kept)
            parts = self._parts(text, spans)
            pieces, offsets = self._tokenize([part for part, _ in parts], offsets=True)
            ids = [token for index, piece in enumerate(pieces) for token in self._joint(index) + piece]
            if len(ids) <= limit:
                return self._spelled(text, spans), ids
            # Cut text may tokenize anew at its end, so measure again until it fits; each turn takes a token or more.
            every = [(b + at, e + at) for (_, at), each in zip(parts, offsets, strict=True) for b, e in each]
            starts = {
                name: [max(begin, low) for begin, end in every if begin < end and begin < high and end > low]
                for name, (low, high) in spans.items()
                if name != MASK
            }
            for name, tokens in _keep(starts, len(ids) - limit).items():
                low, _ = spans[name]
                kept[name] = kept[name][: starts[name][tokens] - low].rstrip()

    def _parts(self, text: str, spans: Mapping[str, Span]) -> list[tuple[str, int]]:
        """Return what is tokenized apart, each with where it begins in the text."""
        if MASK not in spans:
            return [(text, 0)]
        position, token = spans[MASK][0], self.tokenizer.added_tokens_decoder.get(self.tokenizer.mask_token_id)
        before, after = text[:position], text[position:]
        if getattr(token, "lstrip", False):
            before = before.rstrip()
        if getattr(token, "rstrip", False):
            after = after.lstrip()
        return [(before, 0), (after, len(text) - len(after))]

    def _joint(self, index: int) -> Ids:
        return [self.tokenizer.mask_token_id] if index else []

    def _spelled(self, text: str, spans: Mapping[str, Span]) -> str:
        position = spans[MASK][0] if MASK in spans else len(text)
        return text[:position] + (self.tokenizer.mask_token if MASK in spans else "") + text[position:]

    def _tokenize(self, texts: list[str], *, offsets: bool = False) -> tuple[list[Ids], list[list[Span]]]:
        encoded = self.tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=self.split_special_tokens,
            return_offsets_mapping=offsets,
            verbose=False,
        )
        return encoded["input_ids"], encoded["offset_mapping"] if offsets else []


def _keep(starts: Mapping[str, Sequence[int]], excess: int) -> dict[str, int]:
    """Return how many tokens the fields keep that lose `excess` of them: always the longest field loses one."""
    left = {name: len(tokens) for name, tokens in starts.items()}
    for _ in range(excess):
        longest = max(left, key=lambda name: left[name])
        left[longest] = max(left[longest] - 1, 0)
    return {name: tokens for name, tokens in left.items() if tokens < len(starts[name])}

"""Prompts of instruct models: the template of a data set inside one user's turn of the tokenizer's chat template.

The chat template, a Jinja program of the checkpoint, runs in transformers' sandbox, within limits of time and memory,
once for a template and never on texts: around marks in place of the fields. What it makes of them is again a template,
filled in as any other.
"""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vocabsem.errors import CardError
from vocabsem.runtime.bounded import run_bounded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Chat", "part_control_tokens"]

MARK = "\ue5a0{}\ue5a1"  # in place of a field: characters of the private use area, which no chat template has
# Chat templates that print today's date print this one, Llama's own default: the same prompt on every day.
DATE = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024", "%y": "24", "%A": "Friday", "%a": "Fri"}
TODAY = "".join(f" | replace({given!r}, {value!r})" for given, value in DATE.items())
FIXED_DATE = "{% macro strftime_now(format) %}{{ format" + TODAY + " }}{% endmacro +%}"


@dataclass(frozen=True)
class Chat:
    """A chat of one user's turn, which the model answers.

    Attributes
    ----------
    system : str or None
        System prompt; None: what the chat template has by default.
    """

    system: str | None = None

    def prompt_template(self, tokenizer: "PreTrainedTokenizerBase", template: str) -> str:
        """Return the template of the whole prompt, up to where the model's answer begins.

        Parameters
        ----------
        tokenizer : PreTrainedTokenizerBase
            The model's tokenizer.
        template : str
            Of the user's turn, with `{field}` where a field's text goes.

        Returns
        -------
        str

        Raises
        ------
        CardError
            Where the tokenizer has no chat template, or one that refuses the turn or changes the text in it.
        """
        parts = list(string.Formatter().parse(template))
        names = [name for _, name, _, _ in parts if name is not None]
        marks = [MARK.format(number) for number in range(len(names))]
        waiting = iter(marks)
        turn = "".join(text + (next(waiting) if name is not None else "") for text, name, _, _ in parts)
        rendered = self._render(tokenizer, turn)
        if re.findall(MARK.format(r"\d+"), rendered) != marks:
            raise CardError(
                f"the chat template of the tokenizer in {tokenizer.name_or_path} does not show a user's turn as it is:"
                " take 'chat: true' out of the model's card"
            )
        whole = rendered.replace("{", "{{").replace("}", "}}")
        for mark, name in zip(marks, names, strict=True):
            whole = whole.replace(mark, f"{{{name}}}")
        return whole

    def answer(self, tokenizer: "PreTrainedTokenizerBase", word: str) -> tuple[str, str]:
        """Return a prompt, and the prompt with a word as its answer: with white space before it if answers begin so.

        Parameters
        ----------
        tokenizer : PreTrainedTokenizerBase
            The model's tokenizer.
        word : str
            The word.

        Returns
        -------
        prompt : str
        answered : str
        """
        prompt, mark = self._render(tokenizer, "a"), MARK.format(0)
        answered = self._render(tokenizer, "a", answer=mark)
        before = answered[len(prompt) : answered.find(mark)] if answered.startswith(prompt) else ""
        return prompt, prompt + ("" if before.strip() else before) + word

    def _render(self, tokenizer: "PreTrainedTokenizerBase", turn: str, answer: str | None = None) -> str:
        own = _chat_template(tokenizer)
        messages = [{"role": "system", "content": self.system}] if self.system is not None else []
        messages += [{"role": "user", "content": turn}]
        messages += [{"role": "assistant", "content": answer}] if answer is not None else []
        try:
            return run_bounded(
                lambda: str(
                    tokenizer.apply_chat_template(
                        messages,
                        chat_template=FIXED_DATE + own if "strftime_now" in own else own,
                        add_generation_prompt=answer is None,
                        tokenize=False,
                    )
                )
            )
        except Exception as error:  # whatever a program can raise: no common root short of this one
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            roles = " and ".join(message["role"] for message in messages)
            raise CardError(
                f"the chat template of the tokenizer in {tokenizer.name_or_path} refuses a chat of {roles}: {reason}:"
                f" take {'system' if self.system else 'chat: true'!r} out of the model's card"
            ) from error


def _chat_template(tokenizer: "PreTrainedTokenizerBase") -> str:
    try:
        return tokenizer.get_chat_template()
    except ValueError:  # none, or several without a default
        raise CardError(
            f"the tokenizer in {tokenizer.name_or_path} has no chat template: take 'chat: true' out of the model's"
            " card, or name an instruct model"
        ) from None


def part_control_tokens(
    tokenizer: "PreTrainedTokenizerBase", template: str, rows: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """Return rows in which no text ends its turn: control tokens spelled out in it are parted by a space.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    template : str
        Of the whole prompt, which uses such tokens itself.
    rows : sequence of mappings
        Field → text.

    Returns
    -------
    list of dict of str to str

    Examples
    --------
    >>> part_control_tokens(tokenizer, "<s>{text}</s>", [{"text": "a </s> b"}])  # doctest: +SKIP
    [{'text': 'a < /s> b'}]
    """
    known = tokenizer.added_tokens_decoder.values()
    tokens = [each.content for each in known if each.special or each.content in template]
    longest_first = sorted((token for token in tokens if token.strip()), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")  # (?!) never matches
    return [
        {name: pattern.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text) for name, text in row.items()}
        for row in rows
    ]

"""What cards are made of: strict types, a label, a rule of splitting, where a local copy lies."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vocabsem.prompts.prompting import validate_template

__all__ = ["Card", "Choices", "Label", "LabelWords", "LocalCopy", "SplitRule", "words_of"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Variant = Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
Template = Annotated[Text, AfterValidator(validate_template)]
WordTokens = Literal["single", "first", "mean"]


def _validate_words(words: str | list[str]) -> str | list[str]:
    """Return the label word or words of a class. Raises ValueError for none, blank ones and duplicates."""
    each = words_of(words)
    if not each:
        raise ValueError("the class has no label word: give it one")
    for word in each:
        if not word or word != word.strip():
            raise ValueError(f"label word {word!r}: give a word without white space around it")
        if each.count(word) > 1:
            raise ValueError(f"label word {word!r} is given to one label twice")
    return words


def words_of(words: str | list[str]) -> list[str]:
    """Return the words of a class, of which a card gives one or a list.

    Parameters
    ----------
    words : str or list of str
        As the card has them.

    Returns
    -------
    list of str

    Examples
    --------
    >>> words_of("good")
    ['good']
    """
    return [words] if isinstance(words, str) else words


Words = Annotated[str | list[str], AfterValidator(_validate_words)]


class Card(BaseModel):
    """What all cards share: strict types, frozen, unknown keys are errors."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)


class Label(Card):
    """A class: its name, its values in the data, its label word."""

    name: Text
    """Name in tables and predictions."""
    value: str | int | list[str | int]
    """The label column's value or values for this class, compared as text."""
    word: Words
    """The label word, whose tokens stand for the class; or several, whose logits and anchors are averaged."""

    @property
    def values(self) -> list[str]:
        """The label column's values for this class, as text."""
        return [str(v) for v in (self.value if isinstance(self.value, list) else [self.value])]

    @property
    def words(self) -> list[str]:
        """The label words of this class; the first is the one that demonstrations show."""
        return words_of(self.word)


class LabelWords(Card):
    """Other label words of a data set, some of several tokens."""

    words: list[Words]
    """A word, or several, for each class, in class order."""
    word_tokens: WordTokens
    """What stands for a word of several tokens, as in the card."""


class Choices(Card):
    """The options of each row, of which one is right."""

    columns: Text | Annotated[list[Text], Field(min_length=2)]
    """The column of a list of options, or a column for each option, in order."""
    answer: Literal["value", "text"] = "value"
    """What the label column has: the `value` of the right option's place in `labels`, or that option's `text`."""
    letters: Template | None = None
    """The prompt that lists the options, as in `{text} A. {A} B. {B} Answer:`, each by the name of its label."""


class SplitRule(Card):
    """How rows are divided where the source does not do it; always stratified."""

    test: Fraction | Positive = 0
    """Share (or number) of all rows kept for testing: only for sources with one file, `all`."""
    validation: Fraction = 0
    """Share of the training rows kept for validation."""
    seed: int = 42
    """Seed of the split."""


class LocalCopy(Card):
    """The same data as JSON lines in a folder of the user's: `<data-dir>/<folder>/<split>.jsonl`."""

    folder: Name
    """Folder below the data folder."""
    fields: dict[str, str]
    """Template field → column."""
    label_column: str = "label"
    """Column of the labels."""
    values: list[str | int]
    """The label column's value for each class, in class order."""
    split: SplitRule | None = None
    """Used instead of the card's rule when the folder has one file only; then that file is all there is."""

"""What cards are made of: strict types, a label, a rule of splitting, where a local copy lies."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vocabsem.prompting import validate_template

__all__ = ["Card", "Label", "LocalCopy", "SplitRule"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Variant = Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
Template = Annotated[Text, AfterValidator(validate_template)]


class Card(BaseModel):
    """What all cards share: strict types, frozen, unknown keys are errors."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)


class Label(Card):
    """A class: its name, its values in the data, its label word."""

    name: Text
    """Name in tables and predictions."""
    value: str | int | list[str | int]
    """The label column's value or values for this class, compared as text."""
    word: Text
    """The label word, whose tokens stand for the class."""

    @property
    def values(self) -> list[str]:
        """The label column's values for this class, as text."""
        return [str(v) for v in (self.value if isinstance(self.value, list) else [self.value])]


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

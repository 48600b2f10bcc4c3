"""The card of a study: what an instrument measures, on which model, texts and layers."""

from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from flows.planning.experiment import Limits
from flows.planning.variants import variant_name
from vocabsem.cards.base import Sha256, Template
from vocabsem.cards.folders import find_card
from vocabsem.cards.loader import read_yaml
from vocabsem.cards.schema import Card
from vocabsem.errors import CardError
from vocabsem.instruments.registry import check_study
from vocabsem.runtime.devices import OFFLOAD, DType
from vocabsem.states.layers import Pooling

DISPLAY_KEYS = {"description", "license", "citation", "device"}  # keys that change no result


class StudyCard(Card):
    """One study of one model."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the card and of its rows in tables."""
    study: str
    """What is measured, by its registered name."""
    description: str
    """What is measured, in a sentence."""
    license: str = ""
    """Under which the files may be used."""
    citation: str = ""
    """What to cite."""
    model: str
    """Model: name or path of a card, or hf:org/name, a folder or a .gguf file."""
    files: dict[str, str] = Field(default_factory=dict)
    """Source of each file that the study reads; `python:path` is of the interpreter's own standard library."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """Of each file; verified at download."""
    datasets: list[str] = Field(default_factory=list)
    """Data sets whose stored states the study reads."""
    limits: Limits = Field(default_factory=Limits)
    """Caps on rows of the data sets."""
    layers: Annotated[list[int | float | Literal["last"]], Field(min_length=1)] | Literal["all"]
    """Layers whose states are read: a number, a share of the depth (0.6) or last; or all of them."""
    pooling: Pooling = "last"
    """Of a text's tokens."""
    templates: dict[str, Template] = Field(default_factory=dict)
    """What stands around a word or text whose states are read, with {text} where it goes, by name."""
    max_tokens: PositiveInt | None = None
    """Longest prompt, if shorter than the model's."""
    dtype: DType = "auto"
    """dtype of the model; auto is the machine's fast one."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of all draws."""
    resamples: Annotated[int, Field(ge=100, le=10_000)] = 1000
    """Of the bootstrap that gives the intervals."""
    null_draws: Annotated[int, Field(ge=20, le=10_000)] = 100
    """Of the null."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the study that differ from its defaults."""

    @field_validator("device")
    @classmethod
    def _whole(cls, device: str) -> str:
        if device.partition(":")[0] == OFFLOAD:
            raise ValueError(f"device {device}: a study reads weights where they are: give cpu, cuda or auto")
        return device

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            check_study(self.study, self.params, self.files, bool(self.datasets))
        except CardError as error:
            raise ValueError(str(error)) from None
        if unknown := set(self.sha256) - set(self.files):
            raise ValueError(f"sha256 names {', '.join(sorted(unknown))}, which files does not have")
        return self


def load_study(name_or_path: str, overrides: dict[str, Any] | None = None) -> StudyCard:
    """Return the card, with dotted overrides; with some that change results under a name of its own.

    Raises CardError for a missing file, an unknown key or a wrong value.
    """
    is_path = Path(name_or_path).suffix in {".yaml", ".yml"}
    path = Path(name_or_path) if is_path else find_card("studies", name_or_path)
    changed = read_yaml(path, StudyCard, overrides=overrides or {})
    if not overrides or "name" in overrides:
        return changed
    card = read_yaml(path, StudyCard)
    differing = {
        key: value
        for key, value in overrides.items()
        if key.partition(".")[0] not in DISPLAY_KEYS and _value(changed, key) != _value(card, key)
    }
    return changed.model_copy(update={"name": variant_name(card.name, differing)}) if differing else changed


def _value(card: StudyCard, key: str) -> Any:
    """Return the value of a dotted key, None where a mapping lacks it."""
    first, *rest = key.split(".")
    return reduce(lambda inner, name: inner.get(name), rest, card.model_dump()[first])

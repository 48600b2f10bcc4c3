"""The spec of a study: all that determines its ranked items and, made with them, its values."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from tasks.steps.spec import Key, Spec
from tasks.steps.specs import AnchorsSpec, HeadOutputsSpec, StatesSpec, TokenStatesSpec
from vocabsem.states.layers import Pooling
from warehouse.roles import Role, keys_of

STORED = (StatesSpec.kind, TokenStatesSpec.kind, HeadOutputsSpec.kind)  # of data sets; fields have the same names


class StudyItemsSpec(Spec):
    """The ranked items of a study."""

    kind: ClassVar[str] = "study_items"
    path_fields: ClassVar[Mapping[str, str]] = {"study": "study", "card": "card", "model": "model"}
    references: ClassVar[frozenset[str]] = frozenset({"states", "token_states", "head_outputs", "anchors"})

    study: str
    """Registered name."""
    card: str
    """Name of the card, with what was set."""
    model: str
    """Name of the model's card."""
    digest: str
    """Of the model's bytes."""
    anchors: Key
    """Of the model."""
    states: dict[str, Key]
    """Stored states by dataset/split."""
    token_states: dict[str, Key] = Field(default_factory=dict)
    """Those of all tokens, by dataset/split."""
    head_outputs: dict[str, Key] = Field(default_factory=dict)
    """Outputs of attention heads, by dataset/split."""
    words: dict[str, tuple[str, ...]]
    """Label words of each data set, in class order."""
    word_tokens: dict[str, str]
    """What stands for a word of several tokens, by data set."""
    hashes: dict[str, str]
    """SHA-256 of each file."""
    templates: dict[str, str]
    """What stands around a word or text whose states are read, by name."""
    params: dict[str, Any]
    """Parameters of the instrument, all of them."""
    layers: tuple[int, ...]
    """Of the states."""
    pooling: Pooling
    """Of a text's tokens."""
    dtype: Literal["float32", "bfloat16"]
    """Of the model while it runs."""
    max_tokens: int
    """Longest prompt."""
    seed: int
    """Of all draws."""
    resamples: int
    """Of the bootstrap."""
    null_draws: int
    """Of the null."""
    revision: int
    """Of the instrument."""

    @property
    def inputs(self) -> dict[str, str]:
        by_kind = {kind: getattr(self, kind).items() for kind in STORED}
        stored = {str(Role(kind, split)): key for kind, keys in by_kind.items() for split, key in keys}
        return stored | {AnchorsSpec.kind: self.anchors}

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        by_kind = {kind: keys_of(inputs, kind) for kind in STORED}
        return {**by_kind, "anchors": inputs[Role(AnchorsSpec.kind)]}


class StudyValuesSpec(Spec):
    """The values of a study."""

    kind: ClassVar[str] = "study_values"
    path_fields: ClassVar[Mapping[str, str]] = StudyItemsSpec.path_fields
    references: ClassVar[frozenset[str]] = frozenset({"study_items"})

    study: str
    """Registered name."""
    card: str
    """Name of the card, with what was set."""
    model: str
    """Name of the model's card."""
    study_items: Key
    """The items that were made with them."""

"""The spec of each kind of partition: what determines its content.

Raise a `version` when the step's code would give other content for the same spec. A field that has its default is left
out of the canonical form, so that a new option changes no key of those who do not use it.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field

from tasks.steps.spec import Frozen, Key, ModelDatasetSpec, Spec
from vocabsem.datasets.shots import OnInsufficient
from vocabsem.states.choice_scores import ChoiceScoring
from vocabsem.states.layers import Layer, Pooling
from warehouse.roles import Role, keys_of

Shots = int | Literal["all"]
LabelWords = str | tuple[str, ...]
SPLITS = ("train", "validation", "test")


class ExamplesSpec(Spec):
    """The rows of a data set, split and capped."""

    kind: ClassVar[str] = "examples"
    path_fields: ClassVar[Mapping[str, str]] = {"dataset": "dataset"}

    dataset: str
    """Name of the card, with its variant."""
    card: dict[str, Any]
    """All in the card that determines which rows are read."""
    hashes: dict[str, str]
    """SHA-256 of each source file."""
    limits: dict[str, int | None]
    """The most rows of each split; None is every row."""


class AnchorsSpec(Spec):
    """The semantic anchor of every token of a model; of an encoder, the encodings of the label words."""

    kind: ClassVar[str] = "anchors"
    path_fields: ClassVar[Mapping[str, str]] = {"model": "model"}
    renamed: ClassVar[Mapping[str, str]] = {"digest": "model"}

    model: str
    """Name of the card."""
    digest: str
    """Of the model's bytes."""
    gauge: Literal["raw", "centered"]
    """Which head is inverted."""
    words: tuple[str, ...] = ()
    """What an encoder encodes, in class order; none for models with a head."""


class PromptSpec(ModelDatasetSpec):
    """What is computed from prompts by a model."""

    references: ClassVar[frozenset[str]] = frozenset({"examples"})

    examples: Key
    """The examples that the prompts are made from."""
    digest: str
    """Of the model's bytes."""
    template: str
    """The prompt around a text."""
    dtype: Literal["float32", "bfloat16"]
    """Of the model while it runs."""
    max_tokens: int
    """Longest prompt."""
    prepend_bos: bool
    """Whether prompts begin with the beginning-of-sequence token."""
    chat: bool = False
    """Whether a prompt is a user's turn in the tokenizer's chat template."""
    system: str | None = None
    """System prompt before that turn."""


class DemonstrationsSpec(PromptSpec):
    """The labeled examples that every prompt begins with."""

    kind: ClassVar[str] = "demonstrations"
    renamed: ClassVar[Mapping[str, str]] = {"digest": "model", "random_state": "seed"}

    per_class: int | Literal["fit"]
    """Examples of each class, or as many as fit."""
    random_state: int
    """Draws the examples and their order."""
    context: int
    """The most tokens of demonstrations and question."""
    words: tuple[str, ...]
    """The label words."""
    order: int = 0
    """Which further order of the same examples; 0 is the one drawn with them."""


class SplitSpec(PromptSpec):
    """What is stored of each prompt of one split."""

    path_fields: ClassVar[Mapping[str, str]] = {**ModelDatasetSpec.path_fields, "split": "split"}
    also_content: ClassVar[frozenset[str]] = frozenset({"split"})
    references: ClassVar[frozenset[str]] = PromptSpec.references | {"demonstrations"}
    renamed: ClassVar[Mapping[str, str]] = {"digest": "model"}

    split: str
    """train, validation, test; or prompts made without texts: content_free, domain_words."""
    max_chunks: int = 1
    """The most prompts of a text, over which is averaged; 1 truncates what is too long for one."""
    demonstrations: Key | None = None
    """What all prompts begin with; None is a zero-shot prompt."""

    @abstractmethod
    def columns(self, hidden_size: int) -> int:
        """Return the numbers stored of a prompt, of a model of this width."""


class StatesSpec(SplitSpec):
    """The hidden states of the prompts of one split."""

    kind: ClassVar[str] = "states"
    version: ClassVar[int] = 2

    layers: tuple[Layer, ...]
    """Layers stored; 0 is the embedding output, and "18:mean" has a pooling of its own."""
    pooling: Pooling
    """What of a prompt's tokens is stored where a layer names none: the last one, or a mean."""

    def columns(self, hidden_size: int) -> int:
        return hidden_size * len(self.layers)


class TokenStatesSpec(SplitSpec):
    """The hidden states of every token of the prompts of one split, rounded to bfloat16."""

    kind: ClassVar[str] = "token_states"

    layers: tuple[int, ...]
    """Layers stored; 0 is the embedding output."""

    def columns(self, hidden_size: int) -> int:
        return hidden_size * len(self.layers) * self.max_tokens


class HeadOutputsSpec(SplitSpec):
    """What the attention heads give at the last token of the prompts of one split, before the output projection."""

    kind: ClassVar[str] = "head_outputs"

    layers: tuple[int, ...]
    """Layers stored, from 1; the heads of each side by side."""

    def columns(self, hidden_size: int) -> int:
        return hidden_size * len(self.layers)


class WordScoresSpec(SplitSpec):
    """The exact log-probabilities of label words, or of each row's own options, after the prompts of one split."""

    kind: ClassVar[str] = "word_scores"

    words: tuple[str, ...]
    """The words, of any number of tokens; with `options`, the letters before them, or none to score their texts."""
    options: int = 0
    """The most options of a row; 0 where the words are the same for all rows."""
    content_free: bool = False
    """Whether options are scored after content-free prompts too."""

    def columns(self, hidden_size: int) -> int:
        if not self.options:
            return len(self.words)
        return self.options * (self.options if self.words else 6 if self.content_free else 3)


class StatesRef(Frozen):
    """The states, or word scores, of a split as the input of a fit."""

    split: str
    """Of which prompts."""
    key: Key
    """Of the partition."""
    random_state: int | None = None
    """The seed whose demonstrations they have; None for prompts without any, which all seeds share."""

    def role(self, kind: str) -> Role:
        return Role(kind, self.split if self.random_state is None else f"{self.split}@{self.random_state}")


class MethodSettings(Frozen):
    """An estimator and how it is set."""

    name: str = Field(validation_alias=AliasChoices("name", "method"), serialization_alias="method")
    """Registered name."""
    params: dict[str, Any]
    """Parameters that differ from the defaults."""
    label_noise: float = 0
    """Share of the training labels that are replaced by another class."""
    revision: int = 1
    """Raised when the estimator's code gives other answers."""
    sha256: str = ""
    """Of the file from beside a card that holds the estimator, so that a changed file is computed anew."""


class FitSpec(ModelDatasetSpec):
    """One method at one number of shots, fitted for each seed, with its predictions."""

    kind: ClassVar[str] = "predictions"
    version: ClassVar[int] = 4
    path_fields: ClassVar[Mapping[str, str]] = {**ModelDatasetSpec.path_fields, "method": "name", "shots": "shots"}
    also_content: ClassVar[frozenset[str]] = frozenset({"shots"})

    name: str
    """The method's name in tables."""
    shots: Shots
    """Labeled examples per class."""
    method: MethodSettings
    """The estimator."""
    words: tuple[LabelWords, ...]
    """The label words, in class order; several of a class as a list."""
    word_tokens: str
    """What stands for a word of several tokens: the first, or the mean of all."""
    seeds: tuple[int, ...]
    """Each draws its own shots and initial weights."""
    temperature: bool | int = False
    """Folds by which a temperature is fitted; True where the method fits its own."""
    on_insufficient: OnInsufficient = "raise"
    """What a class with fewer rows than shots does."""


class StoredFitSpec(FitSpec):
    """An estimator over what is stored of prompts."""

    references: ClassVar[frozenset[str]] = frozenset({"states"})
    reads: ClassVar[str] = "states"
    """Kind of the partitions that hold it."""

    states: tuple[StatesRef, ...]
    """Those that the fit reads, of each split and, with demonstrations, of each seed."""

    @property
    def inputs(self) -> dict[str, str]:
        return {str(ref.role(self.reads)): ref.key for ref in self.states}

    def state_keys(self, seed: int | None = None) -> dict[str, str]:
        """Return the key of what a seed reads of each split; without one, that of zero-shot prompts."""
        return {ref.split: ref.key for ref in self.states if ref.random_state in (None, seed)}

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        states = []
        for which, key in keys_of(inputs, cls.reads).items():
            split, _, seed = which.partition("@")
            states.append(StatesRef(split=split, random_state=int(seed) if seed else None, key=key))
        return {"states": states}


class StatesFitSpec(StoredFitSpec):
    """An estimator over stored states."""

    references: ClassVar[frozenset[str]] = StoredFitSpec.references | {"anchors"}

    anchors: Key
    """Of the model."""

    @property
    def inputs(self) -> dict[str, str]:
        return super().inputs | {"anchors": self.anchors}

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        return super()._from_inputs(inputs, payload) | {"anchors": inputs[Role(AnchorsSpec.kind)]}


class WordScoresFitSpec(StoredFitSpec):
    """An estimator over the zero-shot probabilities, in their place the exact log-probabilities of the label words."""

    reads: ClassVar[str] = WordScoresSpec.kind

    scoring: ChoiceScoring
    """Of a word or an option: the sum over its tokens, the mean, the sum by its characters; or of its letter."""


class AdapterFitSpec(FitSpec, PromptSpec):
    """An adapter of the model, trained on prompts."""


class TextFitSpec(FitSpec):
    """An estimator over texts, which reads no model."""

    references: ClassVar[frozenset[str]] = frozenset({"examples"})

    examples: Key
    """The examples that it reads."""

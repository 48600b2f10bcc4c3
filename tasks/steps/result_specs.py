"""The spec of what is computed from fits and of states by themselves: metrics, comparisons, diagnostics, runs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from tasks.steps.contrast import Contrast
from tasks.steps.spec import Key, ModelDatasetSpec, Spec, numbered
from tasks.steps.specs import AnchorsSpec, FitSpec, LabelWords, StatesSpec, WordScoresSpec
from tasks.steps.study_specs import StudyValuesSpec
from vocabsem.label_kinds import LabelKind
from warehouse.roles import Role, keys_of


class MetricsSpec(ModelDatasetSpec):
    """The metrics of a fit's predictions."""

    kind: ClassVar[str] = "metrics"
    version: ClassVar[int] = 3
    path_fields: ClassVar[Mapping[str, str]] = {name: name for name in FitSpec.path_fields}
    references: ClassVar[frozenset[str]] = frozenset({"predictions"})

    method: str
    """The method's name in tables."""
    shots: str
    """Labeled examples per class."""
    predictions: Key
    """What is measured."""
    label_kind: LabelKind = "nominal"
    """Of the data set: which metrics there are."""


class ComparisonsSpec(ModelDatasetSpec):
    """The contrasts between methods at one number of shots."""

    kind: ClassVar[str] = "comparisons"
    version: ClassVar[int] = 2
    path_fields: ClassVar[Mapping[str, str]] = {**ModelDatasetSpec.path_fields, "shots": "shots"}
    references: ClassVar[frozenset[str]] = frozenset({"predictions"})
    frame: ClassVar[frozenset[str]] = Spec.frame | {"methods"}

    shots: str
    """Labeled examples per class."""
    predictions: dict[str, Key]
    """What is compared, by the methods' names in tables."""
    contrasts: tuple[Contrast, ...]
    """Which with which."""
    choices: bool = False
    """Whether the classes are places of options, which are compared by accuracy."""

    @property
    def inputs(self) -> dict[str, str]:
        return numbered(FitSpec.kind, self.predictions.values())

    def canonical(self) -> dict[str, Any]:
        return super().canonical() | {"methods": dict(zip(self.inputs, self.predictions, strict=True))}

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        return {"predictions": {method: inputs[Role.parse(name)] for name, method in payload["methods"].items()}}


class DiagnosticsSpec(ModelDatasetSpec):
    """The diagnostics of one model on one data set that no method is needed for."""

    kind: ClassVar[str] = "diagnostics"
    version: ClassVar[int] = 2
    references: ClassVar[frozenset[str]] = frozenset({"states", "anchors", "word_scores"})

    states: dict[str, Key]
    """By the prompts that they are of."""
    word_scores: dict[str, Key] = Field(default_factory=dict)
    """The same of exact scores, where label words may have several tokens."""
    anchors: dict[str, Key]
    """By their gauge."""
    words: tuple[LabelWords, ...]
    """The label words, in class order; several of a class as a list."""
    word_tokens: str
    """What stands for a word of several tokens: the first, or the mean of all."""

    @property
    def inputs(self) -> dict[str, str]:
        each = {StatesSpec.kind: self.states, WordScoresSpec.kind: self.word_scores, AnchorsSpec.kind: self.anchors}
        return {str(Role(kind, which)): key for kind, keys in each.items() for which, key in keys.items()}

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        return {kind: keys_of(inputs, kind) for kind in (StatesSpec.kind, WordScoresSpec.kind, AnchorsSpec.kind)}


class RunSpec(Spec):
    """A finished run of an experiment."""

    kind: ClassVar[str] = "runs"
    path_fields: ClassVar[Mapping[str, str]] = {"experiment": "experiment"}
    of_kind: ClassVar[Mapping[str, str]] = {
        "metrics": MetricsSpec.kind,
        "comparisons": ComparisonsSpec.kind,
        "studies": StudyValuesSpec.kind,
    }
    references: ClassVar[frozenset[str]] = frozenset(of_kind)

    experiment: str
    """Name of the card."""
    metrics: tuple[Key, ...]
    """Of every fit."""
    comparisons: tuple[Key, ...]
    """Of every number of shots at which there is something to compare."""
    studies: tuple[Key, ...] = ()
    """Of the values of the studies that chose its layers."""
    champion: bool
    """Whether the best method is registered."""
    controls: tuple[str, ...]
    """Names of the methods that cannot be champion."""
    previous: Key | None = None
    """The experiment's run before this one."""

    @property
    def inputs(self) -> dict[str, str]:
        of_kinds = {kind: getattr(self, field) for field, kind in self.of_kind.items()}
        return {role: key for kind, keys in of_kinds.items() for role, key in numbered(kind, keys).items()}

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        return {field: list(keys_of(inputs, kind).values()) for field, kind in cls.of_kind.items()}

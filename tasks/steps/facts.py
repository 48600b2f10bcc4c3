"""What a step measures while it fills a partition, stored in the manifest: one model a kind.

Facts written by a version before may lack fields or have others: these have defaults, those are ignored.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from vocabsem.evaluation.protocol import Deviation
from vocabsem.states.layers import Layer, Pooling
from warehouse.errors import CorruptPartition

F = TypeVar("F", bound="Facts")


class Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def dump(self) -> dict[str, Any]:
        """Return them as plain values; what has its default is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class Published(Protocol):
    """A manifest, or a row of the catalog with the same."""

    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


def facts_of(manifest: Published, facts: type[F]) -> F:
    """Return the facts of a published partition. Raises CorruptPartition where some are missing."""
    try:
        return facts.model_validate(manifest.facts)
    except ValidationError as error:
        lacking = ".".join(map(str, error.errors()[0]["loc"]))
        raise CorruptPartition(
            f"the manifest of {manifest.kind} {manifest.key} is damaged (its fact {lacking!r} is missing or another):"
            " remove its folder; the next run computes it again"
        ) from None


class ClassFacts(Facts):
    """One class of a data set."""

    label: int
    """As a number, from 0."""
    name: str
    """In the data."""
    word: str
    """The label word, or several."""


class ExamplesFacts(Facts):
    """How the rows of a data set came about: the `DataFacts` of their reading, and what its card states."""

    rows_read: dict[str, int]
    rows_of_other_sources: int
    empty_dropped: int
    unlisted_dropped: int = 0
    contradicting_texts: int = 0
    duplicates_removed: dict[str, int]
    split_rule: str
    counts: dict[str, dict[str, int]]
    majority_share: dict[str, float]
    without_label: dict[str, int] = {}
    values: dict[str, dict[str, float]] = {}
    rows: dict[str, int]
    """Rows of each split."""
    description: str
    license: str = Field(validation_alias=AliasChoices("license", "licence"))  # codespell:ignore licence
    citation: str | None
    template: str
    sources: dict[str, str]
    """Where each file comes from."""
    classes: list[ClassFacts]

    def rows_by_class(self, split: str) -> dict[str, int]:
        """Return the rows of each class; where labels are numbers, all rows under an empty name."""
        return self.counts.get(split) or {"": self.rows[split]}


class AnchorsFacts(Facts):
    """The head and how well it was inverted."""

    condition: float
    """Condition number of the head."""
    residual: float
    """Relative residual |WᵀW X − Wᵀ| / |Wᵀ|."""
    rank: int
    gauge: str
    solver: str
    tokens: int
    """Rows of the head that are tokens."""
    padding_rows: int
    """Rows that are none."""
    softcap: float | None
    """Bound of the logits, where the model has one."""
    scale: float
    """Factor of the logits."""
    card: dict[str, JsonValue]
    """The model's card."""


class DemonstrationsFacts(Facts):
    """What every prompt begins with."""

    per_class: int
    """Examples of each class."""
    tokens: int
    """Of all of them, with the beginning-of-sequence token."""
    context: int
    """The most tokens of demonstrations and question."""


class NormFacts(Facts):
    """Norms of the last layer's states."""

    min: float
    mean: float
    max: float


class PromptFacts(Facts):
    """How the prompts of a split were run."""

    dtype: str
    max_tokens: int
    tokens: int
    """Of all prompts."""
    truncated: int = Field(validation_alias=AliasChoices("truncated", "shortened"))
    """Prompts that lost the end of a field."""
    seconds: float
    """In the model."""
    demonstrations: tuple[str, ...] = ()
    """Ids of the examples that every prompt begins with."""


class StatesFacts(PromptFacts):
    """How the states of a split were computed."""

    layers: tuple[Layer, ...]
    pooling: Pooling
    norm: NormFacts


class TokenStatesFacts(PromptFacts):
    """How the states of all tokens of a split were computed."""

    layers: tuple[int, ...]
    texts: int
    norm: NormFacts


class HeadOutputsFacts(PromptFacts):
    """How the outputs of the attention heads of a split were computed."""

    layers: tuple[int, ...]


class WordScoresFacts(PromptFacts):
    """How the words after the prompts of a split were scored."""

    words: tuple[tuple[int, ...], ...]
    """Tokens of each word."""


class SeedFacts(Facts):
    """One seed of a fit."""

    seed: int
    fit_seconds: float
    temperature: float | None = None
    """By which the log-probabilities are divided."""
    ari_before: float | None = None
    """Agreement of clusters of the test states with the labels."""
    ari_after: float | None = None
    """The same of the states that the method moves."""
    learning_rate: float | None = None
    """Of an adapter, as chosen."""
    steps: int | None = None
    """Of its training, as chosen."""
    held_out: int | None = None
    """Training rows held out to choose them."""
    parameters: int | None = None
    """Trained."""


class FitFacts(Facts):
    """How a method was fitted."""

    method: str
    params: dict[str, JsonValue]
    label_noise: float = 0
    revision: int = 1
    shots: int | str
    seeds: list[SeedFacts]


class MetricsFacts(Facts):
    """Nothing beyond the rows."""


class ComparisonsFacts(Facts):
    """How differences were tested."""

    resamples: int
    """Of the bootstrap."""


class DiagnosticsFacts(Facts):
    """What was looked at."""

    states: int
    """Test states over which similarities are taken."""


class StudyFacts(Facts):
    """How a study went."""

    seconds: float
    """Of all that it read and measured, stored states and anchors aside."""
    notes: tuple[tuple[str, str], ...] = ()
    """What was left out, and why."""


class ProtocolFacts(Facts):
    """The protocol of evaluation that the card of a run was compared with."""

    version: int
    deviations: tuple[Deviation, ...]
    """What of the card is not as in the protocol: part, expected, given."""


class ChosenLayer(Facts):
    """The layer that `layers: auto` took."""

    model: str
    dataset: str
    layer: int
    study: str
    """Key of the values of the grid study that chose it."""
    texts: int
    """Labeled training texts by which."""


class RunFacts(Facts):
    """A finished run of an experiment."""

    experiment: str
    card: dict[str, JsonValue]
    started: str
    seconds: float
    mlflow_run_id: str
    prefect_flow_run_id: str | None
    machine: str
    git_commit: str | None = None
    """Of the checkout, where there is one."""
    unlabeled: tuple[str, ...] | None = None
    """Methods that read training texts without labels."""
    left_out: tuple[tuple[str, str, str], ...] = ()
    """Model or data set, method and reason of what was not run."""
    chosen: tuple[ChosenLayer, ...] = ()
    """Of each model and data set, where the card has layers: auto."""
    protocol: ProtocolFacts | None = None
    """None in runs of before there was one."""

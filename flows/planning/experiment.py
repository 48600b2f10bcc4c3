"""The experiment card: which models, data sets, methods, shots and seeds are compared, and on what states."""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, PositiveInt, ValidationInfo, field_validator, model_validator

from flows.planning.runner import parse_runner
from vocabsem.cards.folders import find_card
from vocabsem.cards.loader import load_card, read_yaml
from vocabsem.cards.schema import Card, DatasetCard, ModelCard
from vocabsem.cards.yaml_text import read_yaml_text
from vocabsem.datasets.shots import OnInsufficient
from vocabsem.errors import BadInput, CardError
from vocabsem.evaluation.protocol import card_deviations
from vocabsem.methods.extensions import resolve
from vocabsem.methods.registry import check_params, method_info, method_infos
from vocabsem.models.model_draft import find_model_card
from vocabsem.runtime.devices import DType, offload_limit
from vocabsem.states.choice_scores import ChoiceScoring
from vocabsem.states.layers import GivenLayer, Pooling

C = TypeVar("C", ModelCard, DatasetCard)


class MethodSpec(Card):
    """One row of the comparison: a method of vocabsem.methods with its parameters."""

    method: str
    """Registered name, such as vocabulary_calibrator; or module:Class of a file beside the card, whose code is run."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters that differ from the defaults."""
    label: str = Field(default="", pattern=r"^[a-z0-9_.+-]*$")
    """Name in tables, before order and noise; made from the method and its parameters if absent."""
    control: bool = False
    """A control is reported, never registered as champion."""
    demonstrations: PositiveInt | Literal["fit"] | None = None
    """Labeled examples per class shown in the prompt, or as many as fit; none is a zero-shot prompt."""
    order: PositiveInt | None = None
    """Which further order of the same demonstrations, by number; none is the seed's own."""
    scoring: ChoiceScoring | None = None
    """Score label words of any length: exact, by log P(word | prompt), or exact_mean, per token; none: by the head's
    rows of their tokens. For methods that read zero-shot probabilities alone. Options of choices also
    exact_characters, per character, and by letters in all cyclic orders, or in one (letters_once)."""
    label_noise: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training labels that are replaced by another class; those shown in the prompt stay as they are."""
    shots: list[PositiveInt | Literal[0, "all"]] | None = None
    """Shots of this method, if not those of the experiment."""
    seeds: PositiveInt | None = None
    """How many of the experiment's seeds this method is run with, if not all."""
    variants: bool = True
    """Whether it is also run on variants of data sets, such as trec@bare."""

    @field_validator("method")
    @classmethod
    def _beside_the_card(cls, method: str, info: ValidationInfo) -> str:
        return resolve(method, (info.context or {}).get("folder"))

    @property
    def registered(self) -> str:
        """The method's own name, also of one in a file."""
        return method_info(self.method).name if ":" in self.method else self.method

    @property
    def name(self) -> str:
        """`anchor_similarity+random`, `zero_shot+demos-4`, `zero_shot+demos-4+order-2`, `ridge+noise-0.2`, …"""
        shown = [f"demos-{self.demonstrations}"] if self.demonstrations else []
        settings = [_setting(key, value) for key, value in self.params.items()]
        settings += [self.scoring.replace("_", "-")] if self.scoring else []
        varied = [f"order-{self.order}"] if self.order else []
        varied += [f"noise-{self.label_noise:g}"] if self.label_noise else []
        return "+".join([self.label or "+".join([self.registered, *shown, *settings]), *varied])

    @property
    def is_control(self) -> bool:
        return self.control or bool(self.label_noise) or self.params.get("targets") in ("head", "random", "none")

    @property
    def scores_letters(self) -> bool:
        return self.scoring in ("letters", "letters_once")

    @property
    def learns_from_unlabeled(self) -> bool:
        return method_info(self.method).learns_from_texts(self.params)


def _setting(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return key if value else f"no_{key}"
    if isinstance(value, list):
        return "-".join(map(str, (key, *value)))
    if isinstance(value, str):  # of a path the last part, of a SHA-256 its beginning
        return re.sub(r"^([0-9a-f]{8})[0-9a-f]{56}$", r"\1", value.rpartition("/")[2])
    return f"{key}-{value}"


def _named(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


class Limits(Card):
    """The most rows of each split, drawn stratified and seeded; null is every row."""

    train: PositiveInt | None = None
    """Of the training rows."""
    validation: PositiveInt | None = None
    """Of the validation rows."""
    test: PositiveInt | None = None
    """Of the test rows."""


class Experiment(Card):
    """Which methods are compared, on which models, data sets, shots and seeds."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the experiment, here and in MLflow."""
    description: str = ""
    """What is compared, in a sentence."""
    models: list[str] = Field(min_length=1)
    """Models: name or path of a card, or hf:org/name, a folder or a .gguf file, whose card is made from the model."""
    datasets: list[str] = Field(min_length=1)
    """Dataset cards, by name or path; with `@`, a variant of one: trec@bare, trec@words-plain."""
    methods: list[Annotated[MethodSpec, BeforeValidator(_named)]] = Field(min_length=1)
    """Methods, as a name or with parameters."""
    shots: list[PositiveInt | Literal[0, "all"]] = Field(min_length=1)
    """Labeled examples per class."""
    on_insufficient: OnInsufficient = "raise"
    """What a class with fewer training rows than shots does: raise an error, or use all it has."""
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field(default=[0], min_length=1)
    """Each draws its own shots and initial weights."""
    layers: Annotated[list[GivenLayer], Field(min_length=1)] | Literal["auto"] = Field(default=["last"])
    """Layers stored and used: a number, a share of the depth (0.6) or last, each with a pooling or not: last:mean; or
    auto, the one that study grid chose by training texts."""
    pooling: Pooling = "last"
    """Of layers that name none: last token, mean, weighted_mean (by position) or echo (mean of a second reading)."""
    dtype: DType = "auto"
    """dtype of the model; auto is the machine's fast one."""
    device: str = "auto"
    """cpu, cuda, auto, or offload (:8GB): with the weights that fit into no memory on the disk; see docs/scale.md."""
    runner: str | None = Field(default=None, exclude=True)
    """Where tasks compute: local, process, dask or ray, with :WORKERS or :ADDRESS; see docs/scale.md."""
    max_tokens: PositiveInt | None = None
    """Longest prompt, if shorter than the model's."""
    max_chunks: PositiveInt = 1
    """A longer text is read in up to so many prompts, whose states are averaged; 1 truncates it."""
    gauge: Literal["raw", "centered"] = "raw"
    """Which head is inverted for the anchors."""
    limits: Limits = Field(default_factory=Limits)
    """Caps on rows."""
    shard_rows: PositiveInt = 2048
    """Rows of a file of states, the unit of resuming."""
    temperature: bool = False
    """Rescale each method's probabilities by a temperature fitted on its training rows."""
    champion: bool = False
    """Register the best on validation data in MLflow."""
    protocol: Literal[1] | None = None
    """Version of the protocol (docs/protocol.md) that the card is held to: a setting that differs is an error."""

    @field_validator("runner")
    @classmethod
    def _known_runner(cls, runner: str | None) -> str | None:
        try:
            if runner is not None:
                parse_runner(runner)
        except BadInput as error:
            raise ValueError(str(error)) from None
        return runner

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for spec in self.methods:
            try:
                _check_method(spec)
            except CardError as error:
                raise ValueError(str(error)) from None
        for what, names in (
            ("models", self.models),
            ("datasets", self.datasets),
            ("methods", [spec.name for spec in self.methods]),
            ("shots", [str(n) for n in self.shots]),
            ("seeds", [str(seed) for seed in self.seeds]),
        ):
            if twice := sorted(name for name, count in Counter(names).items() if count > 1):
                fix = "give a second variant its own label" if what == "methods" else "leave one out"
                raise ValueError(f"{what}: {', '.join(twice)} given twice: {fix}")
        if self.protocol and (deviations := card_deviations(self.model_dump(mode="json"), self.protocol)):
            raise ValueError(
                f"not as in protocol {self.protocol}: {'; '.join(map(str, deviations))}: change these, or leave"
                " 'protocol' out, so that they are listed with the run"
            )
        return self

    @model_validator(mode="after")
    def _offloads_no_training(self) -> Self:
        try:
            limit = offload_limit(self.device)
        except BadInput as error:
            raise ValueError(str(error)) from None
        for spec in self.methods if limit is not None else ():
            if method_info(spec.method).family == "adapters":
                raise ValueError(f"device {self.device} is for frozen models, and {spec.name} trains: take one out")
        return self

    def model_cards(self, cache: Path) -> list[ModelCard]:
        return _named_apart([find_model_card(name, cache) for name in self.models], self.models)

    def dataset_cards(self) -> list[DatasetCard]:
        return _named_apart([load_card("datasets", name) for name in self.datasets], self.datasets)


def _check_method(spec: MethodSpec) -> None:
    """Raise CardError on an unknown method, parameter or value, and on settings that do not go together."""
    check_params(spec.method, spec.params)
    info = method_info(spec.method)
    if spec.order and not spec.demonstrations:
        raise CardError(f"method {spec.name} has an order, but no demonstrations to put into it: set 'demonstrations'")
    if spec.label_noise and not info.needs_labels:
        raise CardError(f"method {spec.name} has label_noise, but {spec.method} learns from no labels")
    if spec.scoring and not info.reads_label_logits_alone:
        able = [name for name, each in method_infos().items() if each.reads_label_logits_alone]
        raise CardError(
            f"method {spec.name} has scoring: {spec.method} reads more of a prompt than the scores of its label words,"
            f" which is all that {', '.join(able)} read"
        )
    if spec.scores_letters and info.background == "content_free":
        raise CardError(
            f"method {spec.name} scores letters, which no content-free prompt has, as they stand behind the options:"
            " give it scoring: exact"
        )
    if spec.demonstrations and info.family != "states":
        read = "is trained on prompts" if info.family == "adapters" else "reads texts"
        raise CardError(f"method {spec.name} has demonstrations: {spec.method} {read} without them")


def _named_apart(cards: list[C], entries: list[str]) -> list[C]:
    """The cards, none with the name of another, under which both would be one in every table. Raises CardError."""
    first: dict[str, str] = {}
    for card, entry in zip(cards, entries, strict=True):
        if card.name in first:
            raise CardError(f"{first[card.name]} and {entry} are both named {card.name!r}: give one card another name")
        first[card.name] = entry
    return cards


def load_experiment(name_or_path: str, overrides: dict[str, Any] | None = None) -> Experiment:
    """The card, with dotted `overrides` (`limits.train`: 100) applied before it is validated whole.

    Raises CardError for a missing file, an unknown key or a wrong value.
    """
    is_path = Path(name_or_path).suffix in {".yaml", ".yml"}
    path = Path(name_or_path) if is_path else find_card("experiments", name_or_path)
    return read_yaml(path, Experiment, overrides=overrides or {})


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """`["shots=[16,64]"]` -> `{"shots": [16, 64]}`; values are YAML. Raises CardError."""
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise CardError(f"--set {setting!r}: expected key=value, as in --set 'shots=[16,64]'")
        overrides[key.strip()], _ = read_yaml_text(value, f"--set {key}")
    return overrides

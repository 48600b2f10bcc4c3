"""What a study needs, and what of it is there: its steps, the plan of the states it reads, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.planning.cost import estimate
from flows.planning.experiment import Experiment, MethodSpec
from flows.planning.hashes import cached_hash
from flows.planning.plan import Plan, make_plan
from flows.planning.study_card import StudyCard
from tasks.models.loaded import require_causal
from tasks.steps.facts import StudyFacts, facts_of
from tasks.steps.specs import AnchorsSpec, HeadOutputsSpec, SplitSpec, TokenStatesSpec
from tasks.steps.step import Step
from tasks.steps.study_specs import STORED, StudyItemsSpec, StudyValuesSpec
from tasks.views.calibration import Calibration
from vocabsem.cards.schema import ModelCard
from vocabsem.errors import CardError, DataError
from vocabsem.instruments.registry import study_info
from vocabsem.models.checkpoints import model_digest
from vocabsem.models.model_draft import find_model_card
from vocabsem.runtime.devices import resolve_dtype
from vocabsem.states.layers import resolve_layers
from warehouse.home import Home
from warehouse.lake.partition import Lake

REFERENCE_PARAMETERS = 134_515_008  # of the model with which the registry's seconds were taken
SPLITS = ("train", "test")


@dataclass(frozen=True)
class StudyPlan:
    """The steps of a study. `unfetched`: sources whose bytes, and so whose keys, are not known yet; then `steps` is
    None."""

    card: StudyCard
    home: Home
    model: ModelCard
    data: Plan | None
    """Of the data sets, if it reads some."""
    unfetched: list[str]
    steps: tuple[Step[AnchorsSpec], Step[StudyItemsSpec], Step[StudyValuesSpec]] | None

    @property
    def done(self) -> bool:
        """Whether nothing is to compute and the catalog is there."""
        lake = Lake(self.home)
        return bool(self.steps and self.steps[-1].partition(lake).published and lake.store.has(self.home.catalog))


def make_study_plan(card: StudyCard, home: Home, data_dir: Path | None = None) -> StudyPlan:
    """Return the steps, from cards and hashes alone. Raises CardError for layers that the model does not have."""
    model = find_model_card(card.model, home.cache)
    require_causal(model, f"study {card.name!r}")
    if model.quantization:
        raise CardError(
            f"study {card.name!r} reads weights as they are in the checkpoint: give a model without quantization"
        )
    info = study_info(card.study)
    try:
        first = int(info.heads)  # the embedding, layer 0, has no heads
        given = list(range(first, model.layers + 1)) if card.layers == "all" else card.layers
        layers = [int(layer) for layer in resolve_layers(given, model.layers, card.pooling)]
        if min(layers) < first:
            raise DataError("layer 0 is the embedding, before any attention: leave it out of layers")
        if info.last and model.layers not in layers:
            raise DataError(f"it compares layers with the last, {model.layers}: add last to layers")
    except DataError as error:
        raise CardError(f"study {card.name!r} with model {model.name!r}: {error}") from None
    digest = model_digest(model, home.cache)
    hashes = {name: card.sha256.get(name) or cached_hash(source, home) for name, source in card.files.items()}
    data = _data_plan(card, model, layers, home, data_dir) if card.datasets else None
    unfetched = [card.files[name] for name, sha256 in hashes.items() if sha256 is None]
    unfetched += data.unfetched if data else [] if digest else [model.source]
    steps = None if unfetched or not digest else _steps(card, model, digest, layers, hashes, data)
    return StudyPlan(card, home, model, data, unfetched, steps)


def _data_plan(card: StudyCard, model: ModelCard, layers: list[int], home: Home, data_dir: Path | None) -> Plan:
    """Return the plan of the states of training and test rows, without fits."""
    experiment = Experiment(
        name=card.name,
        models=[card.model],
        datasets=card.datasets,
        methods=[MethodSpec(method="ridge")],
        shots=["all"],
        layers=list(layers),
        pooling=card.pooling,
        dtype=card.dtype,
        device=card.device,
        max_tokens=card.max_tokens,
        limits=card.limits,
    )
    plan = make_plan(experiment, home, data_dir)
    for dataset, _, why in plan.left_out:
        raise CardError(f"study {card.name!r} reads one label per text, and dataset {dataset!r} has others: {why}")
    pairs = []
    for pair in plan.pairs:
        steps = {split: pair.states[split] for split in SPLITS}
        pairs.append(replace(pair, states=steps, fits=[], compared=[]))
        if other := _other_kind(card.study):
            given = {split: step.spec.model_dump(exclude={"pooling"}) for split, step in steps.items()}
            studied = {split: Step(other(**content)) for split, content in given.items()}
            pairs[-1] = replace(pairs[-1], states={}, studied=studied)
    return replace(plan, pairs=pairs)


def _other_kind(study: str) -> type[SplitSpec] | None:
    """Return what a study reads of the same prompts in place of the states of their last tokens, if it does."""
    info = study_info(study)
    return TokenStatesSpec if info.tokens else HeadOutputsSpec if info.heads else None


def _steps(
    card: StudyCard, model: ModelCard, digest: str, layers: list[int], hashes: Mapping[str, Any], data: Plan | None
) -> tuple[Step[AnchorsSpec], Step[StudyItemsSpec], Step[StudyValuesSpec]]:
    info, pairs = study_info(card.study), data.pairs if data else []
    stored = {f"{p.dataset.name}/{split}": step for p in pairs for split, step in (p.states | p.studied).items()}
    keys: dict[str, Any] = {}
    for kind in STORED:
        keys[kind] = {name: step.key for name, step in stored.items() if step.kind == kind}
    where: dict[str, Any] = {"study": card.study, "card": card.name, "model": model.name}
    anchors = Step(AnchorsSpec(model=model.name, digest=digest, gauge="raw"))
    items = Step(
        StudyItemsSpec(
            **where,
            digest=digest,
            anchors=anchors.key,
            **keys,
            words={p.dataset.name: tuple(p.dataset.label_words) for p in pairs},
            word_tokens={p.dataset.name: p.dataset.word_tokens for p in pairs},
            hashes=dict(hashes),
            templates=card.templates,
            params=info.in_key(card.params),
            layers=tuple(layers),
            pooling=card.pooling,
            dtype=resolve_dtype(card.dtype),
            max_tokens=min(card.max_tokens or model.max_tokens, model.max_tokens),
            seed=card.seed,
            resamples=card.resamples,
            null_draws=card.null_draws,
            revision=info.revision,
        )
    )
    return anchors, items, Step(StudyValuesSpec(**where, study_items=items.key))


@dataclass(frozen=True)
class StudyCost:
    """Seconds of what is missing; None where it is not known."""

    states: float | None
    """To extract the states of data sets."""
    study: float
    """Of the study itself."""
    measured: bool
    """Whether the study's are of an earlier run here."""


def study_cost(plan: StudyPlan) -> StudyCost:
    """Estimate a study: states as for an experiment; itself by its last run here, else as timed for its card."""
    if plan.done:
        return StudyCost(0.0, 0.0, measured=True)
    cost: dict[str, Any] = {"seconds": 0.0, "unknown": []}
    if plan.data:
        cost = estimate(plan.data, Calibration(plan.home))
    states = None if cost["unknown"] or plan.unfetched else float(cost["seconds"])
    runs = [
        m
        for m in Lake(plan.home).manifests(StudyValuesSpec.kind)
        if (m.coordinates["study"], m.coordinates["model"]) == (plan.card.study, plan.model.name)
    ]
    if runs:
        newest = max(runs, key=lambda manifest: manifest.created)
        return StudyCost(states, facts_of(newest, StudyFacts).seconds, measured=True)
    scale = plan.model.parameters / REFERENCE_PARAMETERS
    return StudyCost(states, study_info(plan.card.study).seconds * scale, measured=False)

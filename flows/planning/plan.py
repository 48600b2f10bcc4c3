"""What an experiment needs, and what of it is there already: keys against manifests, for run, plan and status alike."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.planning.auto_layers import chosen_layer, require_grids
from flows.planning.compared import compared_steps
from flows.planning.experiment import Experiment, MethodSpec
from flows.planning.hashes import UNKNOWN_DIGEST, source_hashes
from flows.planning.method_rules import (
    check_champion,
    evaluated_splits,
    layers_of,
    left_out,
    scored_words,
    seeds_of,
    servable,
    shots_of,
    splits_of,
    unserved,
    unserved_labels,
)
from tasks.steps.facts import ChosenLayer
from tasks.steps.result_specs import ComparisonsSpec, MetricsSpec, RunSpec
from tasks.steps.spec import Spec
from tasks.steps.specs import (
    AdapterFitSpec,
    AnchorsSpec,
    DemonstrationsSpec,
    ExamplesSpec,
    FitSpec,
    MethodSettings,
    Shots,
    SplitSpec,
    StatesFitSpec,
    StatesRef,
    StatesSpec,
    TextFitSpec,
    WordScoresFitSpec,
    WordScoresSpec,
)
from tasks.steps.step import PlannedFit, Step
from tasks.tracking.outcome import followed_up
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.families.templates import prompt_template
from vocabsem.methods.registry import method_info
from vocabsem.models.checkpoints import model_digest
from vocabsem.runtime.devices import resolve_dtype
from warehouse.home import Home
from warehouse.lake.manifest import REJECTED
from warehouse.lake.partition import Lake


@dataclass(frozen=True)
class ModelDatasetPlan:
    """All that is done with one model on one data set."""

    model: ModelCard
    dataset: DatasetCard
    examples: Step[ExamplesSpec]
    anchors: Step[AnchorsSpec]
    demonstrations: dict[str, Step[DemonstrationsSpec]]
    """By key."""
    states: dict[str, Step[StatesSpec]]
    word_scores: dict[str, Step[WordScoresSpec]]
    fits: list[PlannedFit]
    compared: list[Step[ComparisonsSpec]]
    """The step of each number of shots at which there is something to compare."""
    studied: dict[str, Step[SplitSpec]] = field(default_factory=dict)
    """States of all tokens, or outputs of heads, where a study reads them."""
    chosen: ChosenLayer | None = None
    """Where the card has layers: auto."""

    @property
    def extracted(self) -> list[Step[SplitSpec]]:
        """All that is computed from prompts."""
        return [*self.states.values(), *self.studied.values(), *self.word_scores.values()]

    @property
    def reads_label_tokens(self) -> bool:
        """Whether something compares states with the tokens of label words: not so where all words are scored."""
        return not self.fits or any(
            not isinstance(fit.predictions.spec, WordScoresFitSpec | TextFitSpec) for fit in self.fits
        )


@dataclass(frozen=True)
class Plan:
    """The steps of an experiment. `unfetched` names hub sources whose bytes, and so whose keys, are not known yet.

    left_out: model or data set, method and reason of what is not run, because the method does not serve it.
    """

    experiment: Experiment
    home: Home
    data_dir: Path | None
    pairs: list[ModelDatasetPlan]
    unfetched: list[str]
    left_out: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    @property
    def run(self) -> Step[RunSpec]:
        """The record that is due: the experiment's newest if it equals it but for `previous`, else the one after it."""
        spec = RunSpec(
            experiment=self.experiment.name,
            metrics=tuple(fit.metrics.key for fit in self.fits),
            comparisons=tuple(step.key for pair in self.pairs for step in pair.compared),
            studies=tuple(dict.fromkeys(one.study for one in self.chosen)),
            champion=self.experiment.champion,
            controls=tuple(spec.name for spec in self.experiment.methods if spec.is_control),
        )
        runs = [m for m in self.lake.manifests(spec.kind) if m.coordinates == spec.coordinates]
        if not runs:
            return Step(spec)
        newest = max(runs, key=lambda manifest: datetime.fromisoformat(manifest.created))
        again = Step(spec.model_copy(update={"previous": RunSpec.parse(newest.payload).previous}))
        return again if again.key == newest.key else Step(spec.model_copy(update={"previous": newest.key}))

    @property
    def fits(self) -> list[PlannedFit]:
        return [fit for pair in self.pairs for fit in pair.fits]

    @property
    def chosen(self) -> list[ChosenLayer]:
        return [pair.chosen for pair in self.pairs if pair.chosen]

    def steps(self) -> Iterator[Step[Spec]]:
        """Yield every step once, in the order in which they can be done."""
        seen: set[str] = set()
        for pair in self.pairs:
            ordered: list[Step[Spec]] = [pair.examples, pair.anchors, *pair.demonstrations.values()]
            ordered += pair.extracted
            for fit in pair.fits:
                ordered += [fit.predictions, fit.metrics]
            for step in [*ordered, *pair.compared]:
                if step.key not in seen:
                    seen.add(step.key)
                    yield step
        yield self.run

    def published(self, step: Step[Spec]) -> bool:
        return step.partition(self.lake).published

    def refusals(self, *kinds: str) -> list[Step[Spec]]:
        """The steps (of these kinds) whose data failed a check the last time they were done."""
        steps = (step for step in self.steps() if not kinds or step.kind in kinds)
        return [step for step in steps if step.partition(self.lake).manifest(REJECTED) and not self.published(step)]

    def readable(self, step: Step[Spec]) -> bool:
        """Whether all that the step reads is published."""
        return all(self.published(self._by_key[key]) for key in step.inputs.values())

    @cached_property
    def _by_key(self) -> dict[str, Step[Spec]]:
        return {step.key: step for step in self.steps()}

    @property
    def done(self) -> bool:
        """Whether nothing is to compute, and what follows from the record (catalog, MLflow, registry) is there too."""
        there = not self.unfetched and not self.missing() and self.lake.store.has(self.home.catalog)
        return there and followed_up(self.home, self.run.key)

    def missing(self) -> list[Step[Spec]]:
        with self.lake.store.snapshot(self.home.lake):
            return [step for step in self.steps() if not self.published(step)]


def make_plan(experiment: Experiment, home: Home, data_dir: Path | None = None, *, placeholders: bool = False) -> Plan:
    """Keys of all steps, from cards and hashes alone: no model, no text and no network is touched.

    placeholders: plan the steps of models that were never fetched too, under keys that are not theirs, to count them.
    """
    pairs, unfetched = [], []
    models = experiment.model_cards(home.cache)
    apart = left_out(experiment, models, experiment.dataset_cards())
    check_champion(experiment, experiment.dataset_cards())
    for model in models:
        digest = model_digest(model, home.cache)
        for dataset in (card.located(data_dir) for card in experiment.dataset_cards()):
            hashes = source_hashes(dataset, home)
            unknown = [source for split, source in dataset.files.items() if hashes[split] is None]
            unknown += [] if digest else [model.source]
            unfetched += unknown
            if placeholders and not digest and None not in hashes.values():
                digest, unknown = UNKNOWN_DIGEST, []
            if digest and not unknown:
                known = {name: value for name, value in hashes.items() if value is not None}
                pairs.append(_pair(experiment, home, model, digest, dataset, known))
    if unfetched:
        require_grids(experiment, home, models)
    return Plan(experiment, home, data_dir, pairs, sorted(set(unfetched)), apart)


def _pair(
    experiment: Experiment, home: Home, model: ModelCard, digest: str, dataset: DatasetCard, hashes: dict[str, str]
) -> ModelDatasetPlan:
    limits = experiment.limits.model_dump()
    examples = Step(ExamplesSpec(dataset=dataset.name, card=dataset.content(), hashes=hashes, limits=limits))
    words = tuple(dataset.all_words) if model.family == "encoder" else ()
    anchors = Step(AnchorsSpec(model=model.name, digest=digest, gauge=experiment.gauge, words=words))
    prompts: dict[str, Any] = {
        "model": model.name,
        "dataset": dataset.name,
        "examples": examples.key,
        "digest": digest,
        "template": prompt_template(dataset.template, model.family),
        "dtype": resolve_dtype(experiment.dtype),
        "max_tokens": min(experiment.max_tokens or model.max_tokens, model.max_tokens),
        "prepend_bos": model.prepend_bos,
        "chat": model.chat,
        "system": model.system,
    }
    methods = [spec for spec in experiment.methods if spec.variants or "@" not in dataset.name]
    methods = [spec for spec in methods if not (unserved(spec, model) or unserved_labels(spec, dataset))]
    chosen = chosen_layer(experiment, home, model, dataset, examples.spec, prompts)
    layers, evaluated = layers_of(experiment, model, chosen), evaluated_splits(experiment, dataset)
    demonstrations: dict[str, Step[DemonstrationsSpec]] = {}
    states: dict[str, Step[StatesSpec]] = {}
    word_scores: dict[str, Step[WordScoresSpec]] = {}

    def choose(spec: MethodSpec, seed: int) -> str:
        """Return the key of the demonstrations of a seed, which are chosen once for all splits and methods."""
        of: dict[str, Any] = {"per_class": spec.demonstrations, "random_state": seed, "order": spec.order or 0}
        step = Step(DemonstrationsSpec(**prompts, **of, context=model.context, words=tuple(dataset.label_words)))
        demonstrations[step.key] = step
        return step.key

    def stored(split: str, spec: MethodSpec, seed: int) -> StatesRef:
        """Return what is stored of a split, which is computed once for all methods that read it."""
        shown = choose(spec, seed) if spec.demonstrations else None
        of_split = prompts | {"split": split, "max_chunks": experiment.max_chunks, "demonstrations": shown}
        name = f"demos-{spec.demonstrations}" + (f"-order-{spec.order}" if spec.order else "")
        name = f"{split}+{name}@{seed}" if shown else split
        step: Step[Any]
        if spec.scoring:
            name += "+letters" if spec.scores_letters else ""
            what = scored_words(dataset, spec, methods)
            step = word_scores[name] = Step(WordScoresSpec(**of_split | what))
        else:
            step = states[name] = Step(StatesSpec(**of_split, layers=layers, pooling=experiment.pooling))
        return StatesRef(split=split, key=step.key, random_state=seed if shown else None)

    def planned(spec: MethodSpec, shots: Shots) -> PlannedFit:
        seeds = seeds_of(experiment, spec, shots)
        info = method_info(spec.method)
        common: dict[str, Any] = {
            "name": spec.name,
            "shots": shots,
            "method": MethodSettings(
                name=info.name,
                params=spec.params,
                label_noise=spec.label_noise or 0,
                revision=info.revision,
                sha256=info.sha256,
            ),
            "words": [label.word for label in dataset.labels],
            "word_tokens": dataset.word_tokens,
            "seeds": seeds,
            "temperature": experiment.temperature and (info.family == "adapters" or info.temperature_folds),
            "on_insufficient": experiment.on_insufficient,
        }
        fit: FitSpec
        if info.family == "adapters":
            fit = AdapterFitSpec(**prompts, **common)
        elif info.family == "texts":
            fit = TextFitSpec(model=model.name, dataset=dataset.name, examples=examples.key, **common)
        else:
            refs = [stored(split, spec, seed) for split in splits_of(spec, evaluated, dataset) for seed in seeds]
            common |= {"model": model.name, "dataset": dataset.name, "states": tuple(dict.fromkeys(refs))}
            if spec.scoring:
                fit = WordScoresFitSpec(**common, scoring=spec.scoring)
            else:
                fit = StatesFitSpec(**common, anchors=anchors.key)
        predictions = Step(fit)
        where = dict(predictions.coordinates, predictions=predictions.key, label_kind=dataset.label_kind)
        return PlannedFit(
            model=model,
            dataset=dataset,
            name=spec.name,
            method=spec.registered,
            shots=shots,
            control=spec.is_control,
            servable=servable(spec, dataset),
            examples=examples,
            predictions=predictions,
            metrics=Step(MetricsSpec.model_validate(where)),
        )

    fits = [planned(spec, shots) for spec in methods for shots in shots_of(experiment, spec)]
    compared = compared_steps(methods, fits)
    stored_steps = demonstrations, states, word_scores
    return ModelDatasetPlan(model, dataset, examples, anchors, *stored_steps, fits, compared, chosen=chosen)

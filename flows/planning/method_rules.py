"""What a method of an experiment card needs: with which models, shots and seeds it is fitted, and on what."""

from collections.abc import Sequence
from typing import Any

from flows.planning.experiment import Experiment, MethodSpec
from tasks.steps.facts import ChosenLayer
from tasks.steps.specs import Shots
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import CardError, DataError
from vocabsem.families.templates import prompt_template
from vocabsem.methods.registry import method_info
from vocabsem.states.layers import GivenLayer, Layer, resolve_layers
from vocabsem.states.pooling import check_poolings, reads_twice


def shots_of(experiment: Experiment, spec: MethodSpec) -> list[Shots]:
    """Return at which numbers of shots it is fitted: without labels at 0, with them above; some methods at both.

    Demonstrations are labeled examples too: without further labels a method has as many shots as it shows, and one
    that learns from labels shows the first of its shots and learns from the others. `fit` draws from all labels: such a
    method is listed with those that saw every label.
    """
    shots: Sequence[Shots] = experiment.shots if spec.shots is None else spec.shots
    if spec.label_noise or spec.params.get("targets") == "none":
        shots = [n for n in shots if n != 0]
    kind, shown = method_info(spec.method), spec.demonstrations
    if shown is None:
        return [n for n in shots if (kind.needs_labels if n else not kind.needs_labels or kind.works_without_labels)]
    if not kind.needs_labels:
        return ["all" if shown == "fit" else shown]
    return [n for n in shots if n == "all" or (isinstance(n, int) and isinstance(shown, int) and n > shown)]


def seeds_of(experiment: Experiment, spec: MethodSpec, shots: Shots) -> list[int]:
    """Return all seeds where one matters: it draws shots, demonstrations, noise, weights, and random targets."""
    random = spec.params.get("targets") == "random"
    matters = bool(spec.demonstrations) or bool(spec.label_noise) or random
    matters = matters or shots not in (0, "all") or (method_info(spec.method).trains and shots != 0)
    return experiment.seeds[: spec.seeds] if matters else experiment.seeds[:1]


def splits_of(spec: MethodSpec, evaluated: Sequence[str], dataset: DatasetCard) -> list[str]:
    """Return which splits it reads, besides those it is evaluated on: training rows, or content-free prompts.

    What options are worth after content-free prompts lies with the rows whose options they are.
    """
    if dataset.choices:
        return list(evaluated)
    kind = method_info(spec.method)
    wanted = ["train"] if kind.needs_labels or kind.background == "train" else []
    return [*wanted, *([kind.background] if kind.background in ("content_free", "domain_words") else []), *evaluated]


def unserved(spec: MethodSpec, model: ModelCard) -> str | None:
    """Return why a method is not run with a model, None where it is."""
    if spec.demonstrations and model.family != "causal":
        return f"demonstrations stand before the prompts of causal models, not of {model.family} ones"
    if spec.demonstrations and model.chat:
        return "demonstrations stand before plain prompts, not before the turn of a chat"
    if spec.scoring and model.family != "causal":
        return f"exact scores continue the prompts of causal models, not of {model.family} ones"
    info = method_info(spec.method)
    if model.quantization and info.family == "adapters":
        return "it trains in weights as they are in the checkpoint, and the card of this model says quantization"
    return info.unserved(model.family, spec.params)


def unserved_labels(spec: MethodSpec, dataset: DatasetCard) -> str | None:
    """Return why a method is not run on a data set, None where it is."""
    kinds = method_info(spec.method).label_kinds
    if dataset.label_kind not in kinds:
        served = " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
        return f"it serves {served} labels, and these are {dataset.label_kind} (label_kind of its card)"
    if dataset.label_kind == "continuous" and (spec.label_noise or spec.demonstrations or spec.scoring):
        return "label_noise, demonstrations and scoring are of classes, and these targets are numbers"
    if dataset.label_kind == "multi" and (spec.label_noise or spec.demonstrations or spec.scoring):
        return "label_noise, demonstrations and scoring are of one label per text, and these texts have any number"
    if dataset.weight and method_info(spec.method).needs_labels and not method_info(spec.method).takes_sample_weight:
        return "its fit takes no weights of rows, and these have some (weight of its card)"
    return _unserved_options(spec, dataset)


def _unserved_options(spec: MethodSpec, dataset: DatasetCard) -> str | None:
    """Return why the settings of a method exclude choices, or why settings for choices exclude other labels."""
    if dataset.choices is None:
        if spec.scoring not in (None, "exact", "exact_mean"):
            return f"scoring {spec.scoring} is of options, and its labels are {dataset.label_kind} (label_kind)"
        return None
    if spec.scoring is None:
        return "its options differ by row, so that no label words stand for them: give the method a scoring, as exact"
    if spec.demonstrations:
        return "its options differ by row, and demonstrations show label words"
    if spec.scores_letters and dataset.choices.letters is None:
        return f"scoring {spec.scoring} needs a prompt that lists the options: set choices.letters in its card"
    return None


def scored_words(dataset: DatasetCard, spec: MethodSpec, methods: Sequence[MethodSpec]) -> dict[str, Any]:
    """Return what is scored after a prompt, and which prompt, as fields of its step.

    methods: all that are run on the data set. Where one of them takes content-free scores away, all read what has them.
    """
    if dataset.choices is None:
        return {"words": tuple(dataset.all_words)}
    if spec.scores_letters and dataset.choices.letters:
        template = prompt_template(dataset.choices.letters, "causal")
        return {"words": tuple(dataset.label_words), "options": dataset.classes, "template": template}
    free = any(method_info(each.method).background == "content_free" for each in methods)
    return {"words": (), "options": dataset.classes, "content_free": free}


def left_out(
    experiment: Experiment, models: Sequence[ModelCard], datasets: Sequence[DatasetCard]
) -> list[tuple[str, str, str]]:
    """Return model, data set or experiment, method and reason of what is not run.

    Raises CardError for a method that serves none of the models or data sets, and if none is fitted at all.
    """
    shots = ", ".join(map(str, experiment.shots))
    idle = [spec.name for spec in experiment.methods if not shots_of(experiment, spec)]
    if len(idle) == len(experiment.methods):
        raise CardError(
            f"experiment {experiment.name!r} fits no method at shots {shots}: those that use no labels are fitted at 0,"
            " those that need some at more"
        )
    reasons = [(experiment.name, name, f"not fitted at shots {shots}") for name in idle]
    for spec in experiment.methods:
        for what, whys in (
            ("model", {card.name: unserved(spec, card) for card in models}),
            ("data set", {card.name: unserved_labels(spec, card) for card in datasets}),
        ):
            if all(whys.values()):
                raise CardError(
                    f"method {spec.name} of experiment {experiment.name!r} serves none of its {what}s"
                    f" ({', '.join(whys)}): {next(iter(whys.values()))}: take it out, or add a {what}"
                )
            reasons += [(name, spec.name, why) for name, why in whys.items() if why]
    return reasons


def servable(spec: MethodSpec, dataset: DatasetCard) -> bool:
    """Return whether what a method learns of a data set can answer to new texts by itself."""
    info = method_info(spec.method)
    return info.family == "states" and not (info.package or spec.demonstrations or dataset.choices)


def check_champion(experiment: Experiment, datasets: Sequence[DatasetCard]) -> None:
    """Raise CardError where a champion is wanted and no data set can have one."""
    if experiment.champion and all(dataset.choices for dataset in datasets):
        why = why_no_champion(datasets[0])
        raise CardError(f"experiment {experiment.name!r} asks for a champion, and {why}: set champion: false")


def why_no_champion(dataset: DatasetCard) -> str:
    """Return why none of a data set's fits could be a champion, of which none is."""
    if dataset.choices:
        return f"options of dataset {dataset.name!r} differ by row, and a registered model is given texts alone"
    return "champions read states or exact scores of prompts without demonstrations, and are no controls"


def layers_of(experiment: Experiment, model: ModelCard, chosen: ChosenLayer | None) -> tuple[Layer, ...]:
    """Return the experiment's layers by number. Raises CardError for one that the model does not have or pool so."""
    given: Sequence[GivenLayer] = [chosen.layer] if chosen else experiment.layers
    try:
        layers = tuple(resolve_layers(given, model.layers, experiment.pooling))
        check_poolings(layers, experiment.pooling, model, experiment.max_tokens or model.max_tokens)
    except DataError as error:
        raise CardError(f"experiment {experiment.name!r} with model {model.name!r}: {error}") from None
    shown = [spec.name for spec in experiment.methods if spec.demonstrations]
    if shown and reads_twice(layers, experiment.pooling):
        raise CardError(
            f"experiment {experiment.name!r}: echo reads a prompt twice, and those of {shown[0]} begin with"
            " demonstrations: take one of the two out"
        )
    return layers


def evaluated_splits(experiment: Experiment, dataset: DatasetCard) -> list[str]:
    """Return the splits that methods are evaluated on. Raises CardError where a champion could not be chosen."""
    if dataset.split.validation or "validation" in {*dataset.files, *dataset.splits}:
        return ["validation", "test"]
    if experiment.champion:
        raise CardError(
            f"experiment {experiment.name!r} asks for a champion, which is chosen on validation data, and dataset"
            f" {dataset.name!r} has none: set split.validation in its card, or champion: false"
        )
    return ["test"]

"""`layers: auto`: the layer that a published grid study chose for a model and a data set, by training texts alone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from flows.planning.experiment import Experiment
from flows.planning.hashes import UNKNOWN_DIGEST
from tasks.steps.facts import ChosenLayer
from tasks.steps.specs import ExamplesSpec, StatesSpec
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import CardError
from vocabsem.instruments.grid import WHOLE_STATES
from warehouse.home import Home
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake

SAME = ("template", "prepend_bos", "chat", "system")  # of the prompts; rows and tokens may be other numbers of the same


def chosen_layer(
    experiment: Experiment,
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    examples: ExamplesSpec,
    prompts: Mapping[str, Any],
) -> ChosenLayer | None:
    """Return the layer that the newest grid study of these examples, prompts and bytes of the model chose, None where
    the card names layers. Raises CardError without such a study."""
    if experiment.layers != "auto":
        return None
    lake = Lake(home)
    for values, items in _grids(lake, model):
        states = _states(lake, items, dataset.name)
        if (
            states
            and prompts["digest"] in (items.digest, UNKNOWN_DIGEST)
            and items.pooling == experiment.pooling
            and all(getattr(states, name) == prompts[name] for name in SAME)
            and _same_rows(lake, states, examples)
            and (row := _choice(lake, values, dataset.name))
        ):
            where = {"model": model.name, "dataset": dataset.name, "study": values.key}
            return ChosenLayer(**where, layer=row["layer"], texts=row["n"])
    raise _not_there(experiment, model, dataset.name)


def require_grids(experiment: Experiment, home: Home, models: Sequence[ModelCard]) -> None:
    """Raise CardError where the card has layers: auto and a model has no grid study of a data set, by their names: that
    is known before what they name is fetched."""
    for model in models if experiment.layers == "auto" else ():
        for dataset in experiment.dataset_cards():
            if not any(f"{dataset.name}/train" in items.states for _, items in _grids(Lake(home), model)):
                raise _not_there(experiment, model, dataset.name)


def _not_there(experiment: Experiment, model: ModelCard, dataset: str) -> CardError:
    where = f"experiment {experiment.name!r} has layers: auto"
    if model.family != "causal":
        why = f"{where}, which study grid chooses for causal models, and {model.name!r} is of family {model.family}"
        return CardError(f"{why}: give layers as a list")
    named = {card.name: entry for entry, card in zip(experiment.datasets, experiment.dataset_cards(), strict=True)}
    pooling = "" if experiment.pooling == "last" else f" --set pooling={experiment.pooling}"
    settings = f"--set model={_entry(experiment, model)} --set 'datasets=[{named[dataset]}]'{pooling}"
    return CardError(
        f"{where}, and there is no grid study of model {model.name!r} on dataset {dataset!r} as their cards are now:"
        f" run `vocabsem study grid {settings}` first, or give layers as a list"
    )


def _entry(experiment: Experiment, model: ModelCard) -> str:
    """Return how the card names the model: itself, or the only path or source whose card it is."""
    return model.name if model.name in experiment.models or len(experiment.models) > 1 else experiment.models[0]


def _grids(lake: Lake, model: ModelCard) -> Iterator[tuple[Manifest, StudyItemsSpec]]:
    """Yield the published grid studies of all layers of a model, the newest first."""
    of = {("study", "grid"), ("model", model.name)}
    published = [manifest for manifest in lake.manifests(StudyValuesSpec.kind) if manifest.coordinates.items() >= of]
    for values in sorted(published, key=lambda manifest: datetime.fromisoformat(manifest.created), reverse=True):
        items = lake.partition(StudyItemsSpec.kind, values.inputs[StudyItemsSpec.kind], **values.coordinates).manifest()
        if items and len((spec := StudyItemsSpec.parse(items.payload)).layers) == model.layers + 1:
            yield values, spec


def _states(lake: Lake, items: StudyItemsSpec, dataset: str) -> StatesSpec | None:
    """Return the spec of the training states that a study read of a data set, None where it read none, or they were
    removed."""
    key = items.states.get(f"{dataset}/train")
    where = {"model": items.model, "dataset": dataset, "split": "train"}
    manifest = lake.partition(StatesSpec.kind, key, **where).manifest() if key else None
    return StatesSpec.parse(manifest.payload) if manifest else None


def _same_rows(lake: Lake, states: StatesSpec, examples: ExamplesSpec) -> bool:
    """Return whether training rows of the study are training rows of the experiment: the same sources, split alike."""
    manifest = lake.partition(ExamplesSpec.kind, states.examples, dataset=states.dataset).manifest()
    read = ExamplesSpec.parse(manifest.payload) if manifest else None
    return read is not None and (read.card, read.hashes) == (examples.card, examples.hashes)


def _choice(lake: Lake, values: Manifest, dataset: str) -> dict[str, Any] | None:
    """Return the row of the layer that the study chose, None in one of before there was a choice."""
    rows = lake.of(values).table(["unit", "layer", "variant", "metric", "n"]).to_pylist()
    chosen = (row for row in rows if row["unit"] == dataset and row["metric"] == "layers_saved")
    return next((row for row in chosen if row["variant"].startswith(WHOLE_STATES)), None)

"""`backfill`: what an experiment lacks, one combination of model, data set and shots after another."""

from dataclasses import replace
from itertools import product
from typing import Any, Literal

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from pydantic import PositiveInt

from flows.execution.opening import plan_from_parameters
from flows.execution.progress import progress
from flows.execution.stages import build_datasets, extract_states, fit_methods, score_methods, solve_anchors
from flows.pipeline import pipeline
from flows.planning.experiment import Experiment, load_experiment
from flows.planning.method_rules import Shots, shots_of
from flows.planning.plan import ModelDatasetPlan, Plan
from tasks.catalog import update_catalog
from tasks.steps.specs import ComparisonsSpec
from tasks.steps.step import Step
from vocabsem.errors import CardError, ComputationFailed
from warehouse.home import Home


class BackfillFailed(ComputationFailed):
    """Some combinations could not be computed; the others were."""


@flow(name="backfill", log_prints=True)
def backfill(
    experiment: str = "quickstart",
    models: list[str] | None = None,
    datasets: list[str] | None = None,
    shots: list[PositiveInt | Literal[0, "all"]] | None = None,
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[dict[str, Any]]:
    """Compute the missing partitions of every combination; one that fails does not stop the others.

    What is published is skipped, so the same backfill goes on where it was stopped. At the end of the whole card's the
    run is recorded, as by the pipeline. Returns model, dataset, shots, computed and error of each combination.
    Raises CardError for what the card does not have, BackfillFailed after the last combination.

    Args:
        experiment: Name in data/experiments, or the path of a card.
        models: Only these models of the card; all if empty.
        datasets: Only these data sets of the card; all if empty.
        shots: Only these budgets of labeled examples per class; all if empty.
        overrides: Keys of the card, dotted, with new values.
        home: Where data rests; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    card = load_experiment(experiment, overrides)
    wanted = _combinations(card, models, datasets, shots)
    rows: list[dict[str, Any]] = []
    with progress(f"combinations of {card.name}", len(wanted)) as file:
        for model, dataset, budget in wanted:
            only = (overrides or {}) | {"models": [model], "datasets": [dataset]}
            row = {"model": model, "dataset": dataset, "shots": budget, "computed": 0, "error": None}
            try:
                row["computed"] = _fill(at_budget(plan_from_parameters(experiment, only, home, data_dir), budget))
            except Exception as error:
                get_run_logger().error(f"{model}, {dataset}, {budget} shots: {error}")
                row["error"] = str(error)
            rows.append(row)
            file.advance(1)
    create_table_artifact(rows, key=f"backfill-{card.name.replace('_', '-')}", description="What was missing")
    failed = [row for row in rows if row["error"]]
    if not (failed or models or datasets or shots):
        pipeline(experiment=experiment, overrides=overrides, home=home, data_dir=data_dir)
    elif any(row["computed"] for row in rows):
        update_catalog.submit(Home.find(home)).result()
    if failed:
        raise BackfillFailed(
            f"{len(failed)} of {len(rows)} combinations failed, the first with: {failed[0]['error']}. Mend it and give"
            " the same command: the others are kept"
        )
    return rows


def at_budget(plan: Plan, shots: Shots) -> Plan:
    """The plan's fits at one number of shots, and the states that they read. Their keys are those of the whole plan."""
    pairs = []
    for pair in plan.pairs:
        fits = [fit for fit in pair.fits if fit.shots == shots]
        read = {key for fit in fits for key in fit.predictions.inputs.values()}
        states = {role: step for role, step in pair.states.items() if step.key in read}
        pairs.append(replace(pair, fits=fits, states=states, compared=_at(pair, shots)))
    return replace(plan, pairs=pairs)


def _at(pair: ModelDatasetPlan, shots: Shots) -> list[Step[ComparisonsSpec]]:
    return [step for step in pair.compared if step.spec.shots == str(shots)]


def _fill(plan: Plan) -> int:
    """Compute what is missing of a plan but its run. Returns how many partitions that were."""
    missing = [step for step in plan.missing() if step.kind != "runs"]
    if missing:
        build_datasets(plan)
        extract_states(plan)
        solve_anchors(plan)
        fit_methods(plan)
        score_methods(plan)
    return len(missing)


def _combinations(
    card: Experiment, models: list[str] | None, datasets: list[str] | None, shots: list[Shots] | None
) -> list[tuple[str, str, Shots]]:
    """Entries of the card, by model, then data set, then shots. Raises CardError."""
    budgets = dict.fromkeys(n for spec in card.methods for n in shots_of(card, spec))
    named = {
        "model": {found.name: entry for found, entry in zip(card.model_cards(), card.models, strict=True)},
        "data set": {found.name: entry for found, entry in zip(card.dataset_cards(), card.datasets, strict=True)},
        "number of shots": {n: n for n in budgets},
    }
    chosen = []
    for (what, known), asked in zip(named.items(), (models, datasets, shots), strict=True):
        for one in asked or []:
            if one not in known and one not in known.values():
                raise CardError(f"experiment {card.name!r} has no {what} {one!r}: it has {', '.join(map(str, known))}")
        chosen.append([entry for name, entry in known.items() if not asked or name in asked or entry in asked])
    return list(product(*chosen))

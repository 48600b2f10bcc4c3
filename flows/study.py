"""A study of a model: an instrument's values, each beside its null."""

from typing import Any

from prefect import flow

from flows.execution.activity import activity
from flows.execution.flow_run import run_name
from flows.execution.solving import solve_model
from flows.execution.stages import build_datasets, extract_states
from flows.execution.turns import turn
from flows.planning.data_dir import find_data_dir
from flows.planning.study import StudyPlan, make_study_plan
from flows.planning.study_card import load_study
from tasks.catalog import update_catalog
from tasks.fetch import fetch_card
from tasks.fetch_files import fetch_files
from tasks.study import run_study
from warehouse.home import Home
from warehouse.lake.partition import Lake


@flow(name="study", flow_run_name=run_name, log_prints=True)
def study(
    study: str = "lexicon",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> str:
    """Measure what of a study is missing; states and anchors that are there are used. Returns the key of its values.

    Args:
        study: Name of a study card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    card, root, folder = load_study(study, overrides), Home.find(home), find_data_dir(data_dir)
    plan = make_study_plan(card, root, folder)
    with activity(f"fetching what study {card.name} reads"):
        files = fetch_files.submit(root, card.files, card.sha256).result()
        if plan.unfetched:
            fetch_card.submit(root, plan.model).result()
            for dataset in (each.located(folder) for each in plan.data.experiment.dataset_cards()) if plan.data else ():
                fetch_card.submit(root, dataset).result()
    plan = make_study_plan(card, root, folder)
    paths = {name: fetched.path for name, fetched in files.items()}
    key = _measure(plan, paths)
    update_catalog.submit(root).result()
    return key


def _measure(plan: StudyPlan, files: dict[str, Any]) -> str:
    assert plan.steps is not None
    (anchors, items, values), lake = plan.steps, Lake(plan.home)
    if plan.data:
        build_datasets(plan.data)
        extract_states(plan.data)
    device = plan.card.device
    for step, what in ((anchors, f"anchors of {plan.model.name}"), (values, f"study {plan.card.name}")):
        if step.partition(lake).published:
            continue
        with turn(plan.home, [step], what), activity(what):
            if step.partition(lake).published:
                continue
            if step is anchors:
                solve_model(plan.home, plan.model, anchors, device)
            else:
                datasets = [pair.dataset for pair in plan.data.pairs] if plan.data else []
                run_study.submit(plan.home, plan.model, datasets, files, items, values, device).result()
    return values.key

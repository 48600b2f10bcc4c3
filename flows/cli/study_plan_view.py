"""Print the plan of a study: what is to fetch, the states and the study to compute, their seconds."""

import json
from pathlib import Path

import typer

from flows.planning.data_dir import find_data_dir
from flows.planning.experiment import parse_overrides
from flows.planning.study import make_study_plan, study_cost
from flows.planning.study_card import load_study
from tasks.steps.study_specs import STORED
from vocabsem.cards.folders import list_cards
from vocabsem.cards.yaml_text import read_yaml_text
from warehouse.home import Home


def is_study(card: str) -> bool:
    """Return whether a card is that of a study: by its name, unless an experiment has it, or by its key `study`."""
    path = Path(card)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        content, _ = read_yaml_text(path.read_text(encoding="utf-8"), card)
        return isinstance(content, dict) and "study" in content
    return card in list_cards("studies") and card not in list_cards("experiments")


def show_study_plan(card: str, settings: list[str], data_dir: str | None, *, as_json: bool) -> None:
    """Print what the study has still to do and about how long that takes."""
    plan = make_study_plan(load_study(card, parse_overrides(settings)), Home.find(), find_data_dir(data_dir))
    cost = study_cost(plan)
    missing = [step.kind for step in plan.data.missing()] if plan.data else []
    counts = {"examples": missing.count("examples"), "states": sum(missing.count(kind) for kind in STORED)}
    if as_json:
        page = {"study": plan.card.study, "done": plan.done, "to_fetch": plan.unfetched, "missing": counts}
        page |= {"states_seconds": cost.states, "study_seconds": cost.study, "measured": cost.measured}
        typer.echo(json.dumps(page, indent=1))
        return
    if plan.done:
        typer.echo(f"{plan.card.name}: everything is published, nothing to do")
        return
    for source in plan.unfetched:
        typer.echo(f"to fetch first: {source}")
    if plan.data:
        states = "a time not known until then" if cost.states is None else f"about {cost.states:,.0f} s"
        typer.echo(f"to extract: {counts['states']} of {2 * len(plan.card.datasets)} splits of states, {states}")
    basis = "as in its last run here" if cost.measured else "as its card was timed on two cores, by the model's size"
    typer.echo(f"to measure: study {plan.card.study} of {plan.model.name}, about {cost.study:,.0f} s ({basis})")

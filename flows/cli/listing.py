"""The command that lists what cards and commands can name."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.app import Json, app
from vocabsem.errors import BadInput, suggest

if TYPE_CHECKING:
    from vocabsem.methods.info import MethodInfo

Row = dict[str, str | int]


@app.command("list")
def list_kind(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="models, datasets, methods, experiments, studies or queries.")
    ],
    as_json: Json = False,
) -> None:
    """List models, data sets, methods, experiments, studies or named queries, each by a sentence; --json has all."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from flows.cli.console import MAX_COLUMNS, console

    if kind not in KINDS:
        raise BadInput(f"there is no list of {kind!r}: {suggest(kind, KINDS)}")
    rows = KINDS[kind]()
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, (head, first) in enumerate(rows[0].items()):
        number = isinstance(first, int)
        table.add_column(head, no_wrap=number or index == 0, justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    console(MAX_COLUMNS).print(table)


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value.partition(". ")[0]


def _models() -> list[Row]:
    from vocabsem.cards.folders import list_cards
    from vocabsem.cards.loader import load_card

    cards = [load_card("models", name) for name in list_cards("models")]
    return [{"model": c.name, "parameters": c.parameters, "description": c.description} for c in cards]


def _datasets() -> list[Row]:
    from vocabsem.cards.folders import list_cards
    from vocabsem.cards.loader import load_card

    cards = [load_card("datasets", name) for name in list_cards("datasets")]
    return [{"dataset": c.name, "classes": c.classes, "description": c.description} for c in cards]


def _methods() -> list[Row]:
    from vocabsem.methods.extensions import offered
    from vocabsem.methods.registry import method_info, method_infos

    infos = [method_info(name) for name in [*method_infos(), *offered()]]
    return [{"method": i.name, "labels": _labels(i), "description": i.summary} for i in infos]


def _labels(info: "MethodInfo") -> str:
    use = "of use" if info.works_without_labels else "needed" if info.needs_labels else "not used"
    if "choice" in info.label_kinds:
        use += ", also choices"
    if "nominal" not in info.label_kinds:
        use += f", {' or '.join(info.label_kinds)}"
    return f"{use}, with weights" if info.takes_sample_weight else use


def _experiments() -> list[Row]:
    from flows.planning.experiment import load_experiment
    from vocabsem.cards.folders import list_cards

    cards = [load_experiment(name) for name in list_cards("experiments")]
    return [{"experiment": card.name, "description": card.description} for card in cards]


def _studies() -> list[Row]:
    from flows.planning.study_card import load_study
    from vocabsem.cards.folders import list_cards

    return [{"study": card.name, "description": card.description} for card in map(load_study, list_cards("studies"))]


def _queries() -> list[Row]:
    from warehouse.catalog.named_queries import named_queries

    return [{"query": named.name, "question": named.question} for named in named_queries().values()]


KINDS: Mapping[str, Callable[[], list[Row]]] = {
    "models": _models,
    "datasets": _datasets,
    "methods": _methods,
    "experiments": _experiments,
    "studies": _studies,
    "queries": _queries,
}

"""Command that measures a study and prints its metrics, each beside its null distribution."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DataDir, Set, TableFormat, app
from warehouse.home import Home


@app.command()
def study(
    card: Annotated[str, typer.Argument(metavar="NAME", help="Study card: a name, or the path of a .yaml file.")],
    settings: Set = None,
    data_dir: DataDir = None,
    form: TableFormat = "table",
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="SVG chart of the metrics by layer.")] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the trained dictionaries, one in each, as SAE Lens reads them."),
    ] = None,
) -> None:
    """Measure a study of a model; print its metrics with 95 % intervals and null distributions. Resumable."""
    from flows.cli.studies_view import export_dictionaries, print_study, require_dictionaries, study_notes
    from flows.planning.data_dir import find_data_dir, require_files
    from flows.planning.experiment import parse_overrides
    from flows.planning.study import make_study_plan
    from flows.planning.study_card import load_study
    from flows.reporting.studies import study_picture
    from flows.reporting.templating import write_page
    from warehouse.catalog import reads
    from warehouse.catalog.export import write_table

    home, overrides = Home.find(), parse_overrides(settings or [])
    study_card = load_study(card, overrides)
    if export:
        require_dictionaries(study_card)
    plan = make_study_plan(study_card, home, find_data_dir(data_dir))
    require_files(plan.unfetched, plan.home.cache)
    key = plan.steps[-1].key if plan.done and plan.steps else _run(home, card, overrides, data_dir)
    rows = reads.study_values(home, key)
    if export:
        export_dictionaries(home, key, export)
    if chart:
        write_page(chart, study_picture(rows.to_pylist()))
    notes = study_notes(home, key)
    if form == "table":
        print_study(rows.to_pylist(), plan.card.description, notes)
    else:
        for what, note in notes:
            typer.echo(f"{what}: {note}", err=True)
        write_table(rows, form, sys.stdout.buffer)


def _run(home: Home, card: str, overrides: dict[str, object], data_dir: str | None) -> str:
    from flows.services.prefect_api import in_process

    with in_process(home):
        from flows.execution.log_file import log_file
        from flows.study import study as flow

        with log_file(home, "study"):
            return flow(study=card, overrides=overrides, home=str(home), data_dir=data_dir)

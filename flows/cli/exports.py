"""The command that hands states, anchors and predictions to other tools."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli.app import DEFAULT_MODEL, app
from vocabsem.errors import BadInput
from warehouse.home import Home


@app.command()
def export(
    what: Annotated[
        Literal["states", "anchors", "predictions", "card"],
        typer.Argument(metavar="WHAT", help="What to write: states, anchors, predictions; or card, of the champions."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="A .npz (without texts), .parquet or, for a card, .md file; without a suffix, a folder of `datasets`.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Model, by default {DEFAULT_MODEL}; of predictions, every one.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="Data set; states need one.")] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="train, validation or test; by default all.")
    ] = None,
    layer: Annotated[int | None, typer.Option(metavar="N", help="Layer of states, by default the last stored.")] = None,
    pooling: Annotated[
        Literal["last", "mean", "weighted_mean", "echo"] | None,
        typer.Option(help="Pooling of states, by default the first of these that is stored."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Experiment; predictions and a card need one.")
    ] = None,
    method: Annotated[str | None, typer.Option(metavar="NAME", help="Only predictions of this method.")] = None,
    shots: Annotated[str | None, typer.Option(metavar="N", help="Only predictions at these shots, or all.")] = None,
    form: Annotated[
        Literal["harness"] | None,
        typer.Option(
            "--format", help="harness: predictions as samples and results of lm-evaluation-harness, in a new folder."
        ),
    ] = None,
) -> None:
    """Write states, anchors or predictions for NumPy, Parquet readers, Hugging Face's datasets, or other harnesses.

    `card` is the README.md of a model on the Hugging Face hub, with the champions' results as its metadata.
    """
    from flows.reporting.templating import writable
    from tasks.views.array_files import write_arrays
    from warehouse.catalog import reads

    home = Home.find()
    if form == "harness" and what != "predictions":
        raise BadInput(f"--format harness is for predictions, not for {what}")
    if what == "states":
        if dataset is None:
            raise BadInput("states are of one data set: give --dataset")
        table = reads.exported_states(home, model or DEFAULT_MODEL, dataset, split, layer, pooling)
    elif what == "anchors":
        table = reads.exported_anchors(home, model or DEFAULT_MODEL)
    else:
        if experiment is None:
            known = ", ".join(reads.experiments(home)) or "which there is none yet"
            raise BadInput(f"{what} is of one experiment: give --experiment, of {known}")
        if what == "card":
            _write_card(home, experiment, output)
            return
        if form == "harness":
            selection = {"model": model, "dataset": dataset, "method": method, "shots": shots}
            _write_harness(home, experiment, output, selection, split)
            return
        table = reads.exported_predictions(home, experiment, model, dataset, method, shots, split)
    if not len(table):
        chosen = {"experiment": experiment, "model": model, "dataset": dataset, "split": split, "layer": layer}
        chosen |= {"pooling": pooling, "method": method, "shots": shots}
        options = "".join(f" --{name} {value}" for name, value in chosen.items() if value is not None)
        raise BadInput(f'{home} has no {what} of{options}: `vocabsem sql "from partitions"` lists what there is')
    if output.suffix:
        with writable(output):
            written = write_arrays(table, output)
    else:
        written = write_arrays(table, output)
    typer.echo(f"{output}: {len(table):,} rows: {', '.join(written)}")


def _write_harness(
    home: Home, experiment: str, output: Path, selection: dict[str, str | None], split: str | None
) -> None:
    from flows.cli.compare_view import find_run
    from tasks.views.harness_files import write_harness
    from tasks.views.recorded_run import RecordedRun

    if split == "train":
        raise BadInput("--split train: predictions are of validation or test")
    run = RecordedRun(home, find_run(home, experiment)["key"])
    try:
        paths = write_harness(run, output, selection, split or "test")
    except OSError as error:
        raise BadInput(f"cannot write {output}: {error.strerror}: choose another place with --output") from error
    samples = sum(path.suffix == ".jsonl" for path in paths)
    typer.echo(f"{output}: {samples:,} files of samples, results of {len(paths) - samples} models")


def _write_card(home: Home, experiment: str, output: Path) -> None:
    from flows.reporting.hub_card import hub_card
    from flows.reporting.report import latest_run
    from flows.reporting.templating import writable, write_page

    if output.suffix != ".md":
        raise BadInput(f"--output {output}: a card is Markdown: give a name with .md")
    page = hub_card(home, latest_run(home, experiment))
    with writable(output):
        write_page(output, page)
    typer.echo(output)

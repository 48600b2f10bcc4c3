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
        Literal["states", "anchors", "predictions"],
        typer.Argument(metavar="WHAT", help="What to write: states, anchors or predictions."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="PATH", help="A .npz or .parquet file to write; without a suffix, a folder of `datasets`."
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
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Experiment; predictions need one.")] = None,
    method: Annotated[str | None, typer.Option(metavar="NAME", help="Only predictions of this method.")] = None,
    shots: Annotated[str | None, typer.Option(metavar="N", help="Only predictions at these shots, or all.")] = None,
) -> None:
    """Write states, anchors or predictions for NumPy, Parquet readers or Hugging Face's datasets."""
    from flows.reporting.templating import writable
    from tasks.views.array_files import write_arrays
    from warehouse.catalog import reads

    home = Home.find()
    if what == "states":
        if dataset is None:
            raise BadInput("states are of one data set: give --dataset")
        table = reads.exported_states(home, model or DEFAULT_MODEL, dataset, split, layer, pooling)
    elif what == "anchors":
        table = reads.exported_anchors(home, model or DEFAULT_MODEL)
    else:
        if experiment is None:
            raise BadInput(
                f"predictions are of one experiment: give --experiment, of {', '.join(reads.experiments(home))}"
            )
        table = reads.exported_predictions(home, experiment, model, dataset, method, shots, split)
    if not len(table):
        raise BadInput(f'there are no such {what} in {home.root}: `vocabsem sql "from partitions"` lists what there is')
    if output.suffix:
        with writable(output):
            write_arrays(table, output)
    else:
        write_arrays(table, output)
    typer.echo(f"{output}: {len(table):,} rows: {', '.join(table.column_names)}")

"""Define the application and the options that commands share. A command imports heavy modules when it runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from vocabsem import __version__

        typer.echo(f"vocabsem {__version__}")
        raise typer.Exit


@app.callback()
def common(
    home: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder or s3://BUCKET/PREFIX (gs://, abfs://) of all data, default .vocabsem here (VOCABSEM_HOME).",
        ),
    ] = None,
    cards: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder of cards, searched before cards here; repeatable (VOCABSEM_CARDS)."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print what flows, tasks, libraries log.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Measure and improve what a frozen language model knows about a labeled task.

    The options may stand before or after the command. What flows and tasks log is kept in the home, in logs/. Exit
    codes: 0 success, 1 a computation failed, 2 invalid input, 128 + its number after a signal.
    """


warehouse_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Maintain the warehouse.")
app.add_typer(warehouse_app, name="warehouse")

Card = Annotated[str, typer.Argument(metavar="CARD", help="Experiment card: a name, or the path of a .yaml file.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the card; repeatable.")
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the experiment, by default the card's, with what --set changes."),
]
Runner = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Where tasks compute: local, process, dask or ray; with :WORKERS of this machine, or :ADDRESS of a running"
        " cluster (VOCABSEM_RUNNER).",
    ),
]
DataDir = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder with local copies of data sets (VOCABSEM_DATA_DIR).")
]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="Output format: table, csv or json.")]
TableFormat = Annotated[
    str,
    typer.Option(
        "--format", metavar="FORMAT", help="Output format: table, csv, excel (CSV for spreadsheets), json or parquet."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    str,
    typer.Option(metavar="MODEL", help="A model card's name or path; or hf:org/name, a folder, a .gguf file."),
]
Sep = Annotated[
    str | None,
    typer.Option(metavar="CHARACTER", help="Separator of a CSV file, by default the one of , ; tab | in its header."),
]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Encoding of a text file, by default UTF-8.")]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="Device of the language model: auto, cpu, cuda, or offload, offload:8GB, which leave on the disk what does"
        " not fit into memory.",
    ),
]
DEFAULT_MODEL = "smollm2-135m-instruct"

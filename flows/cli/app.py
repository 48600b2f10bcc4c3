"""Define the application and the options that commands share. A command imports heavy modules when it runs."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure and improve what a frozen language model knows about a labeled task.\n\n"
    "Every command takes --home DIR (or VOCABSEM_HOME), the folder of all data, by default .vocabsem, "
    "and --debug, which prints tracebacks. Exit codes: 0 success, 1 a computation failed, 2 invalid input, "
    "128 + its number after a signal.",
)

warehouse_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Maintain the warehouse.")
app.add_typer(warehouse_app, name="warehouse")

Card = Annotated[str, typer.Argument(metavar="CARD", help="Experiment card: a path or a name in data/experiments.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the card; repeatable.")
]
DataDir = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder with local copies of data sets (VOCABSEM_DATA_DIR).")
]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="Output format: table, csv or json.")]
TableFormat = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="Output format: table, csv, json or parquet.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Option(metavar="CARD", help="Model card: a path or a name in data/models.")]
Sep = Annotated[
    str | None,
    typer.Option(metavar="CHARACTER", help="Separator of a CSV file, by default the one of , ; tab | in its header."),
]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Encoding of a text file, by default UTF-8.")]
DEFAULT_MODEL = "smollm2-135m-instruct"

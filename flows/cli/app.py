"""The commands of `vocabsem`, a module a subject. Heavy modules are imported by the command that needs them."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure and improve what a frozen language model knows about a labeled task.\n\n"
    "Anywhere on the line: --home DIR (or VOCABSEM_HOME) says where data rests, by default .vocabsem; "
    "--debug shows tracebacks. Exit codes: 0 done, 1 a computation failed, 2 bad input.",
)

warehouse_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Care for the warehouse.")
app.add_typer(warehouse_app, name="warehouse")

Card = Annotated[str, typer.Argument(metavar="CARD", help="Experiment card: a path, or a name in data/experiments.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the card.")]
DataDir = Annotated[str | None, typer.Option(help="Folder with local copies of data sets (VOCABSEM_DATA_DIR).")]
Format = Annotated[str, typer.Option("--format", help="table, csv or json.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Option(help="Model card.")]
DEFAULT_MODEL = "smollm2-135m-instruct"

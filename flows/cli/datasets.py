"""Command on data sets: write the card of a file."""

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.app import DEFAULT_MODEL, Encoding, Model, Sep, app
from flows.cli.card_files import check_output, write_card
from vocabsem.errors import CardError
from vocabsem.sources.local import require_file
from warehouse.home import Home

RANDOM_AXIS = "{method: ridge_regression, params: {targets: random}}"
OF_NUMBERS = f"[ridge_regression,{RANDOM_AXIS},{{method: tfidf_ridge, shots: [all]}}]"
OF_SEVERAL = "[multi_ridge,{method: multi_ridge, params: {targets: random}},tfidf_one_vs_rest]"
OF_ORDER = "[zero_shot,ordinal_ridge,{method: ordinal_ridge, params: {targets: random}},vocabulary_calibrator,ridge]"
if TYPE_CHECKING:
    from tasks.views.choices_draft import ChoicesDraft
    from tasks.views.numbers_draft import NumbersDraft

NOTE = "# Written by vocabsem init-dataset: add source and license, and edit label words and template as needed.\n"


@app.command()
def init_dataset(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, JSON, JSON lines (each also .gz, .bz2, .zst), Parquet or Arrow: one labeled text per row.",
        ),
    ],
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the texts.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the classes.")],
    choices: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="Column of answer options (a list), or comma-separated columns.",
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="The labels are numbers: a word for low and one for high ones."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set, by default that of the file.")] = None,
    model: Model = DEFAULT_MODEL,
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of the test rows, in place of a fifth of FILE.")
    ] = None,
    sep: Sep = None,
    encoding: Encoding = None,
    label_separator: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What separates the labels of a row that may have several.")
    ] = None,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="Leave out rows without text or class.")] = False,
    drop_rare: Annotated[bool, typer.Option("--drop-rare", help="Leave out classes of fewer than 3 rows.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Card to write, by default datasets/NAME.yaml in your folder of cards."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing card.")] = False,
) -> None:
    """Write the card of your own data set, with label words proposed by the model."""
    for given in filter(None, [file, test]):
        require_file(given)

    import yaml

    from flows.reporting.data_notes import examples_notes
    from tasks.views.choices_draft import draft_choices
    from tasks.views.dataset_draft import propose, read_draft
    from tasks.views.numbers_draft import draft_numbers
    from vocabsem.cards.folders import own_folder
    from vocabsem.cards.reader_options import reader_options
    from vocabsem.cards.schema import DatasetCard
    from vocabsem.models.model_draft import find_model_card
    from warehouse.printable import printable

    name = name or _name_of(file)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise CardError(f"--name {name!r}: use only letters, digits and . _ -, as in reviews_2026")
    output = output or own_folder() / "datasets" / f"{name}.yaml"
    check_output(output, force)
    home = Home.find()
    card = find_model_card(model, home.cache)
    files = {"train": file, "test": test} if test else {"all": file}
    options = reader_options(sep, encoding)
    kinds = {"--choices": choices, "--scale": scale, "--label-separator": label_separator}
    if len(both := [option for option, value in kinds.items() if value is not None]) > 1:
        raise CardError(f"{' and '.join(both)} are of different kinds of labels: give one of them")
    if choices:
        _write_choices(draft_choices(files, text, label, name, choices.split(","), options), output, own_folder())
        return
    if scale is not None:
        low, _, high = (word.strip() for word in scale.partition(","))
        if not low or not high or "," in high:
            raise CardError(f"--scale {scale!r}: give two words with a comma between, as in --scale bad,good")
        numbers = draft_numbers(files, text, label, name, (low, high), options, drop_empty=drop_empty)
        _write_numbers(numbers, output, own_folder())
        return
    dropped = {"drop_empty": drop_empty, "drop_rare": drop_rare}
    draft = read_draft(files, text, label, name, options, separator=label_separator, **dropped)
    typer.echo(f"{file.name}: {draft.rows:,} rows of {len(draft.counts)} classes; {model} reads a sample", err=True)
    proposal = propose(home, card, draft)
    drafted = draft.card(proposal.words, proposal.word_tokens)
    text_of_card = NOTE + yaml.safe_dump(drafted, sort_keys=False, allow_unicode=True, width=110)
    write_card(output, "datasets", DatasetCard, text_of_card)
    typer.echo(f"\n{'class':<20} {'rows':>8}  label word")
    for (label_name, count), word in zip(draft.counts.items(), proposal.words, strict=True):
        typer.echo(f"{printable(label_name):<20} {count:>8,}  {word}")
    if draft.ordinal:
        typer.echo(
            "\nlabel_kind: ordinal, as these numbers look like a scale: take it out of the card if they are codes"
        )
    for prompt, words in proposal.prompts:
        typer.echo(f"\n{printable(prompt, keep=chr(10))} {words}")
    typer.echo(f"\nprompts: 95 % have at most {proposal.max_tokens} tokens, the longest seen {proposal.longest}")
    for line in [*examples_notes(proposal.division.facts), *proposal.division.contradictions]:
        typer.echo(printable(f"{name}: {line}"))
    known = name if output.parent == own_folder() / "datasets" else output
    experiment = re.sub(r"[^a-z0-9_-]", "_", name.lower())
    settings = f"--name {experiment} --set 'datasets=[{known}]' --set on_insufficient=use_all"
    settings += f" --set max_tokens={proposal.max_tokens}"
    if label_separator or draft.ordinal:
        settings += f" --set 'methods={OF_SEVERAL if label_separator else OF_ORDER}'"
    if model != DEFAULT_MODEL:
        settings += f" --set 'models=[{model}]'"
    typer.echo(f"\nwritten: {output}\nnext:    vocabsem run quickstart {settings}")


def _write_choices(draft: "ChoicesDraft", output: Path, own: Path) -> None:
    settings = _write_draft(draft.card, output, own)
    fewest, most = draft.options
    many = f"{most}" if fewest == most else f"{fewest} to {most}"
    typer.echo(f"{draft.rows:,} questions of {many} options; labels are {draft.labels}")
    scorings = ["exact", "exact_mean", "letters"] if fewest == most else ["exact", "exact_mean"]
    if fewest != most:
        typer.echo("no letters: they need as many options in every row")
    methods = ", ".join(f"{{method: zero_shot, scoring: {scoring}}}" for scoring in scorings)
    settings += f" --set 'shots=[0]' --set champion=false --set temperature=false --set 'methods=[{methods}]'"
    typer.echo(f"\nwritten: {output}\nnext:    vocabsem run quickstart {settings}")


def _write_numbers(draft: "NumbersDraft", output: Path, own: Path) -> None:
    settings = _write_draft(draft.card, output, own)
    low, high = draft.card["labels"]
    typer.echo(f"{draft.rows:,} rows; {low['word']!r} stands for {low['value']}, {high['word']!r} for {high['value']}")
    settings += f" --set temperature=false --set 'methods={OF_NUMBERS}'"
    typer.echo(f"\nwritten: {output}\nnext:    vocabsem run quickstart {settings}")


def _write_draft(card: dict[str, Any], output: Path, own: Path) -> str:
    """Write a card, and return the options of `run` that name it."""
    import yaml

    from vocabsem.cards.schema import DatasetCard

    text_of_card = NOTE + yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110)
    write_card(output, "datasets", DatasetCard, text_of_card)
    known = card["name"] if output.parent == own / "datasets" else output
    return f"--name {re.sub(r'[^a-z0-9_-]', '_', card['name'].lower())} --set 'datasets=[{known}]'"


def _name_of(file: Path) -> str:
    """The file's name in letters that a card's may have: `Ärger im Büro (1).csv` is `arger_im_buro_1`."""
    bare = file.name.partition(".")[0].lower()
    plain = unicodedata.normalize("NFKD", bare.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", plain).strip("_") or "mine"

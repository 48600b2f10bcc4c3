"""Data sets of one's own: from a file to a card."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DEFAULT_MODEL, Model, app
from vocabsem.errors import CardError
from warehouse.home import Home

NOTE = "# Written by vocabsem init-dataset: say whose data these are, and mend words and template as you know better.\n"


@app.command()
def init_dataset(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, UTF-8, one labeled text a row.")],
    text: Annotated[str, typer.Option(help="Column of the texts.")],
    label: Annotated[str, typer.Option(help="Column of the classes.")],
    name: Annotated[str | None, typer.Option(help="Name of the data set, by default the file's.")] = None,
    model: Model = DEFAULT_MODEL,
    output: Annotated[Path | None, typer.Option(help="Card to write, by default data/datasets/NAME.yaml.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a card that is there.")] = False,
) -> None:
    """Write the card of a data set of your own, with label words proposed by the model."""
    from tasks.views.dataset_draft import propose, read_draft
    from vocabsem.cards.schema import CARDS, load_card

    name = name or re.sub(r"\W+", "_", file.stem.lower()).strip("_") or "mine"
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise CardError(f"--name {name!r}: give letters, digits and . _ - only, as in reviews_2026")
    output = output or CARDS / "datasets" / f"{name}.yaml"
    if output.suffix != ".yaml":
        raise CardError(f"--output {output}: a card's name ends in .yaml")
    if output.exists() and not force:
        raise CardError(f"{output} is there already: give another --name or --output, or --force to overwrite it")
    home, card = Home.find(), load_card("models", model)
    draft = read_draft(home, file, text, label, name)
    rows = sum(draft.counts.values())
    typer.echo(f"{file.name}: {rows:,} rows of {len(draft.counts)} classes; {model} reads a sample of them", err=True)
    words, prompts = propose(home, card, draft)
    _write(output, draft.card(words))
    typer.echo(f"\n{'class':<20} {'rows':>8}  label word")
    for (label_name, count), word in zip(draft.counts.items(), words, strict=True):
        typer.echo(f"{label_name:<20} {count:>8,}  {word}")
    of_class = dict(zip(draft.counts, words, strict=True))
    for prompt, label_name in prompts:
        typer.echo(f"\n{prompt} {of_class[label_name]}")
    known = name if output.parent == CARDS / "datasets" else output
    experiment = re.sub(r"[^a-z0-9_-]", "_", name.lower())
    settings = f"--set name={experiment} --set 'datasets=[{known}]' --set on_insufficient=use_all"
    if model != DEFAULT_MODEL:
        settings += f" --set 'models=[{model}]'"
    typer.echo(f"\nwritten: {output}\nnext:    vocabsem run quickstart {settings}")


def _write(output: Path, card: dict[str, object]) -> None:
    """Through a temporary beside it, and only what can be read again."""
    import yaml

    from vocabsem.cards.schema import DatasetCard, read_yaml

    temporary = output.with_name(f".{output.name}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(
            NOTE + yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8"
        )
        read_yaml(temporary, DatasetCard)
        temporary.replace(output)
    except OSError as error:
        raise CardError(f"cannot write {output}: {error.strerror}: choose another place with --output") from error
    finally:
        with suppress(OSError):  # the same that is told of already
            temporary.unlink(missing_ok=True)
